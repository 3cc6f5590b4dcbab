"""Measures of the stereo image of a whole signal.

DiffStereo (2025) names width and two correlations and gives no formula; these are the only simple
ones that agree with all four rows of its Table 2.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.metrics.fidelity import centered
from soundstage.stereo import to_mid_side

DUAL_MONO_DB = -60.0  # side over mid; below this the two channels are one sound, coded twice


class Powers(NamedTuple):
    """Sums of squares; left + right = 2·(mid + side)."""

    left: float
    right: float
    mid: float
    side: float


class ImageMeter:
    """Gathers sums over blocks of left and right."""

    def __init__(self) -> None:
        self._products = np.zeros((2, 2))
        self._mid_side = np.zeros(2)  # of their own, since LL + RR − 2·LR cancels to noise
        self._sums = np.zeros(2)
        self._frames = 0

    def push(self, stereo: Float[np.ndarray, "2 frames"]) -> None:
        """Count in a block."""
        block = stereo.astype(np.float64)
        # einsum and not a matrix product, which would wake other threads for so little work
        self._products += np.einsum("ct,dt->cd", block, block)
        halves = 0.5 * np.stack([block[0] + block[1], block[0] - block[1]])
        self._mid_side += np.einsum("ct,ct->c", halves, halves)
        self._sums += block.sum(axis=1)
        self._frames += block.shape[1]

    def powers(self) -> Powers:
        """Of left, right, mid and side, so far."""
        return Powers(*map(float, (*self._products.diagonal(), *self._mid_side)))

    def width(self) -> float:
        """2·rms(S)/rms(M) with M = (L+R)/2 and S = (L−R)/2: 0 for mono, ∞ for no mid; 0 silent."""
        mid, side = self._mid_side
        if side <= 0:
            return 0.0
        return float(2 * np.sqrt(side / mid)) if mid > 0 else float("inf")

    def correlation(self) -> float:
        """Pearson correlation of left with right, −1 to 1; 1 where a channel does not vary."""
        if not self._frames:
            return 1.0
        covariance = self._products - np.outer(self._sums, self._sums) / self._frames
        scale = np.sqrt(covariance[0, 0] * covariance[1, 1])
        return float(np.clip(covariance[0, 1] / scale, -1, 1)) if scale > 0 else 1.0

    def is_dual_mono(self) -> bool:
        """Whether the side lies 60 dB or more under the mid; digital silence counts too."""
        return self.width() <= 2 * 10 ** (DUAL_MONO_DB / 20)


def normalized_width(stereo: Float[Tensor, "*batch 2 frames"]) -> Float[Tensor, "*batch"]:
    """2·rms(S)/rms(M): 0 for mono and for silence, 2 for independent channels, ∞ for no mid.

    Real music has about 0.7. Not the width of a loudspeaker pair in degrees.
    """
    mid, side = (
        x.square().sum(dim=-1).sqrt() for x in to_mid_side(*stereo.double().unbind(dim=-2))
    )
    return torch.where(side > 0, 2 * side / mid, 0.0)


def channel_correlation(stereo: Float[Tensor, "*batch 2 frames"]) -> Float[Tensor, "*batch"]:
    """Pearson correlation of left with right, −1 to 1; 1 where a channel does not vary."""
    left, right = centered(stereo).unbind(dim=-2)
    scale = (left.square().sum(dim=-1) * right.square().sum(dim=-1)).sqrt()
    return torch.where(scale > 0, (left * right).sum(dim=-1) / scale, 1.0).clamp(-1, 1)


def phase_correlation(stereo: Float[Tensor, "*batch 2 frames"]) -> Float[Tensor, "*batch"]:
    """1 − channel correlation, 0 (mono) to 2 (opposite), as DiffStereo's Table 2 prints it."""
    return 1 - channel_correlation(stereo)
