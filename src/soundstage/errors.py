"""The exceptions for errors that a user can cause.

Every message is one sentence that says what is wrong, where, and what to do. The command line
prints it and exits with 2; a program catches `SoundstageError`.
"""


class SoundstageError(Exception):
    """An error that a user can cause, and correct."""


class InputError(SoundstageError):
    """The input cannot be used: missing, damaged, not audio, wrong channels, not finite."""


class OutputError(SoundstageError):
    """The result cannot be written to its target."""


class OptionError(SoundstageError, ValueError):
    """A method, control or option is unknown or out of range."""


class WeightsError(SoundstageError):
    """A weights file is missing, damaged, or not supported."""


def missing_extra(
    extra: str, library: str, purpose: str, kind: type[SoundstageError] = OptionError
) -> SoundstageError:
    """The error for an optional library that is not installed.

    Args:
        extra: the extra of this package that installs it, such as "eval".
        library: its name, such as "matplotlib".
        purpose: the subject of the sentence, in the singular, such as "Drawing".
        kind: class of the error.
    """
    return kind(f'{purpose} requires {library}: pip install "soundstage[{extra}]".')
