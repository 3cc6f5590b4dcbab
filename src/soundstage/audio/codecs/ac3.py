"""The frames of a file of AC-3 or E-AC-3 (ATSC A/52): whether the last one is whole."""

import numpy as np
from jaxtyping import UInt8, UInt16

from soundstage.audio.codecs.frame_scan import FrameCount, count_frames
from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.codecs.riff import file_length

_HEADER = 6  # bytes
_RATES = (48_000, 44_100, 32_000)  # Hz
_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_LAST_AC3 = 10  # larger bit stream identifications are E-AC-3


def is_ac3(head: bytes) -> bool:
    """Whether a frame of AC-3 or E-AC-3 may begin with these bytes."""
    return head[:2] == b"\x0bw"


def scan_ac3(file: InputFile) -> FrameCount | None:
    """Count the frames of a file; None if there are none."""
    with file.open() as opened:
        return count_frames(opened, file_length(opened), measure_ac3, _HEADER)


def measure_ac3(
    data: UInt8[np.ndarray, " bytes"],
) -> tuple[UInt16[np.ndarray, " bytes"], UInt16[np.ndarray, " bytes"]]:
    """The length of the frame that may begin at each byte, and 1 for the one stream."""
    sizes, kinds = np.zeros(len(data), np.uint16), np.zeros(len(data), np.uint16)
    if len(data) < _HEADER:
        return sizes, kinds
    at = np.flatnonzero((data[: 1 - _HEADER] == 0x0B) & (data[1 : 2 - _HEADER] == 0x77))
    third, fourth = data[at + 2].astype(np.uint16), data[at + 3].astype(np.uint16)
    enhanced = ((third & 7) << 8 | fourth) * 2 + 2
    plain = _SIZES[data[at + 4]]
    size = np.where(data[at + 5] >> 3 > _LAST_AC3, enhanced, plain).astype(np.uint16)
    valid = size > _HEADER
    sizes[at[valid]], kinds[at[valid]] = size[valid], 1
    return sizes, kinds


def _sizes() -> UInt16[np.ndarray, " codes"]:
    """Bytes by the byte of rate (2 bits), bit rate (5) and padding (1)."""
    table = np.zeros((4, 32, 2), np.uint16)
    for r, rate in enumerate(_RATES):
        for k, kbit in enumerate(_KBITS):
            words = kbit * 96_000 // rate
            table[r, k] = 2 * words, 2 * (words + (rate == 44_100))
    return table.reshape(-1)


_SIZES = _sizes()
