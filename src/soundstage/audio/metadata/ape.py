"""APE tags, version 1 and 2, at the end of MP3, Monkey's Audio, WavPack and Musepack files."""

import struct
from typing import BinaryIO

from soundstage.audio.metadata.model import Lost, Metadata, Picture, TagCollector, decoded
from soundstage.audio.metadata.names import canonical
from soundstage.audio.metadata.vorbis import guess_mime

_MAX_BYTES = 1 << 26
_KINDS = {"cover art (front)": 3, "cover art (back)": 4}


def read_ape(file: BinaryIO, end: int) -> Metadata:
    """The APE tag whose last byte is before the offset `end`; empty without one."""
    if end < 32:
        return Metadata()
    file.seek(end - 32)
    footer = file.read(32)
    if footer[:8] != b"APETAGEX":
        return Metadata()
    size, count = struct.unpack("<II", footer[12:20])
    if not 32 <= size <= min(end, _MAX_BYTES):
        return Metadata(unread=(Lost("the APE tag", "its size is damaged"),))
    file.seek(end - size)
    data = file.read(size - 32)
    found, pictures, unread, at = TagCollector(), [], [], 0
    for _ in range(count):
        if at + 8 > len(data):
            unread.append(Lost("part of the APE tag", "it is damaged"))
            break
        length, flags = struct.unpack_from("<II", data, at)
        name = data[at + 8 : at + 264].split(b"\0", 1)[0]
        start = at + 8 + len(name) + 1
        at = start + length
        value = data[start:at]
        if len(value) < length or not name:
            unread.append(Lost("part of the APE tag", "it is damaged"))
            break
        key = decoded(name)
        if flags & 6 == 2:  # binary
            caption, _, image = value.partition(b"\0")
            if key.casefold().startswith("cover art") and image:
                kind = _KINDS.get(key.casefold(), 0)
                pictures.append(Picture(image, guess_mime(image), kind, decoded(caption)))
            else:
                unread.append(Lost(f"APE item {key}", "it is binary data of an unknown kind"))
            continue
        for text in value.split(b"\0"):
            ours = canonical(key)
            if ours in ("tracknumber", "discnumber"):
                found.add_numbered(ours, decoded(text))
            else:
                found.add(ours, decoded(text))
    return Metadata(tags=found.tags(), pictures=tuple(pictures), unread=tuple(unread))
