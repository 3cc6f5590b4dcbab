"""The exceptions for errors that a user can cause, and foreign text in their sentences.

Every message is one sentence that says what is wrong, where, and what to do. The command line
prints it and exits with 2; a program catches `SoundstageError`.

Names and contents of files come from others: a control character could steer the terminal, a
direction mark could hide what a name says, and a damaged file could fill the screen. So messages
are printable by construction, and what they quote is short (`quoted`, `reason`).
"""

import os
import traceback
import unicodedata

QUOTED = 100
"""Most characters of foreign text in a sentence."""

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # Unicode categories
_JOINERS = {"\u200c", "\u200d"}  # join or part letters of Persian and Hindi, and parts of emoji


class SoundstageError(Exception):
    """An error that a user can cause, and correct.

    Args:
        message: one sentence; what is not printable in it is escaped.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message))


class InputError(SoundstageError):
    """The input cannot be used: missing, damaged, not audio, wrong channels, not finite."""


class OutputError(SoundstageError):
    """The result cannot be written to its target."""


class OptionError(SoundstageError, ValueError):
    """A method, control or option is unknown or out of range."""


class WeightsError(SoundstageError):
    """A weights file is missing, damaged, or not supported."""


class MethodError(SoundstageError):
    """A method from outside the package cannot be imported, failed, or returned no stereo."""


def printable(text: str) -> str:
    r"""The text, with escapes for control characters, direction marks and bytes that are no UTF-8.

    Letters of every script, combining marks, emoji and all spaces stay as they are.

    >>> printable("\x1b]0;title\x07.wav")
    '\\x1b]0;title\\x07.wav'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escape(character)
        if unicodedata.category(character) in _INVISIBLE and character not in _JOINERS
        else character
        for character in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # `os.fsdecode` hides a byte in such a surrogate
        code -= 0xDC00
    if code < 0x100:
        return {"\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quoted(value: object, limit: int = QUOTED) -> str:
    """A value from outside, such as a name in a file, for a sentence: short and printable.

    Args:
        value: text, which gets quotation marks, or another value, written as Python writes it.
        limit: most characters between the marks; longer text is cut at its end.

    >>> quoted("x" * 9, limit=8), quoted(2.5)
    ("'xxxxx...'", '2.5')
    """
    if isinstance(value, str):
        return f"'{shortened(value, limit)}'"
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python converts
        text = "a number of too many digits"
    except RecursionError:
        text = "a deeply nested value"
    return shortened(text, limit)


def reason(error: BaseException, limit: int = QUOTED) -> str:
    """The first sentence of an error of another library, without its full stop, for a sentence."""
    lines = str(error).strip().splitlines()
    text = (lines[0] if lines else type(error).__name__).split(". ")[0].strip().rstrip(".:")
    return shortened(text, limit)


def shortened(text: str, limit: int = QUOTED) -> str:
    """Foreign text for a sentence without quotation marks: short and printable."""
    text = printable(text[: 2 * limit])
    return text if len(text) <= limit else text[: limit - 3] + "..."


SYSTEM_ERRORS = (OSError, UnicodeError, MemoryError)
"""Errors of the system that any file can meet: `of_system` makes a sentence of them."""


def of_system(error: BaseException, name: object = None) -> SoundstageError:
    """The sentence for one of `SYSTEM_ERRORS` that no code nearer to its cause has worded.

    Args:
        error: as raised.
        name: what was worked on, such as a path.

    >>> str(of_system(OSError(36, "File name too long", "aaa.wav"), "a.wav"))
    "a.wav cannot be processed: 'aaa.wav': File name too long; try another name or folder."
    """
    start = "This" if name is None else shortened(str(name), 300)
    if isinstance(error, MemoryError):
        return SoundstageError(f"{start} cannot be processed: memory ran out; use fewer jobs.")
    if isinstance(error, UnicodeError):
        return SoundstageError(
            f"{start} cannot be processed: a name or a text is not UTF-8 ({reason(error)}); "
            "rename the file, or repair the text."
        )
    filename = getattr(error, "filename", None)
    place = f"{quoted(os.fsdecode(filename))}: " if isinstance(filename, str | bytes) else ""
    text = (getattr(error, "strerror", None) or reason(error)).rstrip(".")
    return SoundstageError(
        f"{start} cannot be processed: {place}{text}; try another name or folder."
    )


def unexpected(error: Exception, name: object) -> SoundstageError:
    """The sentence for a fault of this program, which must not stop a batch."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return SoundstageError(
        f"{shortened(str(name), 300)} cannot be processed: a fault of the program "
        f"({type(error).__name__} in {os.path.basename(place.filename)}, line {place.lineno}: "
        f"{reason(error)}); please report it with the file."
    )


def missing_extra(
    extra: str, library: str, purpose: str, kind: type[SoundstageError] = OptionError
) -> SoundstageError:
    """The error for an optional library that is not installed.

    Args:
        extra: the extra of this package that installs it, such as "eval".
        library: its name in the package index, such as "matplotlib".
        purpose: the subject of the sentence, in the singular, such as "Drawing".
        kind: class of the error.
    """
    return kind(
        f"{purpose} requires {library}: pip install {library}, or install Soundstage with its "
        f"extra {extra}."
    )
