"""Decoding to stereo by two virtual microphones, and where they face.

A cardioid that faces the azimuth θ hears W + X·cos θ + Y·sin θ, with a gain of 2 straight ahead,
so that the mono sum of two that face left and right is W. The Ambisonizer (Zang et al. 2024) is
decoded by two microphones in the directions, in steps of 10 degrees, for which both have the
nearest RMS. That follows from the mean products of W, X and Y, without a second pass over the
sound:

    P(θ) = vᵀ·C·v,   v = (1, cos θ, sin θ),   C = ⟨(W, X, Y)ᵀ·(W, X, Y)⟩
"""

import numpy as np
from jaxtyping import Float

STEP = 10  # degrees, of the paper
LEFT, RIGHT = 90.0, -90.0  # degrees
_W, _Y, _X = 0, 1, 3  # channels of AmbiX


def cardioids(
    field: Float[np.ndarray, "channels frames"], azimuths: tuple[float, ...] = (LEFT, RIGHT)
) -> Float[np.ndarray, "microphones frames"]:
    """Signals W + X·cos θ + Y·sin θ.

    Args:
        field: AmbiX of any order.
        azimuths: θ, in degrees counter-clockwise, of each microphone.
    """
    angles = np.radians(azimuths)
    ahead, left = np.cos(angles).astype(field.dtype), np.sin(angles).astype(field.dtype)
    return field[_W] + ahead[:, None] * field[_X] + left[:, None] * field[_Y]


class MomentMeter:
    """Mean products of W, X and Y, block by block."""

    def __init__(self) -> None:
        self._sums, self._frames = np.zeros((3, 3)), 0

    def push(self, field: Float[np.ndarray, "channels frames"]) -> None:
        """The next frames of AmbiX channels."""
        rows = field[[_W, _X, _Y]].astype(np.float64)
        self._sums += np.einsum("if,jf->ij", rows, rows)
        self._frames += field.shape[1]

    def moments(self) -> Float[np.ndarray, "3 3"]:
        """C."""
        return self._sums / max(self._frames, 1)


def search_azimuths(
    moments: Float[np.ndarray, "3 3"], *, opposite: bool = False
) -> tuple[float, float]:
    """The azimuths of left and right, in degrees, whose microphones have the nearest RMS.

    Args:
        moments: C, from `MomentMeter`.
        opposite: microphones that face opposite directions, so that their sum is 2·W; otherwise
            any two, left of ahead and right of it, as in the paper.

    Returns:
        Left, 10 to 170 degrees, and right. Of pairs whose levels differ by the same 0.1 dB, the one
        nearest to 90 and −90 degrees.
    """
    lefts = np.arange(STEP, 180, STEP, dtype=float)
    pairs = [
        (left, right)
        for left in lefts
        for right in ([left - 180.0] if opposite else (-lefts).tolist())
    ]
    levels = [np.abs(_level(moments, left) - _level(moments, right)) for left, right in pairs]
    order = [
        (round(level, 1), abs(left - LEFT) + abs(right - RIGHT))
        for level, (left, right) in zip(levels, pairs, strict=True)
    ]
    return pairs[order.index(min(order))]


def _level(moments: Float[np.ndarray, "3 3"], azimuth: float) -> float:
    """In dB."""
    angle = np.radians(azimuth)
    v = np.array([1.0, np.cos(angle), np.sin(angle)])
    return float(10 * np.log10(max(v @ moments @ v, 1e-20)))
