"""How much of a wanted signal a result holds, sample by sample."""

import torch
from jaxtyping import Float
from torch import Tensor

EXACT_DB = 400.0  # stands for no error at all, which has no decibels; double precision ends at 320
CONSTANT = 1e-28  # of a signal's power: what rounding leaves of a constant once its mean is gone


def fold_down_error(
    stereo: Float[Tensor, "*batch 2 frames"], mono: Float[Tensor, "*batch frames"]
) -> Float[Tensor, "*batch"]:
    """Power of (L+R)/2 − input over that of the input, in dB; −400 when they are equal.

    Computed in double precision, so that what is measured is the result and not the measure. A
    silent input counts as full scale. Ours: what the design calls exact is under −100 dB.
    """
    wide, wanted = stereo.double(), mono.double()
    error = (wide.mean(dim=-2) - wanted).square().mean(dim=-1)
    power = wanted.square().mean(dim=-1)
    power = power.where(power > 0, 1.0)
    return torch.where(error > 0, 10 * torch.log10(error / power), -EXACT_DB)


def si_snr(
    estimate: Float[Tensor, "*batch frames"], reference: Float[Tensor, "*batch frames"]
) -> Float[Tensor, "*batch"]:
    """Scale-invariant signal-to-noise ratio in dB, higher is better (Luo and Mesgarani 2019).

    With both signals freed of their mean, s = (⟨e, r⟩/⟨r, r⟩)·r is what the estimate e holds of
    the reference r, and the ratio is 10·lg(‖s‖² / ‖e − s‖²). Neither gain nor polarity counts, so
    an inverted copy is a perfect one; a delay counts in full. Not the SDR of Vincent et al.
    (2006), which forgives a filter.

    Returns:
        From −400 for orthogonal signals to 400 for equal ones (a scaled copy lies over 300, at the
        end of double precision), and NaN where either is silent or constant: the ratio is 0/0
        there. torchmetrics adds an epsilon that turns this into 0 dB, by which a silent side would
        beat any side that a method invents.
    """
    wanted, made = centered(reference), centered(estimate)
    power = wanted.square().sum(dim=-1)
    defined = (power > 0) & (made.square().sum(dim=-1) > 0)
    gain = (made * wanted).sum(dim=-1) / power.where(defined, 1.0)
    signal = gain[..., None] * wanted
    noise = (made - signal).square().sum(dim=-1)
    ratio = 10 * torch.log10(signal.square().sum(dim=-1) / noise)  # ±∞ at the ends
    return ratio.clamp(-EXACT_DB, EXACT_DB).where(defined, torch.nan)


def centered(signal: Float[Tensor, "*batch frames"]) -> Float[Tensor, "*batch frames"]:
    """The signal less its mean, in double precision; exactly zero where it is constant."""
    wide = signal.double()
    moving = wide - wide.mean(dim=-1, keepdim=True)
    rest = moving.square().sum(dim=-1, keepdim=True)
    return moving.where(rest > CONSTANT * wide.square().sum(dim=-1, keepdim=True), 0.0)
