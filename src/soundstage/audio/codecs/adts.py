"""The frames of a file of AAC in ADTS: their number, and whether they are whole."""

import numpy as np
from jaxtyping import UInt8, UInt16

from soundstage.audio.codecs.frame_scan import FrameCount, count_frames
from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.codecs.riff import file_length

FRAME_SAMPLES = 1024
"""Samples per channel in a frame, at least."""

_HEADER = 7  # bytes


def is_adts(head: bytes) -> bool:
    """Whether a frame of ADTS may begin with these bytes."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0


def scan_adts(file: InputFile) -> FrameCount | None:
    """Count the frames of a file; None if there are none."""
    with file.open() as opened:
        return count_frames(opened, file_length(opened), measure_adts, _HEADER)


def measure_adts(
    data: UInt8[np.ndarray, " bytes"],
) -> tuple[UInt16[np.ndarray, " bytes"], UInt16[np.ndarray, " bytes"]]:
    """The length of the frame that may begin at each byte, and its profile, rate and channels."""
    sizes, kinds = np.zeros(len(data), np.uint16), np.zeros(len(data), np.uint16)
    if len(data) < _HEADER:
        return sizes, kinds
    at = np.flatnonzero((data[: 1 - _HEADER] == 0xFF) & (data[1 : 2 - _HEADER] & 0xF6 == 0xF0))
    third, fourth = data[at + 2].astype(np.uint16), data[at + 3].astype(np.uint16)
    size = (fourth & 3) << 11 | data[at + 4].astype(np.uint16) << 3 | data[at + 5] >> 5
    valid = (size > _HEADER) & (third >> 2 & 15 < 13)
    sizes[at[valid]] = size[valid]
    kinds[at[valid]] = ((third & 0xFD) << 2 | fourth >> 6 | 0x400)[valid]
    return sizes, kinds
