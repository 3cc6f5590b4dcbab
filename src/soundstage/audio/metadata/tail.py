"""The tags at the end of a file: ID3v1, Lyrics3, APE, and ID3v2 with a footer, in any order.

Lyrics3 (id3.org/Lyrics3v2) stands between its two marks, version 2 with fields of three letters
and five digits; lines of lyrics may begin with a time in brackets.
"""

import re
import struct
from typing import BinaryIO

from soundstage.audio.codecs.riff import file_length
from soundstage.audio.metadata.ape import read_ape
from soundstage.audio.metadata.id3 import read_id3, read_id3v1
from soundstage.audio.metadata.model import Lost, Metadata, TagCollector, decoded, merged

_BEGIN, _END_1, _END_2 = b"LYRICSBEGIN", b"LYRICSEND", b"LYRICS200"
_MOST_LYRICS = 1 << 20  # bytes
_MOST_TAGS = 16
_FIELDS = {
    "LYR": "lyrics",
    "INF": "comment",
    "AUT": "lyricist",
    "EAL": "album",
    "EAR": "artist",
    "ETT": "title",
}
_SILENT = ("IND", "CRC")  # flags of the tag, and a checksum of the sound
_Tag = tuple[str, Metadata, int]  # what it is, its content, its bytes


def with_tail(file: BinaryIO, found: Metadata) -> Metadata:
    """The metadata with that of the tags at the end of the file, the older kinds last."""
    end, tags = file_length(file), []
    for _ in range(_MOST_TAGS):
        tag = _lyrics3(file, end) or _id3v1(file, end) or _ape(file, end) or _id3(file, end)
        if tag is None:
            break
        tags.append(tag)
        end -= tag[2]
    order = ("the ID3 tag at the end", "APE", "Lyrics3", "ID3v1")
    for label, content, _ in sorted(tags, key=lambda tag: order.index(tag[0])):
        found = merged(found, content, label)
    return found


def _last(file: BinaryIO, end: int, size: int) -> bytes:
    """The bytes before an offset; fewer where the file begins."""
    file.seek(max(end - size, 0))
    return file.read(min(size, end))


def _id3v1(file: BinaryIO, end: int) -> _Tag | None:
    data = _last(file, end, 128)
    if len(data) < 128 or data[:3] != b"TAG":
        return None
    content = Metadata(tags=read_id3v1(data))
    if _last(file, end - 128, 227)[:4] == b"TAG+":
        lost = Lost("the longer texts of ID3v1 (TAG+)", "this kind of tag is not read")
        return "ID3v1", Metadata(tags=content.tags, unread=(lost,)), 128 + 227
    return "ID3v1", content, 128


def _ape(file: BinaryIO, end: int) -> _Tag | None:
    footer = _last(file, end, 32)
    if len(footer) < 32 or footer[:8] != b"APETAGEX":
        return None
    size, _, flags = struct.unpack_from("<III", footer, 12)
    try:
        content = read_ape(file, end)
    except (struct.error, ValueError, IndexError):
        content = Metadata(unread=(Lost("the APE tag", "it is damaged"),))
    has_header = bool(flags & 1 << 31)
    return "APE", content, min(max(size, 32) + 32 * has_header, end)


def _id3(file: BinaryIO, end: int) -> _Tag | None:
    footer = _last(file, end, 10)
    if len(footer) < 10 or footer[:3] != b"3DI" or max(footer[6:]) & 0x80:
        return None
    size = 20 + (footer[6] << 21 | footer[7] << 14 | footer[8] << 7 | footer[9])
    data = _last(file, end, size)
    return ("the ID3 tag at the end", read_id3(data), size) if data[:3] == b"ID3" else None


def _lyrics3(file: BinaryIO, end: int) -> _Tag | None:
    mark = _last(file, end, 9)
    if mark == _END_2:
        digits = _last(file, end - 9, 6)
        size = int(digits) if digits.isdigit() else 0
        data = _last(file, end - 15, size)
        if len(digits) == 6 and data.startswith(_BEGIN):
            return "Lyrics3", _fields(data[len(_BEGIN) :]), size + 15
    elif mark == _END_1:
        data = _last(file, end - 9, _MOST_LYRICS)
        at = data.rfind(_BEGIN)
        if at >= 0:
            text = decoded(data[at + len(_BEGIN) :])
            return "Lyrics3", Metadata.from_tags({"lyrics": text}), len(data) - at + 9
    else:
        return None
    return "Lyrics3", Metadata(unread=(Lost("the Lyrics3 tag", "it is damaged"),)), 9


def _fields(data: bytes) -> Metadata:
    """The content of version 2."""
    found, unread, at = TagCollector(), [], 0
    while at < len(data):
        head = re.fullmatch(rb"([A-Z0-9]{3})(\d{5})", data[at : at + 8])
        value = data[at + 8 : at + 8 + int(head[2])] if head else b""
        if head is None or len(value) < int(head[2]):
            unread.append(Lost("part of the Lyrics3 tag", "it is damaged"))
            break
        name = head[1].decode()
        if name in _FIELDS:
            found.add(_FIELDS[name], decoded(value))
        elif name not in _SILENT:
            unread.append(Lost(f"Lyrics3 field {name}", "its content is not known"))
        at += 8 + len(value)
    return Metadata(tags=found.tags(), unread=tuple(unread))
