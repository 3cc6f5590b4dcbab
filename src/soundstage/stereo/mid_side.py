"""Mid and side: M = (L + R)/2 and S = (L − R)/2, with L = M + S and R = M − S.

Left and right are assembled here and nowhere else. Whatever S is, the fold-down (L + R)/2 = M:
exactly for integers, and to one rounding of L and of R in floating point.
"""

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from jaxtyping import Float

from soundstage.audio import SoundReader

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T", np.ndarray, "Tensor")

DUAL_MONO_DB = -60.0  # side over mid; below this the two channels are one signal, coded twice
_BLOCK = 1 << 16  # frames read at a time


def to_mid_side(left: T, right: T) -> tuple[T, T]:
    """(M, S) of two channels of equal shape."""
    return (left + right) * 0.5, (left - right) * 0.5


def to_left_right(mid: T, side: T) -> tuple[T, T]:
    """(L, R) from mid and side of equal shape."""
    return mid + side, mid - side


class MidSideMeter:
    """Energies of mid and side over a stream of blocks."""

    def __init__(self) -> None:
        self.energies = np.zeros(2)
        """Sums of squares of mid and side."""

    def push(self, stereo: Float[np.ndarray, "2 frames"]) -> None:
        """Measure the next frames."""
        block = stereo.astype(np.float64, copy=False)
        halves = 0.5 * np.stack([block[0] + block[1], block[0] - block[1]])
        # einsum and not a matrix product, which would wake other threads for so little work
        self.energies += np.einsum("ct,ct->c", halves, halves)

    def is_dual_mono(self) -> bool:
        """Whether the side is 60 dB or more below the mid; true of digital silence."""
        mid, side = self.energies
        return bool(side <= 10 ** (DUAL_MONO_DB / 10) * mid)


def is_dual_mono(sound: SoundReader) -> bool:
    """Whether both channels of a stereo sound are the same signal; reads it once."""
    meter = MidSideMeter()
    for block in sound.blocks(_BLOCK):
        meter.push(block)
    return meter.is_dual_mono()
