"""The frames of an MPEG audio file: their number, and whether the last one is complete.

FFmpeg decodes what it finds, so a file that is cut short decodes without an error. Here the frames
are counted, to be compared with the number that a Xing, Info or VBRI header declares, and with what
was decoded.
"""

import struct
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8, UInt16

from soundstage.audio.codecs.frame_scan import HEADER_FRAME, FrameCount, count_frames
from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.codecs.riff import file_length

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_ENCODERS = (b"LAME", b"Lavf", b"Lavc")  # that declare their delay after the Xing header
_DECODER_DELAY = 529  # samples that the synthesis of layer III adds


@dataclass(frozen=True)
class MpegStream:
    """Properties of a stream of MPEG frames.

    Attributes:
        start: offset of the first frame, in bytes.
        layer: 1 to 3.
        counted: complete frames with sound.
        declared: frames by the header frame, or None.
        frame_samples: samples per channel and frame.
        rate: in Hz.
        trimmed: samples at the start and end that the encoder added and a decoder removes.
        cut: the last frame is incomplete.
        short: the header frame declares more frames than there are.
        has_info: there is a header frame (Xing, Info or VBRI).
        joined: there are more header frames: files were joined.
        damaged_at: offset of the first bytes before or between frames that are no tag, or None.
    """

    start: int
    layer: int
    counted: int
    declared: int | None
    frame_samples: int
    rate: int
    trimmed: int
    cut: bool
    short: bool
    has_info: bool
    joined: bool
    damaged_at: int | None


def is_mpeg(head: bytes) -> bool:
    """Whether a frame of MPEG audio may begin with these bytes."""
    return bool(measure_mpeg(np.frombuffer(head[:4], np.uint8))[0].any()) if head else False


def scan_mpeg(file: InputFile) -> MpegStream | None:
    """Count the frames of a file; None if it does not look like MPEG audio, or is free-format."""
    with file.open() as opened:
        length = file_length(opened)
        count = count_frames(opened, length, measure_mpeg, 4)
        if count is None:
            return None
        opened.seek(count.start)
        return _described(opened.read(256), count, length)


def measure_mpeg(
    data: UInt8[np.ndarray, " bytes"],
) -> tuple[UInt16[np.ndarray, " bytes"], UInt16[np.ndarray, " bytes"]]:
    """The length of the frame that may begin at each byte, and its version, layer and rate."""
    sizes, kinds = np.zeros(len(data), np.uint16), np.zeros(len(data), np.uint16)
    if len(data) < 4:
        return sizes, kinds
    found = (data[:-3] == 0xFF) & (data[1:-2] >= 0xE0) & _POSSIBLE[data[2:-1]]
    at = np.flatnonzero(found)
    second, third = data[at + 1], data[at + 2]
    size = _SIZES[(second >> 1 & 15).astype(np.intp) << 7 | third >> 1]
    at, second, third, size = at[size > 0], second[size > 0], third[size > 0], size[size > 0]
    sizes[at] = size
    # Version, layer and rate stay in a stream; the rest may change from frame to frame
    kinds[at] = (second & 0x1E).astype(np.uint16) << 8 | (third & 0x0C) | 1
    _mark_header_frames(data, kinds)
    return sizes, kinds


def _sizes() -> UInt16[np.ndarray, " headers"]:
    """Lengths by version and layer (4 bits), bit rate (4), rate (2) and padding (1)."""
    table = np.zeros((4, 4, 16, 4, 2), np.uint16)
    for (generation, layer), kbits in _KBITS.items():
        for version in (3,) if generation == 1 else (2, 0):
            for k, kbit in enumerate(kbits, start=1):
                for r, rate in enumerate(_RATES[version]):
                    slots = {1: 12, 2: 144, 3: 144 if generation == 1 else 72}[layer]
                    whole = slots * kbit * 1000 // rate
                    unit = 4 if layer == 1 else 1
                    table[version, 4 - layer, k, r] = whole * unit, (whole + 1) * unit
    return table.reshape(-1)


_SIZES = _sizes()
_POSSIBLE = np.array([_SIZES[np.arange(16) << 7 | byte >> 1].any() for byte in range(256)])


def _mark_header_frames(
    data: UInt8[np.ndarray, " bytes"], kinds: UInt16[np.ndarray, " bytes"]
) -> None:
    content = data.tobytes()
    for mark in (b"Xing", b"Info"):
        found = content.find(mark)
        while found >= 0:
            for side in (9, 17, 32):
                at = found - 4 - side
                if at >= 0 and kinds[at] and side == _side_info(content[at : at + 4]):
                    kinds[at] |= HEADER_FRAME
            found = content.find(mark, found + 4)


def _described(head: bytes, count: FrameCount, length: int) -> MpegStream:
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    frames, declared_size, trimmed = _info(head) or (None, None, 0)
    has_info = _info(head) is not None
    counted = count.frames - max(count.header_frames, has_info)
    missing = (frames or 0) - counted
    # Some encoders count the header frame too, so one frame alone proves nothing
    bytes_missing = declared_size is not None and count.start + declared_size > length
    return MpegStream(
        start=count.start,
        layer=layer,
        counted=counted,
        declared=frames,
        frame_samples=384 if layer == 1 else 1152 if layer == 2 or version == 3 else 576,
        rate=_RATES[version][head[2] >> 2 & 3],
        trimmed=trimmed,
        cut=count.cut,
        short=missing > 1 or (missing == 1 and bytes_missing),
        has_info=has_info,
        joined=count.header_frames > has_info,
        damaged_at=count.damaged_at,
    )


def _side_info(head: bytes) -> int:
    mono = head[3] >> 6 == 3
    if head[1] >> 3 & 3 == 3:
        return 17 if mono else 32
    return 9 if mono else 17


def _info(frame: bytes) -> tuple[int | None, int | None, int] | None:
    """Frames and bytes declared by a Xing, Info or VBRI header, and the samples to remove."""
    at = 4 + _side_info(frame)
    if frame[at : at + 4] in (b"Xing", b"Info"):
        flags = int.from_bytes(frame[at + 4 : at + 8], "big")
        values = iter(struct.unpack(">II", frame[at + 8 : at + 16].ljust(8, b"\0")))
        frames = next(values) if flags & 1 else None
        size = next(values) if flags & 2 else None
        tag = at + 8 + 4 * bin(flags & 11).count("1") + 100 * bool(flags & 4)
        delays = int.from_bytes(frame[tag + 21 : tag + 24], "big")
        if frame[tag : tag + 4] not in _ENCODERS or not delays:
            return frames, size, 0
        start, end = delays >> 12, delays & 0xFFF
        return frames, size, start + _DECODER_DELAY + max(end - _DECODER_DELAY, 0)
    if frame[36:40] == b"VBRI":
        size, frames = struct.unpack(">II", frame[46:54].ljust(8, b"\0"))
        return frames, size, 0
    return None
