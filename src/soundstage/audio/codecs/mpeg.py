"""The frames of an MPEG audio file: their number, and whether the last one is complete.

libsndfile takes the length of an MP3 file from its Xing, Info or VBRI header. Without one it
guesses from the first frame, and drops the rest of the file. So frames are counted here, from one
frame header to the next, and a Xing header is generated for files without one.
"""

import mmap
import struct
from dataclasses import dataclass
from typing import TypeAlias

from soundstage.audio.codecs.input_file import InputFile

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAME_STREAM = 0xFFFE0C00  # version, layer and rate stay, the rest may change from frame to frame
_LONGEST_LEAD = 1 << 16  # bytes before the first frame; a match after more is chance
Data: TypeAlias = mmap.mmap | bytes

_TRAILERS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3", b"3DI")


@dataclass(frozen=True)
class MpegStream:
    """Properties of a stream of MPEG frames.

    Attributes:
        start: offset of the first frame, in bytes.
        head: its four bytes.
        counted: frames with sound.
        declared: frames by the header frame, or None.
        frame_samples: samples per channel and frame.
        rate: in Hz.
        cut: the last frame is incomplete.
        short: the header frame declares more frames than there are.
        has_info: there is a header frame (Xing, Info or VBRI).
    """

    start: int
    head: bytes
    counted: int
    declared: int | None
    frame_samples: int
    rate: int
    cut: bool
    short: bool
    has_info: bool


def is_mpeg(head: bytes) -> bool:
    """Whether a file with this head may be MPEG audio: it begins with a tag or a frame."""
    return head[:3] == b"ID3" or _frame_size(head[:4], None) > 0


def scan_frames(file: InputFile) -> MpegStream | None:
    """Count the frames of a file; None if it does not look like MPEG audio, or is free-format."""
    with file.open() as opened:
        if file.path is None:
            return _scan(opened.read())
        try:
            data = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        except (ValueError, OSError):
            return None
        with data:
            return _scan(data)


def _scan(data: Data) -> MpegStream | None:
    begin = _after_id3(data)
    start = _find_frame(data, begin, None)
    if start is None or start - begin > _LONGEST_LEAD:
        return None
    head = data[start : start + 4]
    mark = _word(head) & _SAME_STREAM
    info = _info(data, start)
    counted, at, cut = 0 if info is None else -1, start, False
    while True:
        size = _frame_size(data[at : at + 4], mark)
        if size:
            counted += 1
            at += size
            if at >= len(data):
                cut = at > len(data)
                break
            continue
        cut = cut or (len(data) - at < 4 and data[at : at + 1] == b"\xff")
        after = None if _is_trailer(data, at) else _find_frame(data, at, mark)
        if after is None:
            break
        at = after
    counted -= cut
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    frames, declared_size = info or (None, None)
    missing = (frames or 0) - counted
    # Some encoders count the header frame too, so one frame alone proves nothing
    bytes_missing = declared_size is not None and start + declared_size > len(data)
    return MpegStream(
        start=start,
        head=head,
        counted=counted,
        declared=frames,
        frame_samples=384 if layer == 1 else 1152 if layer == 2 or version == 3 else 576,
        rate=_RATES[version][head[2] >> 2 & 3],
        cut=cut,
        short=missing > 1 or (missing == 1 and bytes_missing),
        has_info=info is not None,
    )


def xing_frame(stream: MpegStream) -> bytes:
    """A Xing header frame for `stream`."""
    mpeg_1 = stream.head[1] >> 3 & 3 == 3
    head = bytes(
        [
            0xFF,
            stream.head[1] | 1,  # no checksum
            (0x90 if mpeg_1 else 0x80) | stream.head[2] & 0x0C,  # 128 or 64 kbit/s
            stream.head[3],
        ]
    )
    size = _frame_size(head, None)
    tag = b"Xing" + struct.pack(">II", 1, stream.counted)
    return (head + bytes(_side_info(head)) + tag).ljust(size, b"\0")


def _word(head: bytes) -> int:
    return int.from_bytes(head, "big")


def _frame_size(head: bytes, mark: int | None) -> int:
    """Bytes of the frame with this header; 0 for none, or one of another stream than `mark`."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    if mark is not None and _word(head) & _SAME_STREAM != mark:
        return 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    kbits, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or kbits in (0, 15) or rate == 3:
        return 0
    bits = _KBITS[1 if version == 3 else 2, layer][kbits - 1] * 1000
    hertz, padding = _RATES[version][rate], head[2] >> 1 & 1
    if layer == 1:
        return (12 * bits // hertz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // hertz + padding


def _find_frame(data: Data, at: int, mark: int | None) -> int | None:
    """Offset of the next frame that is followed by another one or the end."""
    begin = at
    while (at := data.find(b"\xff", at)) >= 0:
        head = data[at : at + 4]
        if size := _frame_size(head, mark):
            after = at + size
            if after + 4 > len(data) and (mark is not None or at == begin):
                return at
            if _frame_size(data[after : after + 4], _word(head) & _SAME_STREAM):
                return at
            if after == len(data) or _is_trailer(data, after):
                return at
        at += 1
    return None


def _after_id3(data: Data) -> int:
    at = 0
    while data[at : at + 3] == b"ID3" and len(data) >= at + 10:
        size = 0
        for byte in data[at + 6 : at + 10]:
            size = size << 7 | byte & 0x7F
        at += size + (20 if data[at + 5] & 0x10 else 10)
    return at


def _is_trailer(data: Data, at: int) -> bool:
    return any(data[at : at + len(mark)] == mark for mark in _TRAILERS)


def _side_info(head: bytes) -> int:
    mono = head[3] >> 6 == 3
    if head[1] >> 3 & 3 == 3:
        return 17 if mono else 32
    return 9 if mono else 17


def _info(data: Data, start: int) -> tuple[int | None, int | None] | None:
    """Frames and bytes declared by a Xing, Info or VBRI header in the first frame."""
    head = data[start : start + 4]
    at = start + 4 + _side_info(head)
    if data[at : at + 4] in (b"Xing", b"Info"):
        flags, frames, size = struct.unpack(">III", data[at + 4 : at + 16].ljust(12, b"\0"))
        if not flags & 1:
            return None, frames if flags & 2 else None
        return frames, size if flags & 2 else None
    if data[start + 36 : start + 40] == b"VBRI":
        size, frames = struct.unpack(">II", data[start + 46 : start + 54].ljust(8, b"\0"))
        return frames, size
    return None
