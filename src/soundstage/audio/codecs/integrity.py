"""Files that end before they should.

libsndfile plays what is there and says nothing. What tells, format by format:

- WAV, RF64, W64, AIFF, AU, CAF: the size of the sound against the size of the file. Streaming
  writers leave that size open; such files count as whole.
- FLAC: the decoder's complaint, and the length promised against the length decoded.
- MP3: a last frame that is not whole, or fewer frames than the Xing, Info or VBRI header promises.
  A file without such a header, cut exactly between two frames, cannot be told from a whole one.
- Ogg (Vorbis, Opus, FLAC): the last page must be whole and say that it is the last.
- MP4, MOV: the last box must be whole, and the index must be there.
- Matroska, WebM: the segment and its last element must be whole. A file streamed with an open end
  and cut exactly between two clusters cannot be told from a whole one.
- AAC in ADTS: the last frame must be whole.
- AVI: the size of its list of frames against the size of the file.
"""

import os
import re
import struct
from pathlib import Path
from typing import BinaryIO

from soundstage.audio.codecs.riff import sound_chunk
from soundstage.errors import InputError

MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""What an MP4 or MOV file can begin with, after four bytes."""

_BOX_NAME = re.compile(rb"[\w\xa9 .-]{4}")
_PADDING = (b"free", b"skip", b"wide")
_OGG_TAIL = 1 << 17  # two pages of the largest size, 65,307 bytes
_OPEN_END = -1


def check_complete(path: Path) -> None:
    """Refuse a file that is cut short, as far as can be known without decoding it.

    Raises:
        InputError: it ends before its sound does.
    """
    chunk = sound_chunk(path)
    if chunk is not None:
        if chunk.size is not None and chunk.size > chunk.available:
            raise InputError(
                f"{path} is cut short: it holds {max(chunk.available, 0):,} of the {chunk.size:,} "
                "bytes of sound that its header promises; get a whole copy of it."
            )
        return
    with path.open("rb") as file:
        head = file.read(16)
        length = os.fstat(file.fileno()).st_size
        if head[:4] == b"OggS":
            missing = _ogg_end(file, length)
        elif head[4:8] in MP4_BOXES:
            missing = _mp4_end(file, length)
        elif head[:4] == b"\x1aE\xdf\xa3":
            missing = _matroska_end(file, length)
        elif head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            missing = _avi_end(file, length)
        elif head[0:1] == b"\xff" and head[1] & 0xF6 == 0xF0:
            missing = _adts_end(file, length)
        else:
            return
    if missing:
        raise InputError(f"{path} is cut short: {missing}; get a whole copy of it.")


def check_length(path: Path, promised: int | None, decoded: int, rate: int, slack: int) -> None:
    """Refuse a file of which less could be decoded than it promised.

    Args:
        path: for the message.
        promised: frames by the header, or None.
        decoded: frames.
        rate: in Hz.
        slack: frames by which the header may be too long in a whole file.

    Raises:
        InputError: there is less.
    """
    if promised is not None and decoded + slack < promised:
        raise InputError(
            f"{path} is cut short or damaged: {decoded / rate:.2f} s of {promised / rate:.2f} s "
            "could be decoded; get a whole copy of it."
        )


def _ogg_end(file: BinaryIO, length: int) -> str | None:
    file.seek(max(length - _OGG_TAIL, 0))
    tail = file.read()
    at = tail.rfind(b"OggS")
    page = tail[at:] if at >= 0 else b""
    if len(page) < 27 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]]):
        return "its last page is not whole"
    return None if page[5] & 4 else "the page that should end it is missing"


def _mp4_end(file: BinaryIO, length: int) -> str | None:
    at, names = 0, set()
    while at + 8 <= length:
        file.seek(at)
        head = file.read(16)
        size, name = struct.unpack(">I4s", head[:8])
        if size == 1 and len(head) == 16:
            size = struct.unpack(">Q", head[8:])[0]
        if not _BOX_NAME.fullmatch(name) or 0 < size < 8:
            break  # what follows the last box, such as another program's tag
        names.add(name)
        if at + size > length and name not in _PADDING:
            return f"its part {name.decode('latin-1')!r} is not whole"
        at += size or length  # a size of 0 stands for the rest of the file
    if b"moov" not in names:
        return "the index that stands at its end is missing"
    return None


def _matroska_end(file: BinaryIO, length: int) -> str | None:
    at = 0
    while at < length:
        file.seek(at)
        head = file.read(12)
        id_size = _vint_size(head[:1])
        if not 1 <= id_size <= 4 or len(head) < id_size + 1:
            return "its last part is not whole" if at else None
        name = head[:id_size]
        size_size = _vint_size(head[id_size : id_size + 1])
        content = at + id_size + size_size
        size = _vint(head[id_size : id_size + size_size])
        if name == b"\x18\x53\x80\x67":  # Segment: look inside, at its clusters
            if size != _OPEN_END and content + size > length:
                return "its last part is not whole"
            at = content
            continue
        if size == _OPEN_END:
            return None
        if content + size > length:
            return "its last part is not whole"
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
            return "its frames are not all there" if size > 0 and at + 8 + size > length else None
        at += 8 + size + size % 2
    return "its frames are missing"


def _adts_end(file: BinaryIO, length: int) -> str | None:
    at = 0
    while at < length:
        file.seek(at)
        head = file.read(7)
        if head[:1] == b"\xff" and len(head) < 7:
            return "its last frame is not whole"
        if head[:1] != b"\xff" or head[1] & 0xF6 != 0xF0:
            return None  # a tag, or damage that the decoder will speak of
        size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        if size < 7:
            return None
        at += size
    return "its last frame is not whole" if at > length else None
