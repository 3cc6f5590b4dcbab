"""Templates of file names, such as "{stem}-stereo-{take:02}{ext}".

Only the fields of `FIELDS` are replaced, and only numbers take a width, so that a template from
elsewhere can neither reach into objects nor fill the memory.
"""

import hashlib
import os
import re
import string
from collections.abc import Callable, Mapping, Sequence

from soundstage.audio.formats import WRITABLE_SUFFIXES, container_of
from soundstage.errors import OptionError, quoted

FIELDS = ("stem", "method", "seed", "take", "ext")
"""Fields in the name template of an output, in braces."""
MAX_NAME = 255  # bytes, the limit of the usual file systems
SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))
_NUMBERS = ("seed", "take")
_WIDTH = re.compile("0?[1-9]?")  # of a number

Names = Callable[[str, str], tuple[str, ...]]
"""The file names of the results of a source, from the stem to use and its suffix."""


def file_names(
    template: str,
    suffix: str | None = None,
    fields: Sequence[Mapping[str, object]] = ({},),
) -> Names:
    """The function that gives a source the file names of a template.

    A name that is too long for a file system has its stem cut, with a hash of it at the end.

    Raises:
        OptionError: the template is not understood or names no file, or the suffix cannot be
            written.
    """
    extension = None
    if suffix is not None:
        container_of(suffix)
        extension = "." + suffix.lstrip(".")
    parts = [_parsed(template, values) for values in fields]
    if not "".join(parts[0]).strip("."):
        raise OptionError(f"The name {quoted(template)} is not the name of a file.")

    def names(stem: str, suffix: str) -> tuple[str, ...]:
        end = extension or suffix
        if not extension and end.lower() not in WRITABLE_SUFFIXES:
            end = ".wav"
        return tuple([_filled(part, stem, end) for part in parts])

    return names


_STEM, _EXT = "\0stem", "\0ext"  # no name has a null


def _parsed(template: str, values: Mapping[str, object]) -> list[str]:
    """The template in parts: text, `_STEM` and `_EXT`."""
    parts = []
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise OptionError(f"The name {quoted(template)} is not understood ({error}).") from error
    for text, field, width, conversion in parsed:
        if any(separator in text for separator in (*SEPARATORS, "\0")):
            raise OptionError(f"The name {quoted(template)} is not the name of a file.")
        parts.append(text)
        if field is None:
            continue
        if field not in FIELDS:
            raise OptionError(
                f"The name {quoted(template)} has an unknown field {quoted('{' + field + '}')}: "
                f"use {', '.join('{' + each + '}' for each in FIELDS)}."
            )
        if conversion or (width and not (field in _NUMBERS and _WIDTH.fullmatch(width))):
            raise OptionError(
                f"The name {quoted(template)} is not understood: only {{seed}} and {{take}} have a "
                "width, such as {take:02}."
            )
        if field in ("stem", "ext"):
            parts.append(_STEM if field == "stem" else _EXT)
        else:
            parts.append(re.sub(r"[/\\\0]", "_", format(values.get(field, ""), width or "")))
    return parts


def _filled(parts: Sequence[str], stem: str, extension: str) -> str:
    values = {_STEM: stem, _EXT: extension}
    name = "".join([values.get(part, part) for part in parts])
    if 4 * len(name) <= MAX_NAME:  # bytes of a character
        return name
    over = len(os.fsencode(name)) - MAX_NAME
    count = parts.count(_STEM)
    if over <= 0 or not count:
        return name
    raw = os.fsencode(stem)
    mark = "~" + hashlib.sha256(raw).hexdigest()[:6]
    end = max(len(raw) - len(mark) - -(-over // count), 0)
    while end and raw[end] & 0xC0 == 0x80:  # within a character of UTF-8
        end -= 1
    values[_STEM] = os.fsdecode(raw[:end]) + mark
    return "".join([values.get(part, part) for part in parts])
