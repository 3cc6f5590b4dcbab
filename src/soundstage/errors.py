"""What a user can do wrong, as one family of exceptions.

Every message is one sentence that says what is wrong, where, and what to do. The command line
prints it and exits with 2; a program catches `SoundstageError`.
"""


class SoundstageError(Exception):
    """Anything a user can cause and mend."""


class InputError(SoundstageError):
    """The sound given cannot be used: missing, damaged, not audio, not mono, not finite."""


class OutputError(SoundstageError):
    """The result cannot be written where it was asked for."""


class OptionError(SoundstageError, ValueError):
    """A method, control or option is unknown or out of its range."""


class WeightsError(SoundstageError):
    """A file of trained weights is missing, damaged, or not one of ours."""
