"""Distances of a signal to its reference: SI-SNR, fold-down error, and distances of spectrograms.

The **log-spectral distance** (Gray and Markel 1976) compares power spectrograms P and Q in dB,

    LSD = mean over t of √( mean over k of (10·lg P[k,t] − 10·lg Q[k,t])² )

both floored 100 dB below the bin of a sine at full scale. DiffStereo (2025, Table 1) prints LSDs
from 0.4 to 0.8 without naming the logarithm or a floor: perhaps of lg P (this one over 10), ln √P
(over 8.69) or lg √P (over 20). Compare only the order of systems with that table.

The **multi-resolution STFT distance** (Yamamoto et al. 2020) is the mean over three window lengths
of

    ‖√P − √Q‖ / ‖√Q‖ + mean of |ln √P − ln √Q|

Spectrograms are computed in pieces that fit into the cache; whole ones take five times as long.
"""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

EXACT_DB = 400.0  # stands for an error of zero; double precision ends at about 320 dB
CONSTANT = 1e-28  # share of a constant signal's power that rounding leaves without its mean

FLOOR_DB = -100.0  # re a sine at full scale; the level of 16-bit rounding
PIECE = 256  # frames at a time


class Resolution(NamedTuple):
    """A short-time spectrum with a periodic Hann window, zero-padded to the transform."""

    transform: int
    hop: int
    window: int


LSD_RESOLUTION = Resolution(2048, 512, 2048)  # 46 ms every 12 ms at 44.1 kHz
MR_RESOLUTIONS = (Resolution(1024, 120, 600), Resolution(2048, 240, 1200), Resolution(512, 50, 240))
MR_FLOOR = 1e-8  # of the power, as in auraloss
MR_SHORTEST = max(x.transform for x in MR_RESOLUTIONS) // 2 + 1  # samples, for reflection padding


def fold_down_error(
    stereo: Float[Tensor, "*batch 2 frames"], mono: Float[Tensor, "*batch frames"]
) -> Float[Tensor, "*batch"]:
    """Power of (L+R)/2 − mono over the power of mono, in dB; −400 if they are equal.

    Computed in double precision. For a silent input the error is relative to full scale. An exact
    fold-down, in the sense of this project, is below −100 dB.
    """
    wide, reference = stereo.double(), mono.double()
    error = (wide.mean(dim=-2) - reference).square().mean(dim=-1)
    power = reference.square().mean(dim=-1)
    power = power.where(power > 0, 1.0)
    return torch.where(error > 0, 10 * torch.log10(error / power), -EXACT_DB)


def si_snr(
    estimate: Float[Tensor, "*batch frames"], reference: Float[Tensor, "*batch frames"]
) -> Float[Tensor, "*batch"]:
    """Scale-invariant signal-to-noise ratio in dB, higher is better (Luo and Mesgarani 2019).

    With zero-mean e and r, the projection s = (⟨e, r⟩/⟨r, r⟩)·r gives 10·lg(‖s‖² / ‖e − s‖²). Gain
    and polarity do not count, a delay does. Not the SDR of Vincent et al. (2006), which allows a
    filter.

    Returns:
        From −400 for orthogonal signals to 400 for equal ones (scaled copies have more than 300,
        the limit of double precision). NaN if either signal is silent or constant, where
        torchmetrics returns 0 dB, better than most generated sides.
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
    """The signal without its mean, in double precision; exactly zero if it is constant."""
    wide = signal.double()
    moving = wide - wide.mean(dim=-1, keepdim=True)
    rest = moving.square().sum(dim=-1, keepdim=True)
    return moving.where(rest > CONSTANT * wide.square().sum(dim=-1, keepdim=True), 0.0)


def log_spectral_distance(
    estimate: Float[Tensor, "*batch frames"], reference: Float[Tensor, "*batch frames"]
) -> Float[Tensor, "*batch"]:
    """Log-spectral distance in dB, 0 for equal signals; 2048-point Hann, hop 512.

    A gain of g dB has distance |g|. Digital silence has a finite distance to every signal. All bins
    count alike, so half of the distance comes from above 11 kHz at 44.1 kHz.

    >>> noise = torch.randn(8192, generator=torch.Generator().manual_seed(0))
    >>> round(log_spectral_distance(0.5 * noise, noise).item(), 2)
    6.02
    """
    floor = 10 ** (FLOOR_DB / 10) * (LSD_RESOLUTION.window / 4) ** 2  # a sine has (window/4)²
    powers = (_powers(x, LSD_RESOLUTION, "constant", floor) for x in (estimate, reference))
    distances = [
        10 * (one / other).log10().square().mean(dim=-1).sqrt()
        for one, other in zip(*powers, strict=True)
    ]
    return torch.cat(distances, dim=-1).mean(dim=-1, dtype=torch.float64)


def mrstft_distance(
    estimate: Float[Tensor, "*batch channels frames"],
    reference: Float[Tensor, "*batch channels frames"],
) -> Float[Tensor, "*batch"]:
    """Multi-resolution STFT distance over all channels: no unit, 0 for equal signals.

    Equals `MultiResolutionSTFTLoss` of auraloss 0.4 with its defaults, per batch item, as used by
    BinauralGrad (2022). Divides by the reference, hence not symmetric. NaN below `MR_SHORTEST`
    frames.
    """
    if estimate.shape[-1] < MR_SHORTEST:
        return estimate.new_full(estimate.shape[:-2], math.nan, dtype=torch.float64)
    distances = [_one_resolution(estimate, reference, x) for x in MR_RESOLUTIONS]
    return torch.stack(distances).mean(dim=0)


def _one_resolution(
    estimate: Float[Tensor, "*batch channels frames"],
    reference: Float[Tensor, "*batch channels frames"],
    resolution: Resolution,
) -> Float[Tensor, "*batch"]:
    powers = (_powers(x, resolution, "reflect", MR_FLOOR) for x in (estimate, reference))
    sums = torch.zeros(4, *estimate.shape[:-2], dtype=torch.float64, device=estimate.device)
    for made, wanted in zip(*powers, strict=True):
        logs = (made / wanted).log().abs() / 2
        errors = (made.sqrt() - wanted.sqrt()).square()
        for total, part in zip(sums, (logs, errors, wanted, torch.ones_like(wanted)), strict=True):
            total += part.sum(dim=(-3, -2, -1), dtype=torch.float64)
    log, error, energy, count = sums
    return (error / energy).sqrt() + log / count


def _powers(
    signal: Float[Tensor, "*batch frames"],
    resolution: Resolution,
    padding: Literal["constant", "reflect"],
    floor: float,
) -> Iterator[Float[Tensor, "*batch times bins"]]:
    """Floored power spectra of frames centered on the multiples of the hop, in pieces."""
    transform, hop, length = resolution
    flat = pad(signal.reshape(-1, signal.shape[-1]), (transform // 2, transform // 2), padding)
    padded = flat.reshape(*signal.shape[:-1], -1)[..., (transform - length) // 2 :]
    times = signal.shape[-1] // hop + 1
    window = torch.hann_window(length, dtype=signal.dtype, device=signal.device)
    for frames in padded.unfold(-1, length, hop)[..., :times, :].split(PIECE, dim=-2):
        spectrum = torch.fft.rfft(frames * window, n=transform)
        yield (spectrum.real.square() + spectrum.imag.square()).clamp(min=floor)
