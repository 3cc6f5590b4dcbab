"""Places of instruments: whether every source of a mix has one, keeps it, and differs from others.

All measures take the separate sources of the mix, and look at the result in tiles that one source
dominates. x is the level of left over right there in dB, clipped to ±20; all means are weighted by
energy^0.3 of the source in its own tiles.

*Places* take tiles of a band and a second in which a source has over 90 % of the energy, with x
from summed energies. With x̄ the mean over all of them, x̄_k the mean of source k and x̄_kt that of
source k in second t,

    spread²   =  ⟨(x̄_k − x̄)²⟩          how far apart the sources stand
    contrast  =  spread² / ⟨(x − x̄)²⟩    share of all variance that tells sources apart, 0 to 1
    torn²     =  ⟨(x − x̄_kt)²⟩          how far one source is spread over bands at one time

and the center of the lead is its side over its mid, in dB, from summed energies of its tiles. An
engineer's mix has contrast near 1; panning drawn tile by tile has the same x and contrast near 0.

*Consistency* takes tiles of a band and a frame, and sources of over 98 %. Serrà et al. (2023, §6)
name two failures of parametric stereo that their metrics do not show: one instrument split over
both sides because its bands are panned apart, and one that moves to the other side after 10 or
20 s:

    over bands:  standard deviation over bands of the mean IID, in windows of 1 s
    over time:   standard deviation of the drift t in x ≈ a + t, over windows of 5 s

a depends on the band and t on the window, both fitted by least squares, so that an instrument with
spread bands does not appear to move when it plays higher. Mono has 0 in both.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from soundstage.metrics.parametric_stereo import IID_LIMIT_DB
from soundstage.stereo.encoding import FRAME_RATE, SILENCE, TRANSFORM, Parameters, band_sums
from soundstage.stereo.mid_side import to_mid_side

TILE_DOMINANCE = 0.9  # share of the energy of a band in a second
DOMINANCE = 0.98  # share of a tile's energy: a source 17 dB lower shifts the IID by 1 dB at most
COMPRESSION = 0.3  # loudness grows as energy^0.3; limits the influence of the bass
BAND_WINDOW = round(1.0 * FRAME_RATE)  # frames
TIME_WINDOW = round(5.0 * FRAME_RATE)
WEAK_LINK = 1e-3  # smallest shared weight of bands that connects two segments


LOWEST_DB = -100.0  # side over mid of a lead without a side
STILL = 1e-12  # dB²; a variance below it is that of rounding


class Tiles(NamedTuple):
    """A result in tiles of a band and a second, from `stereo_tiles`."""

    level: Float[Tensor, "bands seconds"]
    """Level of left over right in dB, clipped to ±20."""
    mid: Float[Tensor, "bands seconds"]
    """Energy of the mid."""
    side: Float[Tensor, "bands seconds"]
    """Energy of the side."""
    weights: Float[Tensor, "sources bands seconds"]
    """Energy^0.3 of each source in the tiles that it dominates, 0 in all others."""


class Places(NamedTuple):
    """All measures of the places in a result."""

    spread: float
    """In dB; NaN if fewer than two sources dominate a tile."""
    contrast: float
    """0 to 1; 0 for mono; NaN as the spread."""
    torn: float
    """In dB; NaN if no source dominates a tile."""
    lead_center: float
    """In dB; NaN without a lead."""
    sources: list[float]
    """Mean level of left over right of each source in dB; NaN if it dominates no tile."""


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


def stereo_tiles(
    stereo: Float[Tensor, "2 frames"], energies: Float[Tensor, "sources bands frames"]
) -> Tiles:
    """Tiles of a result at 44.1 kHz, and which source dominates them.

    Args:
        stereo: the result; its polarity and level do not count.
        energies: of the separate sources in the mono, from `source_energies`.

    Raises:
        ValueError: the numbers of frames differ.
    """
    signals = torch.stack([*stereo, *to_mid_side(*stereo)])
    of_signals = source_energies(signals)
    if of_signals.shape[-1] != energies.shape[-1]:
        raise ValueError("the result and the sources differ in frames")
    left, right, mid, side = _seconds(of_signals)
    level = 10 * torch.log10((left + SILENCE) / (right + SILENCE))
    own = _seconds(energies)
    owned = own > TILE_DOMINANCE * (own.sum(dim=0) + SILENCE)
    weights = own**COMPRESSION * owned
    return Tiles(level.clamp(-IID_LIMIT_DB, IID_LIMIT_DB), mid, side, weights)


def measure_places(tiles: Tiles, lead: int | None = None) -> Places:
    """All measures of places.

    Args:
        tiles: of the result.
        lead: which source is the lead; None if there is none.
    """
    center = math.nan if lead is None else lead_center(tiles, lead)
    return Places(
        placement_spread(tiles),
        placement_contrast(tiles),
        torn(tiles),
        center,
        _source_means(tiles).tolist(),
    )


def placement_spread(tiles: Tiles) -> float:
    """Weighted standard deviation of the sources' mean level differences, in dB.

    0 for mono; ±d for two sources of equal weight at ±d dB. NaN if fewer than two sources dominate
    a tile.
    """
    return math.sqrt(_variances(tiles)[0])


def placement_contrast(tiles: Tiles) -> float:
    """Share of the variance of the level difference that lies between sources, 0 to 1.

    1 if every source stands still at one place and not all at the same; 0 for mono, where nothing
    has a place of its own; NaN if fewer than two sources dominate a tile.
    """
    between, whole = _variances(tiles)
    return 0.0 if whole <= STILL else between / whole


def torn(tiles: Tiles) -> float:
    """Spread over the bands of one source in one second, in dB: 0 if it stands at one place.

    NaN if no source dominates a tile.
    """
    of_second = tiles.weights.sum(dim=1, keepdim=True)
    means = (tiles.weights * tiles.level).sum(dim=1, keepdim=True) / of_second.where(
        of_second > 0, 1
    )
    deviations = (tiles.weights * (tiles.level - means).square()).sum()
    return (deviations / of_second.sum()).sqrt().item()


def lead_center(tiles: Tiles, lead: int) -> float:
    """Level of the side over the mid in the tiles of the lead, in dB, at least −100.

    NaN if it dominates no tile.

    Args:
        tiles: of the result.
        lead: index of the source.
    """
    owned = tiles.weights[lead] > 0
    mid, side = tiles.mid[owned].sum(), tiles.side[owned].sum()
    return (10 * torch.log10(side / mid)).clamp(min=LOWEST_DB).item()


def _seconds(
    energies: Float[Tensor, "*signals bands frames"],
) -> Float[Tensor, "*signals bands seconds"]:
    """Sums over windows of a second; the last one may be shorter."""
    padded = pad(energies.double(), (0, -energies.shape[-1] % BAND_WINDOW))
    return padded.unflatten(-1, (-1, BAND_WINDOW)).sum(dim=-1)


def _source_means(tiles: Tiles) -> Float[Tensor, " sources"]:
    """Mean level difference of every source; NaN if it dominates no tile."""
    return (tiles.weights * tiles.level).sum(dim=(1, 2)) / tiles.weights.sum(dim=(1, 2))


def _variances(tiles: Tiles) -> tuple[float, float]:
    """Of the level difference between sources, and in all; NaN with fewer than two sources."""
    of_source = tiles.weights.sum(dim=(1, 2))
    active = of_source > 0
    if active.sum() < 2:
        return math.nan, math.nan
    share = of_source[active] / of_source.sum()
    means = _source_means(tiles)[active]
    center = (share * means).sum()
    between = (share * (means - center).square()).sum()
    whole = (tiles.weights * (tiles.level - center).square()).sum() / of_source.sum()
    return between.item(), whole.item()


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
