"""Writing ID3v2.4 in UTF-8.

Frames that are not text, comments, lyrics, pictures or chapters are carried as they are, from one
ID3 tag to another.
"""

import re
import struct
from collections.abc import Iterator

from soundstage.audio.metadata.id3 import synchsafe
from soundstage.audio.metadata.model import Metadata
from soundstage.audio.metadata.names import ID3, NUMBERS

_UTF_8 = b"\x03"
_TEXT = re.compile(r"T[A-Z0-9]{3}|GRP1|MVNM|MVIN")
_LINK = re.compile(r"W[A-Z0-9]{3}")
_MAX_TAG = (1 << 28) - 1  # bytes that a tag can count
_Frame = tuple[str, bytes]


def write_id3(metadata: Metadata) -> bytes:
    """The metadata as a tag of version 2.4; empty if there is nothing to write."""
    frames = [*_text_frames(metadata), *_other_frames(metadata)]
    body = b"".join(_packed(name, data) for name, data in frames)
    if not body or len(body) > _MAX_TAG:
        return b""
    return b"ID3\x04\0\0" + synchsafe(len(body)) + body


def _text_frames(metadata: Metadata) -> Iterator[_Frame]:
    tags = dict(metadata.tags)
    for name, values in tags.items():
        kind, _, caption = name.partition(":")
        if name in NUMBERS:
            continue
        if kind in ("comment", "lyrics"):
            code = {"comment": "COMM", "lyrics": "USLT"}[kind]
            for language, texts in _by_language(metadata, name, values).items():
                head = _UTF_8 + language.encode("latin-1") + _bytes(caption) + b"\0"
                yield (code, head + _joined(texts))
        elif kind == "url":
            yield ("WXXX", _UTF_8 + _bytes(caption) + b"\0" + _bytes(values[0]))
        elif _LINK.fullmatch(name):
            yield (name, _bytes(values[0]))
        elif name in ID3 or (_TEXT.fullmatch(name) and name != "TXXX"):
            yield (ID3.get(name, name), _UTF_8 + _joined(values))
        else:
            yield ("TXXX", _UTF_8 + _bytes(name) + b"\0" + _joined(values))
    for code, number in (("TRCK", "track"), ("TPOS", "disc")):
        numbers, totals = (tags.get(number + end, ()) for end in ("number", "total"))
        if numbers or totals:
            value = "/".join([(*numbers, "")[0], *totals[:1]])
            yield (code, _UTF_8 + _bytes(value))


def _other_frames(metadata: Metadata) -> Iterator[_Frame]:
    for picture in metadata.pictures:
        head = _UTF_8 + picture.mime.encode("latin-1", "replace") + b"\0" + bytes([picture.kind])
        yield ("APIC", head + _bytes(picture.description) + b"\0" + picture.data)
    names = [b"ch%d\0" % k for k in range(len(metadata.chapters))]
    if names and len(names) < 256:
        # Top level, in order
        yield ("CTOC", b"toc\0\x03" + bytes([len(names)]) + b"".join(names))
    for name, chapter in zip(names, metadata.chapters, strict=True):
        end = chapter.start if chapter.end is None else chapter.end
        times = struct.pack(">II", round(chapter.start * 1000), round(end * 1000))
        title = _packed("TIT2", _UTF_8 + _bytes(chapter.title)) if chapter.title else b""
        yield ("CHAP", name + times + b"\xff" * 8 + title)
    for block in metadata.blocks:
        if block.family == "ID3":
            yield (block.name, block.data)


def _by_language(
    metadata: Metadata, name: str, values: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """The values of a tag by their language."""
    found: dict[str, tuple[str, ...]] = {}
    for value in values:
        for language in metadata.languages.get((name, value), ("und",)):
            found[language] = (*found.get(language, ()), value)
    return found


def _joined(values: tuple[str, ...]) -> bytes:
    return b"\0".join(_bytes(value) for value in values)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _packed(name: str, data: bytes) -> bytes:
    return name.encode("latin-1") + synchsafe(len(data)) + b"\0\0" + data
