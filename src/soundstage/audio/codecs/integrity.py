"""Detection of truncated files.

libsndfile decodes a truncated file without an error. The checks by format:

- WAV, RF64, W64, AIFF, AU, CAF: the size of the sound against the size of the file. Streaming
  writers leave that size open; such files count as complete.
- FLAC: the decoder's error, and the declared length against the decoded one.
- MP3: an incomplete last frame, or fewer frames than the Xing, Info or VBRI header declares. A file
  without such a header that is cut exactly between two frames is not detected.
- Ogg (Vorbis, Opus, FLAC): the last page must be complete and marked as the last.
- MP4, MOV: the last box must be complete, and the index must be present.
- Matroska, WebM: the segment and its last element must be complete. A stream with an open end that
  is cut exactly between two clusters is not detected.
- AAC in ADTS: the last frame must be complete.
- AVI: the size of its list of frames against the size of the file.
"""

import re
import struct
from typing import BinaryIO

from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.codecs.riff import file_length, sound_chunk
from soundstage.errors import InputError

MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""Types of the first box of an MP4 or MOV file, after its four bytes of size."""

_BOX_NAME = re.compile(rb"[\w\xa9 .-]{4}")
_PADDING = (b"free", b"skip", b"wide")
_OGG_TAIL = 1 << 17  # two pages of the largest size, 65,307 bytes
_OPEN_END = -1


def check_complete(file: InputFile) -> None:
    """Refuse a truncated file, as far as can be known without decoding it.

    Raises:
        InputError: it ends before its sound does.
    """
    with file.open() as opened:
        chunk = sound_chunk(opened)
        if chunk is None:
            missing = _missing_end(opened)
        elif chunk.size is not None and chunk.size > chunk.available:
            missing = (
                f"it holds {max(chunk.available, 0):,} of the {chunk.size:,} bytes of sound that "
                "its header declares"
            )
        else:
            missing = None
    if missing:
        raise InputError(f"{file} is cut short: {missing}; get a complete copy of it.")


def check_length(name: str, declared: int | None, decoded: int, rate: int, slack: int) -> None:
    """Refuse a file that decodes to less than its declared length.

    Args:
        name: of the file, for the message.
        declared: frames by the header, or None.
        decoded: frames.
        rate: in Hz.
        slack: frames by which the header of a complete file may be too long.

    Raises:
        InputError: there is less.
    """
    if declared is not None and decoded + slack < declared:
        raise InputError(
            f"{name} is cut short or damaged: {decoded / rate:.2f} s of {declared / rate:.2f} s "
            "could be decoded; get a complete copy of it."
        )


def _missing_end(file: BinaryIO) -> str | None:
    length = file_length(file)
    file.seek(0)
    head = file.read(16)
    if head[:4] == b"OggS":
        return _ogg_end(file, length)
    if head[4:8] in MP4_BOXES:
        return _mp4_end(file, length)
    if head[:4] == b"\x1aE\xdf\xa3":
        return _matroska_end(file, length)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _avi_end(file, length)
    if head[0:1] == b"\xff" and head[1] & 0xF6 == 0xF0:
        return _adts_end(file, length)
    return None


def _ogg_end(file: BinaryIO, length: int) -> str | None:
    file.seek(max(length - _OGG_TAIL, 0))
    tail = file.read()
    at = tail.rfind(b"OggS")
    page = tail[at:] if at >= 0 else b""
    if len(page) < 27 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]]):
        return "its last page is incomplete"
    return None if page[5] & 4 else "its last page is missing"


def _mp4_end(file: BinaryIO, length: int) -> str | None:
    at, names = 0, set()
    while at + 8 <= length:
        file.seek(at)
        head = file.read(16)
        size, name = struct.unpack(">I4s", head[:8])
        if size == 1 and len(head) == 16:
            size = struct.unpack(">Q", head[8:])[0]
        if not _BOX_NAME.fullmatch(name) or 0 < size < 8:
            break  # trailing data that is no box, such as another program's tag
        names.add(name)
        if at + size > length and name not in _PADDING:
            return f"its box {name.decode('latin-1')!r} is incomplete"
        at += size or length  # a size of 0 stands for the rest of the file
    if b"moov" not in names:
        return "the index at its end is missing"
    return None


def _matroska_end(file: BinaryIO, length: int) -> str | None:
    at = 0
    while at < length:
        file.seek(at)
        head = file.read(12)
        id_size = _vint_size(head[:1])
        if not 1 <= id_size <= 4 or len(head) < id_size + 1:
            return "its last element is incomplete" if at else None
        name = head[:id_size]
        size_size = _vint_size(head[id_size : id_size + 1])
        content = at + id_size + size_size
        size = _vint(head[id_size : id_size + size_size])
        if name == b"\x18\x53\x80\x67":  # Segment: look inside, at its clusters
            if size != _OPEN_END and content + size > length:
                return "its last element is incomplete"
            at = content
            continue
        if size == _OPEN_END:
            return None
        if content + size > length:
            return "its last element is incomplete"
        at = content + size
    return None


def _vint_size(first: bytes) -> int:
    return 9 - first[0].bit_length() if first and first[0] else 9


def _vint(data: bytes) -> int:
    """An EBML number without its length marker; `_OPEN_END` if all its bits are set."""
    bits = 7 * len(data)
    value = int.from_bytes(data, "big") & ((1 << bits) - 1)
    return _OPEN_END if value == (1 << bits) - 1 else value


def _avi_end(file: BinaryIO, length: int) -> str | None:
    at = 12
    while at + 12 <= length:
        file.seek(at)
        name, size, kind = struct.unpack("<4sI4s", file.read(12))
        if name == b"LIST" and kind == b"movi":
            return (
                "its list of frames is incomplete" if size > 0 and at + 8 + size > length else None
            )
        at += 8 + size + size % 2
    return "its list of frames is missing"


def _adts_end(file: BinaryIO, length: int) -> str | None:
    at = 0
    while at < length:
        file.seek(at)
        head = file.read(7)
        if head[:1] == b"\xff" and len(head) < 7:
            return "its last frame is incomplete"
        if head[:1] != b"\xff" or head[1] & 0xF6 != 0xF0:
            return None  # a tag, or damage that the decoder will report
        size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        if size < 7:
            return None
        at += size
    return "its last frame is incomplete" if at > length else None
