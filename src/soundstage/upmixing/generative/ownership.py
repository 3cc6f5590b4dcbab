"""Ownership: which tiles of a mid belong to sources with a place, and the gains of the side there.

With a_k the gain of a source in the side (linear panning), d_k its diffuseness and m_k its mask,

    a = u·Σ a_k·m_k,   β = β_drawn·(1 + v·(h·Σ d_k·m_k − 1)),   α = α(a, β) + (1 − w)·g·α_drawn

α(a, β) gives left over right the level that a alone would give them. From the levels
(1 ± α)² + β² of left and right and r = 2a/(1 + a²), the ratio of their difference to their sum,

    α(a, β) = r·(1 + β²)/(1 + √(1 − r²·(1 + β²)))

u and v rise from 0 to 1 with the level of a tile over the mean of its band in the seconds around:
the loud tiles, which carry the direct sound and nearly all of the energy, follow the plan, while in
gaps and decays all is drawn. The ownership w is u where sources at one place have most of the
energy of the band. The residual and the ambience have no place and own nothing. A requested width
of a source, its diffuseness over that of its kind, is a further factor of both drawn parts.

Owned tiles off the center are settled. Those at the center are not: a token of exactly 0 dB goes
with the coherence of a mono sound, and all tiles that are drawn given many of them become narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from soundstage.separation.placement import own_diffuseness
from soundstage.separation.separator import Kind, SourceInfo
from soundstage.spectra import SampleQueue
from soundstage.stereo.encoding import BANDS, IID_STEPS, SILENCE, band_sums, nearest_step, spread
from soundstage.upmixing.generative.stage_constraints import StageConstraint
from soundstage.upmixing.generative.windowed_decoding import FREE
from soundstage.upmixing.plan import Plan

SETTLED = 0.9  # ownership from which the level difference of a tile is settled
LEAST_STEPS = 2  # from the center, of a settled tile: one at exactly 0 dB is drawn as mono
CENTER_STEP = len(IID_STEPS) // 2
LEAST_MONO = 0.1  # of 1 − r²·(1 + β²): no panning reaches the level beside much diffuse sound
UNPLACED: frozenset[Kind] = frozenset({"ambience", "residual"})


@dataclass(frozen=True)
class Placing:
    """Settings of the placement."""

    owned: tuple[float, float] = (0.85, 1.0)
    """Shares of a band's energy between which w rises."""
    loud: tuple[float, float] = (-5.0, 1.5)
    """Levels in dB over the mean of the band between which u rises."""
    dry: tuple[float, float] = (-2.0, 3.0)
    """Levels between which v rises."""
    diffuse_gain: float = 0.5
    """h: direct sound alone is drier than a tile of music."""
    drawn_gain: float = 1.2
    """g: more of it is more like music, and hides the places."""
    sharpness: float = 4.0
    """Exponent of the masks, which add up to 1 again: a source that is in doubt would stand between
    the places of all that it may be."""
    smoothing: int = 5
    """Frames over which masks are averaged, 0.1 s, odd: faster changes are heard as modulation."""
    around: int = 129
    """Frames of the mean level of a band, 3 s; odd."""

    def __post_init__(self) -> None:
        if self.loud[0] >= self.loud[1] or self.dry[0] >= self.dry[1]:
            raise ValueError("the levels of `loud` and `dry` must rise")
        if not 0 <= self.owned[0] < self.owned[1] <= 1:
            raise ValueError("the shares of `owned` must rise within 0 to 1")
        if self.sharpness <= 0:
            raise ValueError("`sharpness` must be above 0")
        if min(self.smoothing, self.around) < 1 or not self.smoothing % 2 == self.around % 2 == 1:
            raise ValueError("`smoothing` and `around` must be odd, and 1 or more")


SETTINGS = Placing()


class Stage:
    """The places of one take.

    Args:
        plan: with the sources in the order of the masks.
        sources: of the masks.
        placing: settings.
        constraint: widths and balance of a requested style, or None.
    """

    def __init__(
        self,
        plan: Plan,
        sources: Sequence[SourceInfo],
        placing: Placing = SETTINGS,
        constraint: StageConstraint | None = None,
    ) -> None:
        self._placing, self._constraint = placing, constraint
        self._gains = torch.tensor(plan.to_gains())
        self._diffuseness = torch.tensor(own_diffuseness(sources))
        requested = torch.tensor([source.diffuseness for source in plan.sources])
        widths = requested / self._diffuseness
        self._widths = None if bool((widths == 1).all()) else widths
        self._groups = one_place(sources, plan)

    def tiles(
        self,
        shares: Float[Tensor, "sources bands frames"],
        level: Float[Tensor, "bands frames"],
    ) -> tuple[Float[Tensor, "bands frames"], Int64[Tensor, "bands frames"]]:
        """Ownership w, and the settled level differences as indices of steps, or `FREE`.

        Args:
            shares: of the sources in the energy of every band.
            level: of the mid over its mean in the band, in dB.
        """
        largest = shares.new_zeros(shares.shape[1:])
        for members in self._groups:
            largest = torch.maximum(largest, shares[members].sum(dim=0))
        owned = rising(level, self._placing.loud) * rising(largest, self._placing.owned)
        panning = torch.einsum("k,kbt->bt", self._gains, shares)
        iid = 20 * ((1 + panning) / (1 - panning)).log10()
        step = nearest_step(iid, IID_STEPS)
        is_settled = (owned >= SETTLED) & ((step - CENTER_STEP).abs() >= LEAST_STEPS)
        return owned, step.where(is_settled, FREE)

    def gains(
        self,
        masks: Float[Tensor, "sources bins frames"],
        power: Float[Tensor, "bins frames"],
        level: Float[Tensor, "bands frames"],
        owned: Float[Tensor, "bands frames"],
        alpha: Float[Tensor, "bands frames"],
        beta: Float[Tensor, "bands frames"],
    ) -> tuple[Float[Tensor, "bins frames"], Float[Tensor, "bins frames"]]:
        """Gains of the mid and of its decorrelated copy in every bin.

        Args:
            masks: of the sources.
            power: of the mid.
            level: of the mid over its mean in the band, in dB.
            owned: w.
            alpha: drawn gain of the mid.
            beta: drawn gain of the copy.
        """
        loud, dry = (
            spread(rising(level, ends)) for ends in (self._placing.loud, self._placing.dry)
        )
        diffuseness = torch.einsum("k,kbt->bt", self._diffuseness, masks)
        diffuse = spread(beta) * (1 + dry * (self._placing.diffuse_gain * diffuseness - 1))
        free = spread((1 - owned) * self._placing.drawn_gain * alpha)
        if self._widths is not None:
            width = torch.einsum("k,kbt->bt", self._widths, masks)
            diffuse, free = width * diffuse, width * free
        direct = level_gain(loud * torch.einsum("k,kbt->bt", self._gains, masks), diffuse) + free
        if self._constraint is None or not power.shape[1]:
            return direct, diffuse
        energy = band_sums(power) + SILENCE
        mean = band_sums(power * direct) / energy
        side = band_sums(power * (direct.square() + diffuse.square())) / energy
        scale, panning = self._constraint.gains(mean, side, energy)
        scale = spread(scale.float())
        return scale * direct + panning.float(), scale * diffuse


