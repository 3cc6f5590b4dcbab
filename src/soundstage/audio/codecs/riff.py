"""The sound chunk of WAV, RF64, W64, AIFF, AU and CAF files."""

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from soundstage.audio.codecs.tag_blocks import after_tags

UNKNOWN = 0x7FFFF000  # writers to a pipe store this or more as the length
_MAX_CHUNKS = 10_000  # more before the sound chunk are a sign of damage
_BLOCKS = (0x02, 0x11, 0x31)  # ADPCM of Microsoft and IMA, GSM: their samples a block are declared
_W64_DATA = b"data" + bytes.fromhex("f3acd3118cd100c04f8edb8a")
_FILES = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"riff", b"caff")  # another file begins
_STRAY = 1024  # bytes that may follow the last chunk
_CHUNK_NAME = re.compile(rb"[A-Za-z0-9 ._(-][\w .,-]{3}")


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
        rest: whether another chunk of sound, or more than 1 kB that is no chunk, follows it.
    """

    container: str
    size_offset: int
    offset: int
    size: int | None
    available: int
    unfinished: bool = False
    rest: bool = False


def sound_chunk(file: BinaryIO) -> SoundChunk | None:
    """The sound chunk of an open file; None for other formats and if there is no such chunk."""
    length = file_length(file)
    try:
        chunk = _find_sound(file, length)
        return chunk and _with_rest(file, chunk, length)
    except struct.error:  # the file ends within a header
        return None


def _find_sound(file: BinaryIO, length: int) -> SoundChunk | None:
    file.seek(0)
    head = file.read(40)
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
    return None


def fact_samples(file: BinaryIO) -> int | None:
    """Samples per channel that a WAV file of compressed blocks counts; None if it does not.

    The last block is filled up, so the count is believed if it ends within that block.
    """
    try:
        return _fact(file, file_length(file))
    except struct.error:  # the file ends within a header
        return None


def _fact(file: BinaryIO, length: int) -> int | None:
    file.seek(0)
    if file.read(12)[8:] != b"WAVE":
        return None
    fact = align = block = 0
    for name, _, offset, size in chunks(file, 12, "<4sI", length):
        file.seek(offset)
        if name == b"fmt " and size >= 20:
            kind, align, block = struct.unpack("<H10xH4xH", file.read(20))
            block = block if kind in _BLOCKS else 0
        elif name == b"fact" and size >= 4:
            fact = struct.unpack("<I", file.read(4))[0]
        elif name == b"data":
            spare = -(-size // align) * block - fact if align and block else 0
            return fact if fact and 0 <= spare < 2 * block else None
    return None


def wave_format(file: BinaryIO) -> tuple[int, int] | None:
    """Offset and size of the format of a WAV or RF64 file; None if it has none before its sound."""
    length = file_length(file)
    file.seek(0)
    if file.read(12)[8:] != b"WAVE":
        return None
    for name, _, offset, size in chunks(file, 12, "<4sI", length):
        if name == b"fmt ":
            return offset, size
        if name == b"data":
            break
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
        if size < 0:  # open, or damaged: nothing can be found after it
            return
        at += head + size + -size % align


def _wav(file: BinaryIO, head: bytes, length: int) -> SoundChunk | None:
    container = head[:4].decode()
    order = ">" if container == "RIFX" else "<"
    long_size: int | None = None
    for name, size_offset, offset, size in chunks(file, 12, f"{order}4sI", length):
        if name == b"ds64" and offset + 16 <= length:
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


def _with_rest(file: BinaryIO, chunk: SoundChunk, length: int) -> SoundChunk:
    """The chunk, and what follows it."""
    if chunk.size is None:
        return chunk
    end = chunk.offset + chunk.size
    if end >= length:
        return chunk
    order = ">" if chunk.container in ("AIFF", "RIFX") else "<"
    at, layout, more = end + end % 2, f"{order}4sI", b"data"
    if chunk.container == "CAF":
        at, layout = end, ">4sq"
    elif chunk.container == "W64":
        at, layout, more = end + -end % 8, "<16sQ", _W64_DATA
    elif chunk.container == "AIFF":
        more = b"SSND"
    if layout[1:] == "4sI" and not _is_name(file, at) and _is_name(file, end):
        at = end  # the byte that fills up an odd chunk is missing
    for _ in range(_MAX_CHUNKS):
        at = after_tags(file, at, length)
        if at >= length:
            return chunk
        file.seek(at)
        head = file.read(struct.calcsize(layout))
        known = chunk.container != "AU" and bool(_CHUNK_NAME.match(head))
        if chunk.container == "W64":
            known = head[:4] == b"riff" or head[10:16] == _W64_DATA[10:]
        if len(head) < struct.calcsize(layout) or not known:
            break
        name, size = struct.unpack(layout, head)
        if name[:4] in _FILES or (name == more and size > 0):
            return replace(chunk, rest=True)
        if chunk.container == "W64":
            at += max(size, 24) + -size % 8
        else:
            at += len(head) + max(size, 0) + (size % 2 if chunk.container != "CAF" else 0)
    at = after_tags(file, at, length)
    return replace(chunk, rest=True) if length - at > _STRAY else chunk


def _is_name(file: BinaryIO, at: int) -> bool:
    file.seek(at)
    return bool(_CHUNK_NAME.match(file.read(4)))


def _is_unknown(size: int) -> bool:
    return UNKNOWN <= size <= 0x80000000 or size >= 0xFFFFFF00


def _is_chunk_name(file: BinaryIO, offset: int) -> bool:
    file.seek(offset)
    return file.read(4) in (b"LIST", b"fact", b"bext", b"cue ", b"smpl", b"id3 ", b"ID3 ", b"PEAK")
