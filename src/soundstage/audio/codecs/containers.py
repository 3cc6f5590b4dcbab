"""Whether a file of several tracks is complete, by the sizes that its parts declare."""

import re
import struct
from typing import BinaryIO

from soundstage.audio.codecs.tag_blocks import after_tags, begins_tag

MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp", b"moof")
"""Types of the first box of an MP4 or MOV file, after its four bytes of size."""

_BOX_NAME = re.compile(rb"[\w\xa9 .-]{4}")
_PADDING = (b"free", b"skip", b"wide")
_OPEN_END = -1
_MOST_PARTS = 150_000  # that are visited: films of a day have fewer
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # object with the size of the file
_TS_SYNC = 0x47
_FLAC_START = re.compile(rb"fLaC[\0\x80]\0\0\x22")

MISSING = "its last element is incomplete"
JOINED = "several files joined, of which players read the first"


def is_media(head: bytes) -> bool:
    """Whether a file with this head may be a film: MP4, MOV, Matroska, WebM, AVI, ..."""
    return (
        head[4:8] in MP4_BOXES
        or head[:4] in (b"\x1aE\xdf\xa3", b"0&\xb2u", b"FLV\1")
        or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
    )


def mp4_end(file: BinaryIO, length: int) -> str | None:
    """What is missing at the end of MP4 and MOV: a part of a box, or the index."""
    at, names = 0, set()
    for _ in range(_MOST_PARTS):
        at = after_tags(file, at, length) if begins_tag(file, at) else at
        if at + 8 > length:
            break
        file.seek(at)
        head = file.read(16)
        size, name = struct.unpack(">I4s", head[:8])
        if size == 1 and len(head) == 16:
            size = struct.unpack(">Q", head[8:])[0]
        if not _BOX_NAME.fullmatch(name) or 0 < size < 8:
            break  # trailing data that is no box, such as another program's tag
        if name == b"moov" and name in names:
            return JOINED
        names.add(name)
        if at + size > length and name not in _PADDING:
            return f"its box {name.decode('latin-1')!r} is incomplete"
        at += size or length  # a size of 0 stands for the rest of the file
    else:
        return "it is made of too many parts to be checked"
    if b"moov" not in names:
        return "the index at its end is missing"
    return None


def matroska_end(file: BinaryIO, length: int) -> str | None:
    """What is missing at the end of Matroska and WebM: a part of an element."""
    at, end = 0, length
    for _ in range(_MOST_PARTS):
        if at >= end:
            return None
        file.seek(at)
        head = file.read(12)
        id_size = _vint_size(head[:1])
        if not 1 <= id_size <= 4 or len(head) < id_size + 1:
            return MISSING if at else None
        name = head[:id_size]
        size_size = _vint_size(head[id_size : id_size + 1])
        content = at + id_size + size_size
        size = _vint(head[id_size : id_size + size_size])
        if name == b"\x18\x53\x80\x67":  # Segment: look inside, at its clusters
            if size != _OPEN_END and content + size > length:
                return MISSING
            # Another program's tag may follow the segment
            at, end = content, length if size == _OPEN_END else content + size
            continue
        if size == _OPEN_END:
            return None
        if content + size > length:
            return MISSING
        at = content + size
    return "it is made of too many parts to be checked"


def avi_end(file: BinaryIO, length: int) -> str | None:
    """What is missing at the end of AVI: a part of its list of frames."""
    at = 12
    for _ in range(_MOST_PARTS):
        if at + 12 > length:
            break
        file.seek(at)
        name, size, kind = struct.unpack("<4sI4s", file.read(12))
        if name == b"LIST" and kind == b"movi":
            short = size > 0 and at + 8 + size > length
            return "its list of frames is incomplete" if short else None
        at += 8 + size + size % 2
    return "its list of frames is missing"


def asf_end(file: BinaryIO, length: int) -> str | None:
    """What is missing at the end of ASF (WMA, WMV): bytes of the size that its header declares."""
    file.seek(0)
    head = file.read(1 << 16)
    at = head.find(_ASF_FILE)
    if at < 0 or at + 92 > len(head):
        return None
    size, flags = (
        int.from_bytes(head[at + k : at + k + n], "little") for k, n in ((40, 8), (88, 4))
    )
    live = flags & 1
    if not live and size > length:
        return f"it holds {length:,} of the {size:,} bytes that its header declares"
    return None


def flv_end(file: BinaryIO, length: int) -> str | None:
    """What is missing at the end of FLV: a part of its last tag."""
    file.seek(0)
    at = int.from_bytes(file.read(9)[5:9], "big") + 4
    for _ in range(_MOST_PARTS):
        if at >= length:
            break
        file.seek(at)
        head = file.read(4)
        if len(head) < 4:
            return MISSING
        at += 11 + int.from_bytes(head[1:4], "big") + 4
    # Some writers leave out the four bytes after the last tag
    return MISSING if at > length + 4 else None


def ts_end(file: BinaryIO, length: int) -> str | None:
    """What is missing at the end of an MPEG transport stream: a part of its last packet."""
    packet = ts_packet(file)
    return "its last packet is incomplete" if packet and length % packet else None


def ts_packet(file: BinaryIO) -> int | None:
    """Bytes of a packet of an MPEG transport stream; None for other files."""
    file.seek(0)
    head = file.read(5 * 204)
    for packet, first in ((188, 0), (192, 4), (204, 0)):
        marks = head[first::packet][:4]
        if len(marks) > 1 and all(mark == _TS_SYNC for mark in marks):
            return packet
    return None


def voc_end(file: BinaryIO, length: int) -> str | None:
    """What is missing at the end of VOC: a part of its last block."""
    file.seek(20)
    at = int.from_bytes(file.read(2), "little")
    for _ in range(_MOST_PARTS):
        file.seek(at)
        head = file.read(4)
        if not head or head[0] == 0:  # the end, or its mark
            return None
        at += 4 + int.from_bytes(head[1:4], "little")
        if at > length or len(head) < 4:
            return "its last block is incomplete"
    return None


def flac_end(file: BinaryIO, at: int) -> str | None:
    """Whether another file follows the one of FLAC that begins at this offset."""
    file.seek(at + 4)
    before = b""
    while block := file.read(1 << 20):
        if _FLAC_START.search(before + block):
            return JOINED
        before = block[-8:]
    return None


def tta_end(file: BinaryIO, length: int) -> str | None:
    """Whether another file follows the frames of TTA."""
    file.seek(0)
    head = file.read(22)
    if len(head) < 22:
        return "its header is incomplete"
    rate, samples = struct.unpack("<II", head[10:18])
    frames = -(-samples // max(rate * 256 // 245, 1))
    table = file.read(4 * min(frames, length // 4))
    at = 22 + len(table) + 4 + sum(struct.unpack(f"<{len(table) // 4}I", table[: len(table) & ~3]))
    file.seek(after_tags(file, at, length))
    return JOINED if file.read(4) == b"TTA1" else None


def _vint_size(first: bytes) -> int:
    return 9 - first[0].bit_length() if first and first[0] else 9


def _vint(data: bytes) -> int:
    """An EBML number without its length marker; `_OPEN_END` if all its bits are set."""
    bits = 7 * len(data)
    value = int.from_bytes(data, "big") & ((1 << bits) - 1)
    return _OPEN_END if value == (1 << bits) - 1 else value