def rising(values: Float[Tensor, "*shape"], ends: tuple[float, float]) -> Float[Tensor, "*shape"]:
    """0 up to the first of two ends, 1 from the second on, linear between."""
    return ((values - ends[0]) / (ends[1] - ends[0])).clamp(0, 1)


def level_gain(
    panning: Float[Tensor, "*tiles"], diffuse: Float[Tensor, "*tiles"]
) -> Float[Tensor, "*tiles"]:
    """α(a, β): gain of the mid that gives the level difference of a panning beside diffuse sound.

    >>> round(level_gain(torch.tensor(0.5), torch.tensor(0.0)).item(), 3)
    0.5

    Args:
        panning: a, between −1 and 1.
        diffuse: β.
    """
    ratio = 2 * panning / (1 + panning.square())
    energy = 1 + diffuse.square()
    return ratio * energy / (1 + (1 - ratio.square() * energy).clamp(min=LEAST_MONO).sqrt())


def one_place(sources: Sequence[SourceInfo], plan: Plan) -> list[list[int]]:
    """Indices of the sources that stand at one place, for every place."""
    places: dict[float, list[int]] = {}
    for index, (source, placed) in enumerate(zip(sources, plan.sources, strict=True)):
        if source.kind not in UNPLACED:
            places.setdefault(placed.pan_db, []).append(index)
    return list(places.values())


class LevelStream:
    """Level of the tiles of a mid over the mean of their band in the frames around, in dB.

    Args:
        around: number of these frames, odd.
    """

    def __init__(self, around: int) -> None:
        self._mean, self._energies = MovingMean(around), SampleQueue((BANDS,))

    def push(self, power: Float[Tensor, "bins frames"]) -> Float[Tensor, "bands ready"]:
        """Levels of the oldest frames with half of the frames around after them."""
        return self._levels(self._mean.push(self._taken(power)))

    def finish(self) -> Float[Tensor, "bands rest"]:
        """Levels of the remaining frames."""
        return self._levels(self._mean.finish(torch.zeros(BANDS, 0)))

    def _taken(self, power: Float[Tensor, "bins frames"]) -> Float[Tensor, "bands frames"]:
        energies = band_sums(power) + SILENCE
        self._energies.push(energies)
        return energies

    def _levels(self, means: Float[Tensor, "bands ready"]) -> Float[Tensor, "bands ready"]:
        return 10 * (self._energies.pop(means.shape[1]) / means).log10()


class MovingMean:
    """Centered mean over frames, half of them late; the first and the last frame are held.

    Args:
        length: number of frames, odd.
    """

    def __init__(self, length: int) -> None:
        self._length, self._half = length, length // 2
        self._frames: Tensor | None = None  # from half a length before the next mean on

    def push(self, frames: Float[Tensor, "*shape frames"]) -> Float[Tensor, "*shape ready"]:
        """Means of the oldest frames with half a length of frames after them."""
        if self._frames is None and frames.shape[-1]:
            self._frames = self._held(frames[..., :1])
        if self._frames is None:
            return frames
        self._frames = torch.cat([self._frames, frames], dim=-1)
        return self._means()

    def finish(self, last: Float[Tensor, "*shape frames"]) -> Float[Tensor, "*shape rest"]:
        """Means of all remaining frames, of which `last` are new."""
        ready = self.push(last)
        if self._frames is None:
            return ready
        self._frames = torch.cat([self._frames, self._held(self._frames[..., -1:])], dim=-1)
        return torch.cat([ready, self._means()], dim=-1)

    def _held(self, frame: Float[Tensor, "*shape 1"]) -> Float[Tensor, "*shape half"]:
        return frame.expand(*frame.shape[:-1], self._half)

    def _means(self) -> Float[Tensor, "*shape ready"]:
        assert self._frames is not None
        ready = max(self._frames.shape[-1] - 2 * self._half, 0)
        total = self._frames[..., :ready]
        for step in range(1, self._length):
            total = total + self._frames[..., step : step + ready]
        self._frames = self._frames[..., ready:]
        return total / self._length
