"""Stereo image of a whole signal: width, correlation, and the side balance of every band.

DiffStereo (2025) names width and two correlations without formulas; these are the only simple ones
that agree with all four rows of its Table 2. The side balance is defined by this project,

    balance = 10·lg(SS / MM),    SS and MM summed over a band and over the whole signal

because the width of the whole signal is mostly the width of its bass, which hides a method with all
of its side in the treble, such as a plain decorrelator.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from soundstage.metrics.fidelity import centered
from soundstage.stereo import TRANSFORM, MidSideMeter, band_sums, to_mid_side

LOWEST_DB, HIGHEST_DB = -40.0, 20.0  # limits of the side balance: mono, opposite phase
EMPTY_SHARE = 1e-9  # of the energy; a band 90 dB below the whole has no width


class Powers(NamedTuple):
    """Sums of squares; left + right = 2·(mid + side)."""

    left: float
    right: float
    mid: float
    side: float


class ImageMeter:
    """Width and correlation of a stream of stereo blocks."""

    def __init__(self) -> None:
        self._products = np.zeros((2, 2))
        self._mid_side = MidSideMeter()  # separate, since LL + RR − 2·LR cancels to rounding noise
        self._sums = np.zeros(2)
        self._frames = 0

    def push(self, stereo: Float[np.ndarray, "2 frames"]) -> None:
        """Add a block."""
        block = stereo.astype(np.float64)
        # einsum, not a matrix product, which would start other threads for little work
        self._products += np.einsum("ct,dt->cd", block, block)
        self._mid_side.push(block)
        self._sums += block.sum(axis=1)
        self._frames += block.shape[1]

    def powers(self) -> Powers:
        """Sums of squares of left, right, mid and side so far."""
        return Powers(*map(float, (*self._products.diagonal(), *self._mid_side.energies)))

    def width(self) -> float:
        """2·rms(S)/rms(M): 0 for mono and silence, ∞ without a mid."""
        mid, side = self._mid_side.energies
        if side <= 0:
            return 0.0
        return float(2 * np.sqrt(side / mid)) if mid > 0 else float("inf")

    def correlation(self) -> float:
        """Pearson correlation of left and right, −1 to 1; 1 if a channel is constant."""
        if not self._frames:
            return 1.0
        covariance = self._products - np.outer(self._sums, self._sums) / self._frames
        scale = np.sqrt(covariance[0, 0] * covariance[1, 1])
        return float(np.clip(covariance[0, 1] / scale, -1, 1)) if scale > 0 else 1.0

    def is_dual_mono(self) -> bool:
        """Whether the side is 60 dB or more below the mid; true for digital silence."""
        return self._mid_side.is_dual_mono()


def normalized_width(stereo: Float[Tensor, "*batch 2 frames"]) -> Float[Tensor, "*batch"]:
    """2·rms(S)/rms(M): 0 for mono and silence, 2 for independent channels, ∞ without a mid.

    Real music has about 0.7.
    """
    mid, side = (
        x.square().sum(dim=-1).sqrt() for x in to_mid_side(*stereo.double().unbind(dim=-2))
    )
    return torch.where(side > 0, 2 * side / mid, 0.0)


def channel_correlation(stereo: Float[Tensor, "*batch 2 frames"]) -> Float[Tensor, "*batch"]:
    """Pearson correlation of left and right, −1 to 1; 1 if a channel is constant."""
    left, right = centered(stereo).unbind(dim=-2)
    scale = (left.square().sum(dim=-1) * right.square().sum(dim=-1)).sqrt()
    return torch.where(scale > 0, (left * right).sum(dim=-1) / scale, 1.0).clamp(-1, 1)


def phase_correlation(stereo: Float[Tensor, "*batch 2 frames"]) -> Float[Tensor, "*batch"]:
    """1 − channel correlation, 0 (mono) to 2 (opposite), as DiffStereo's Table 2 prints it."""
    return 1 - channel_correlation(stereo)


def side_balance(stereo: Float[Tensor, "*batch 2 frames"]) -> Float[Tensor, "*batch bands"]:
    """Side over mid in dB in each of the 34 bands of stereo at 44.1 kHz.

    From −40 (mono) to +20 dB (opposite phase); independent channels have 0 dB at any level. NaN in
    bands with less than a 1e-9 share of the energy.
    """
    balance, audible = _clamped_balance(stereo)
    return balance.where(audible, torch.nan)


def side_balance_error(
    stereo: Float[Tensor, "*batch 2 frames"], truth: Float[Tensor, "*batch 2 frames"]
) -> Float[Tensor, "*batch"]:
    """Mean absolute difference of the side balance in dB, 0 to 60; NaN for a silent truth.

    The mean is over the bands with energy in the truth, unweighted, since energy weights would
    leave only the bass. A band without energy in the result counts as mono.
    """
    made, _ = _clamped_balance(stereo)
    wanted, audible = _clamped_balance(truth)
    return (made - wanted).abs().where(audible, torch.nan).nanmean(dim=-1)


def _clamped_balance(
    stereo: Float[Tensor, "*batch 2 frames"],
) -> tuple[Float[Tensor, "*batch bands"], Bool[Tensor, "*batch bands"]]:
    """Clamped balance of every band (0/0 counts as mono), and whether the band has energy."""
    mid, side = (_band_energies(x) for x in to_mid_side(*stereo.unbind(dim=-2)))
    balance = 10 * torch.log10(side / mid)
    balance = balance.where(side > 0, LOWEST_DB).clamp(LOWEST_DB, HIGHEST_DB)
    both = mid + side
    return balance, (both > 0) & (both >= EMPTY_SHARE * both.sum(dim=-1, keepdim=True))


def _band_energies(signal: Float[Tensor, "*batch frames"]) -> Float[Tensor, "*batch bands"]:
    spectrum = TRANSFORM.analyze(signal.float())
    power = spectrum.real.square() + spectrum.imag.square()
    return band_sums(power.double().sum(dim=-1, keepdim=True).float()).squeeze(-1).double()
