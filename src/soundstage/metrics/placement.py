"""Placement consistency: whether every source has one position, and keeps it.

Serrà et al. (2023, §6) name two failures of parametric stereo that their metrics do not show: one
instrument split over both sides because its bands are panned apart, and one that moves to the other
side after 10 or 20 s. With separate sources, the tiles (band, frame) dominated by one source are
known, and their IIDs should agree:

    over bands:  standard deviation over bands of the mean IID, in windows of 1 s
    over time:   standard deviation of the drift t in x ≈ a + t, over windows of 5 s

x is the mean IID of a band in a window, a depends on the band and t on the window, both fitted by
least squares, so that an instrument with spread bands does not appear to move when it plays higher.
All means are weighted by energy^0.3 of the source in its own tiles. Mono has 0 in both: the measure
is independent of width.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from soundstage.metrics.parametric_stereo import IID_LIMIT_DB
from soundstage.stereo.encoding import FRAME_RATE, SILENCE, TRANSFORM, Parameters, band_sums

DOMINANCE = 0.98  # share of a tile's energy: a source 17 dB lower shifts the IID by 1 dB at most
COMPRESSION = 0.3  # loudness grows as energy^0.3; limits the influence of the bass
BAND_WINDOW = round(1.0 * FRAME_RATE)  # frames
TIME_WINDOW = round(5.0 * FRAME_RATE)
WEAK_LINK = 1e-3  # smallest shared weight of bands that connects two segments


class SourcePlacement(NamedTuple):
    """Consistency of one source, in dB; NaN without dominated tiles."""

    over_bands: float
    over_time: float
    iid_db: float
    """Mean level of left over right."""


class Placement(NamedTuple):
    """Consistency of a mix, in dB; 0 is best, NaN if no source dominates a tile."""

    over_bands: float
    """Spread over bands, weighted mean over sources."""
    over_time: float
    """Drift over time, weighted mean over sources."""
    sources: list[SourcePlacement]


def source_energies(
    sources: Float[Tensor, "sources frames"],
) -> Float[Tensor, "sources bands frames"]:
    """⟨X, X⟩ per band and frame of sources at 44.1 kHz; a full-scale sine has about 1e6."""
    spectrograms = [TRANSFORM.analyze(source) for source in sources]
    return torch.stack([band_sums(x.real.square() + x.imag.square()) for x in spectrograms])


def placement_consistency(
    parameters: Parameters, energies: Float[Tensor, "sources bands frames"]
) -> Placement:
    """Placement consistency of all sources in a result.

    Args:
        parameters: of the result, 34 bands; only the level difference counts, clipped to ±20 dB.
        energies: of the separate sources in the mono, from `source_energies`.

    Raises:
        ValueError: the numbers of bands or frames differ.
    """
    if parameters.iid.shape != energies.shape[1:]:
        raise ValueError("parameters and energies differ in bands or frames")
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
    """Weighted mean without NaN values."""
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
    """Mean IID of every band and window (0 without weight), and the weight."""
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
    """Standard deviation of the drift t; NaN if the source is active in one window only.

    With the band constants eliminated, the normal equations are N·t = Σ_b w·(x − x̄_b) with
    N = diag(W) − Σ_b w·wᵀ/Σ_t w and W = Σ_b w, solved for √W·t. If two segments share (almost) no
    band, movement and a change of spectrum cannot be distinguished; the pseudo-inverse then assumes
    the latter and drops that component, and the mean of t too.
    """
    active = weights.sum(dim=0) > 0
    if active.sum() < 2:
        return math.nan
    means, weights = means[:, active], weights[:, active]
    of_band = weights.sum(dim=1, keepdim=True)
    share = weights / of_band.where(of_band > 0, 1)
    root = weights.sum(dim=0).sqrt()
    unmoved = (share * means).sum(dim=1, keepdim=True)
    normal = torch.diag(root.square()) - torch.einsum("bt,bu->tu", weights, share)
    inverse = torch.linalg.pinv(normal / torch.outer(root, root), rtol=WEAK_LINK, hermitian=True)
    drift = inverse @ ((weights * (means - unmoved)).sum(dim=0) / root)
    return (drift.norm() / root.norm()).item()
