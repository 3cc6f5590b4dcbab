"""Placement consistency: whether an instrument stays together, and where it was.

Serrà et al. (2023, §6) name two failings of parametric stereo that none of their numbers shows: one
instrument split over both sides, because its bands are panned apart, and one that wanders to the
other side after 10 or 20 s. Where the separate sources of a mix are known, so are the tiles (band,
frame) that sound of one source alone, and the level differences found there should be one number:

    over bands:  within a second, the standard deviation over bands of the mean IID of the band
    over time:   over windows of 5 s, the standard deviation of the drift t of x ≈ a + t,

x being the mean IID of a band and a window, a a constant of the band and t one of the window, both
fitted by least squares: an instrument whose bands lie apart does not seem to move because it plays
higher. All means are weighted by energy^0.3 of the source in its own tiles. Mono has 0 in both: the
measure says nothing of how wide a result is.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from soundstage.metrics.parametric_stereo import IID_LIMIT_DB
from soundstage.stereo.parameters import FRAME_RATE, SILENCE, TRANSFORM, Parameters, band_sums

DOMINANCE = 0.98  # share of a tile's energy: a source 17 dB lower shifts the IID by 1 dB at most
COMPRESSION = 0.3  # exponent of energy that loudness grows with: else the bass rules alone
BAND_WINDOW = round(1.0 * FRAME_RATE)  # frames
TIME_WINDOW = round(5.0 * FRAME_RATE)
WEAK_LINK = 1e-3  # least share of their weight by which the bands must join two stretches


class SourcePlacement(NamedTuple):
    """Of one source, in dB; NaN where there is nothing to say it of."""

    over_bands: float
    over_time: float
    iid_db: float
    """Mean level of left over right."""


class Placement(NamedTuple):
    """Of a mix, in dB; 0 is best, NaN where no source says anything."""

    over_bands: float
    """How far the bands of a source lie apart, a mean over sources by weight."""
    over_time: float
    """How far a source wanders, likewise."""
    sources: list[SourcePlacement]


def source_energies(
    sources: Float[Tensor, "sources frames"],
) -> Float[Tensor, "sources bands frames"]:
    """⟨X, X⟩ a band and a frame of the coder, of samples at its 44.1 kHz; 1e6 is a full sine."""
    spectrograms = [TRANSFORM.analyze(source) for source in sources]
    return torch.stack([band_sums(x.real.square() + x.imag.square()) for x in spectrograms])


def placement_consistency(
    parameters: Parameters, energies: Float[Tensor, "sources bands frames"]
) -> Placement:
    """How well every source of a mix keeps one place in a result.

    Args:
        parameters: analyzed from the sound of the result, 34 bands; only the level difference is
            read, clipped to ±20 dB.
        energies: of the separate sources in the mono, from `source_energies`.

    Raises:
        ValueError: bands or frames of the two differ.
    """
    if parameters.iid.shape != energies.shape[1:]:
        raise ValueError("parameters and energies have the same bands and frames")
    iid = parameters.iid.clamp(-IID_LIMIT_DB, IID_LIMIT_DB).double()
    owned = energies > DOMINANCE * (energies.sum(dim=0) + SILENCE)
    weights = energies.double() ** COMPRESSION * owned
    sources = [_placement(iid, of_source) for of_source in weights]
    totals = weights.sum(dim=(1, 2)).tolist()
    return Placement(
        _mean([source.over_bands for source in sources], totals),
        _mean([source.over_time for source in sources], totals),
        sources,
    )


def _mean(values: list[float], weights: list[float]) -> float:
    """Weighted, of the values that are not NaN."""
    pairs = [pair for pair in zip(values, weights, strict=True) if not math.isnan(pair[0])]
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if pairs else math.nan


def _placement(
    iid: Float[Tensor, "bands frames"], weights: Float[Tensor, "bands frames"]
) -> SourcePlacement:
    total = weights.sum()
    if total == 0:
        return SourcePlacement(math.nan, math.nan, math.nan)
    return SourcePlacement(
        _over_bands(*_window_means(iid, weights, BAND_WINDOW)),
        _over_time(*_window_means(iid, weights, TIME_WINDOW)),
        ((weights * iid).sum() / total).item(),
    )


def _window_means(
    iid: Float[Tensor, "bands frames"], weights: Float[Tensor, "bands frames"], length: int
) -> tuple[Float[Tensor, "bands windows"], Float[Tensor, "bands windows"]]:
    """Mean IID of every band and window (0 where it has no weight), and the weight."""
    missing = -iid.shape[1] % length
    shape = (len(iid), -1, length)
    padded = pad(weights, (0, missing)).reshape(shape)
    weighted = pad(weights * iid, (0, missing)).reshape(shape)
    sums = padded.sum(dim=-1)
    return weighted.sum(dim=-1) / sums.where(sums > 0, 1), sums


def _over_bands(
    means: Float[Tensor, "bands windows"], weights: Float[Tensor, "bands windows"]
) -> float:
    """Root of the variance over bands, averaged over windows."""
    whole = weights.sum(dim=0)
    center = (weights * means).sum(dim=0) / whole.where(whole > 0, 1)
    return ((weights * (means - center).square()).sum() / whole.sum()).sqrt().item()


def _over_time(
    means: Float[Tensor, "bands windows"], weights: Float[Tensor, "bands windows"]
) -> float:
    """Standard deviation of the drift t; NaN where the source is heard in one window only.

    Without the constants of the bands, the normal equations are N·t = Σ_b w·(x − x̄_b) with
    N = diag(W) − Σ_b w·wᵀ/Σ_t w and W = Σ_b w, here for √W·t. Where two stretches share no band,
    or hardly one, movement and a change of spectrum look alike, and it is held for the latter: the
    pseudo-inverse leaves such a t out, and the mean of t too.
    """
    heard = weights.sum(dim=0) > 0
    if heard.sum() < 2:
        return math.nan
    means, weights = means[:, heard], weights[:, heard]
    of_band = weights.sum(dim=1, keepdim=True)
    share = weights / of_band.where(of_band > 0, 1)
    root = weights.sum(dim=0).sqrt()
    unmoved = (share * means).sum(dim=1, keepdim=True)
    normal = torch.diag(root.square()) - torch.einsum("bt,bu->tu", weights, share)
    inverse = torch.linalg.pinv(normal / torch.outer(root, root), rtol=WEAK_LINK, hermitian=True)
    drift = inverse @ ((weights * (means - unmoved)).sum(dim=0) / root)
    return (drift.norm() / root.norm()).item()
