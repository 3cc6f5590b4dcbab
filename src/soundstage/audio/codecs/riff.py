"""The sound chunk of WAV, RF64, W64, AIFF, AU and CAF files."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

UNKNOWN = 0x7FFFF000  # writers to a pipe store this or more as the length
_MAX_CHUNKS = 10_000  # more before the sound chunk are a sign of damage


@dataclass(frozen=True)
class SoundChunk:
    """The chunk that holds the samples.

    Attributes:
        container: "RIFF", "RIFX", "RF64", "BW64", "W64", "AIFF", "AU" or "CAF".
        size_offset: position of its size in the file, in bytes.
        offset: position of its content.
        size: declared bytes of content, or None if the writer did not know.
        available: bytes from `offset` to the end of the file.
        unfinished: its size was never filled in, in a way that libsndfile does not understand.
    """

    container: str
    size_offset: int
    offset: int
    size: int | None
    available: int
    unfinished: bool = False


def sound_chunk(file: BinaryIO) -> SoundChunk | None:
    """The sound chunk of an open file; None for other formats and if there is no such chunk."""
    length = file_length(file)
    file.seek(0)
    head = file.read(40)
    try:
        if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
            return _wav(file, head, length)
        if head[:4] == b"riff" and head[24:28] == b"wave":
            return _w64(file, length)
        if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
            return _aiff(file, length)
        if head[:4] in (b".snd", b"dns."):
            return _au(head, length)
        if head[:4] == b"caff":
            return _caf(file, length)
    except struct.error:  # the file ends within a header
        return None
    return None


def clear_timestamp(file: BinaryIO) -> None:
    """Zero the time of writing in a file, so that equal sounds make equal files."""
    length = file_length(file)
    file.seek(0)
    head = file.read(12)
    if head[8:12] not in (b"WAVE", b"AIFF", b"AIFC"):
        return
    order = ">" if head[:4] == b"FORM" else "<"
    for name, _, offset, _ in chunks(file, 12, f"{order}4sI", length):
        if name == b"PEAK":  # a version, the time, and the largest samples
            file.seek(offset + 4)
            file.write(bytes(4))
            return
        if name in (b"data", b"SSND"):
            return


def file_length(file: BinaryIO) -> int:
    """Length of an open file in bytes."""
    return file.seek(0, os.SEEK_END)


def chunks(
    file: BinaryIO, at: int, layout: str, length: int, align: int = 2
) -> Iterator[tuple[bytes, int, int, int]]:
    """Name, offset of the size, offset of the content and size of each chunk."""
    head = struct.calcsize(layout)
    for _ in range(_MAX_CHUNKS):
        if at + head > length:
            return
        file.seek(at)
        name, size = struct.unpack(layout, file.read(head))
        yield name, at + len(name), at + head, size
        at += head + size + -size % align


def _wav(file: BinaryIO, head: bytes, length: int) -> SoundChunk | None:
    container = head[:4].decode()
    order = ">" if container == "RIFX" else "<"
    long_size: int | None = None
    for name, size_offset, offset, size in chunks(file, 12, f"{order}4sI", length):
        if name == b"ds64":
            file.seek(offset)
            long_size = struct.unpack("<QQ", file.read(16))[1]
        if name != b"data":
            continue
        available = length - offset
        if size == 0xFFFFFFFF and long_size is not None:
            return SoundChunk(container, size_offset, offset, long_size or None, available)
        if size == 0:
            unfinished = available > 0 and not _is_chunk_name(file, offset)
            return SoundChunk(container, size_offset, offset, None, available, unfinished)
        known = size if not _is_unknown(size) else None
        return SoundChunk(container, size_offset, offset, known, available)
    return None


def _w64(file: BinaryIO, length: int) -> SoundChunk | None:
    at = 40
    for _ in range(_MAX_CHUNKS):
        if at + 24 > length:
            return None
        file.seek(at)
        guid, size = struct.unpack("<16sQ", file.read(24))
        if guid[:4] == b"data":
            known = size - 24 if 24 < size < 1 << 62 else None
            return SoundChunk("W64", at + 16, at + 24, known, length - at - 24)
        at += max(size + -size % 8, 24)
    return None


def _aiff(file: BinaryIO, length: int) -> SoundChunk | None:
    for name, size_offset, offset, size in chunks(file, 12, ">4sI", length):
        if name == b"SSND":
            known = None if size <= 8 or _is_unknown(size) else size
            return SoundChunk("AIFF", size_offset, offset, known, length - offset)
    return None


def _au(head: bytes, length: int) -> SoundChunk:
    offset, size = struct.unpack((">" if head[:1] == b"." else "<") + "II", head[4:12])
    known = None if not size or _is_unknown(size) else size
    return SoundChunk("AU", 8, offset, known, length - offset)


def _caf(file: BinaryIO, length: int) -> SoundChunk | None:
    found = None
    for name, size_offset, offset, size in chunks(file, 8, ">4sq", length, align=1):
        if name == b"data" and size < 0:
            return SoundChunk("CAF", size_offset, offset, None, length - offset, unfinished=True)
        if name == b"data":
            found = SoundChunk("CAF", size_offset, offset, size, length - offset)
        elif name == b"pakt" and found and found.size and offset + size > length:
            # Without its complete packet table the sound cannot be decoded to the end
            return SoundChunk("CAF", size_offset, offset, size, length - offset)
    return found


def _is_unknown(size: int) -> bool:
    return UNKNOWN <= size <= 0x80000000 or size >= 0xFFFFFF00


def _is_chunk_name(file: BinaryIO, offset: int) -> bool:
    file.seek(offset)
    return file.read(4) in (b"LIST", b"fact", b"bext", b"cue ", b"smpl", b"id3 ", b"ID3 ", b"PEAK")
