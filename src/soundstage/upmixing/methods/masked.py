"""`masked` (PS-MTM): a transformer predicts masked stereo tokens, a few more in every pass.

The best system of Serrà et al. (2023, §3.3), after Chang et al. (2022). At first all unknown tokens
of a window are masked. In every pass the network scores the masked tokens, given the mid and the
known tokens; some of them are sampled and kept, until none is left. After n of N passes

    known tokens = total·(1 − cos(π/2·(n/N)^s))

with s = 1 in the paper. Tokens of one pass are sampled independently of each other, so that the
order decides how coherent the result is:

    confidence   the paper's: all are sampled, and those with the highest score plus Gaussian noise
                 stay. It prefers likely tokens, so that the image shrinks towards the center.
    entropy      the same by the entropy of the tile instead of the score of its sample
    random       preserves the distribution of each token, but neighbors of one pass disagree
    spread       tiles of one pass lie as far apart as possible in time and bands: a low-discrepancy
                 order (after the Halton order of Besnier et al. 2025)

Where level differences are settled beforehand, this is inpainting: their tiles come first, in the
same order and with the same numbers a pass, and draw a coherence given that level difference. The
others follow, conditioned on them.
"""

import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final, Literal

import torch
from jaxtyping import Bool, Float, Int64, Integer
from torch import Tensor

from soundstage.networks.models.stereo_tokens import StereoTokens, StereoTokensConfig
from soundstage.stereo import BANDS, TOKENS, Decoder
from soundstage.stereo.encoding import IC_STEPS
from soundstage.stereo.style_prior import StylePrior
from soundstage.upmixing.generative.pretrained import load_generative
from soundstage.upmixing.generative.sampling import (
    Guidance,
    ProductsPerTake,
    TakeStyle,
    sample_tokens,
)
from soundstage.upmixing.generative.style import Style
from soundstage.upmixing.generative.windowed_decoding import FREE, Window, WindowedPredictor
from soundstage.upmixing.parametric import ParametricMethod

FAMILY: Final = "masked"
MASK = TOKENS
MAX_BATCH = {"cpu": 2}  # takes in one pass: more leave the caches of a CPU
Order = Literal["confidence", "entropy", "random", "spread"]
_FIRST = 1e4  # added to a certainty, which is of the order of 10
_PLASTIC = 1.32471795724474602596  # x³ = x + 1: its powers make the R2 sequence of two dimensions


@dataclass(frozen=True)
class MaskedDecoding:
    """Settings of the sampler."""

    steps: int = 8
    """Passes for a window with a known first half."""
    first_steps: int = 16
    """Passes for the first window of a signal."""
    order: Order = "spread"
    slow_start: float = 1.5
    """s of the schedule."""
    temperature: float = 1.1
    """Of the samples; above 1 compensates for the smoothing of decoding."""
    noise: float = 4.5
    """Standard deviation of the noise in the orders "confidence" and "entropy"."""
    guidance: float = 0.0
    """γ; 0 saves the branch without the sound."""
    style_guidance: float = 1.0
    """γ_s for a requested style; 0 saves the branch without it."""
    style_spread: float = 1.0
    """Spread of unrequested styles, 1 as in real music; 0 leaves them undefined."""
    memory: bool = True
    """Whether the network is conditioned on the minute before."""
    settled_reach: int = 0
    """Steps by which a token may differ from a settled level difference. Those of music fluctuate;
    one that is exactly 0 goes with the coherence of a mono sound."""

    def __post_init__(self) -> None:
        if min(self.steps, self.first_steps) < 1:
            raise ValueError("steps and first_steps must be 1 or more")
        if self.settled_reach < 0:
            raise ValueError("settled_reach must be 0 or more")
        if self.temperature <= 0 or self.slow_start <= 0:
            raise ValueError("temperature and slow_start must be above 0")


SETTINGS = MaskedDecoding()


class MaskedSampler:
    """Fills windows by iterative decoding, all takes in one batch.

    Args:
        network: in evaluation mode, on `device`.
        config: of the network.
        decoding: settings.
        style: requested; None for no style.
        prior: of unrequested styles.
        device: where the network runs.
    """

    def __init__(
        self,
        network: StereoTokens,
        config: StereoTokensConfig,
        decoding: MaskedDecoding = SETTINGS,
        style: Style | None = None,
        prior: StylePrior | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self._network, self._config, self._decoding = network, config, decoding
        self._device = torch.device(device)
        self.style = TakeStyle(style, prior, decoding.style_spread)
        self._style_guidance = decoding.style_guidance if self.style.is_requested else 0.0
        self.context_frames, self.stride = config.context_frames, config.stride

    def fill(self, window: Window) -> Integer[Tensor, "takes rest bands"]:
        """Tokens of the positions that are not known."""
        takes, size = range(len(window.generators)), MAX_BATCH.get(self._device.type, 16)
        batches = [takes[first : first + size] for first in takes[::size]]
        return torch.cat([self._fill(_of_takes(window, batch)) for batch in batches])

    def _fill(self, window: Window) -> Integer[Tensor, "takes rest bands"]:
        settings, takes = self._decoding, len(window.generators)
        known, rest = window.known, len(window.levels) - window.known.shape[1]
        predict = _WindowScores(self, window)
        steps = settings.steps if known.shape[1] else settings.first_steps
        tokens = torch.full((takes, rest, BANDS), MASK)
        ranks = None
        if settings.order in ("spread", "random"):
            ranks = torch.stack([self._ranks(rest, each) for each in window.generators])
            if window.settled is not None:
                ranks = settled_first(ranks, window.settled)
        done = 0
        for count in mask_schedule(steps, rest * BANDS, slow_start=settings.slow_start):
            masked = tokens == MASK
            selected = masked if ranks is None else (ranks >= done) & (ranks < count)
            scores = predict(tokens, selected)
            for take, generator in enumerate(window.generators):
                tiles, settled = selected[take], None
                if window.settled is not None:
                    settled = window.settled[take][tiles]
                    scores[take] = allowed_scores(
                        scores[take], settled, reach=settings.settled_reach
                    )
                if ranks is None:
                    tiles, samples = self._most_certain(
                        scores[take], masked[take], count - done, generator, settled
                    )
                else:
                    samples = sample_tokens(scores[take] / settings.temperature, generator)
                tokens[take][tiles] = samples
            done = count
        return tokens

    def _ranks(self, rest: int, generator: torch.Generator) -> Int64[Tensor, "rest bands"]:
        """The order of the tiles."""
        if self._decoding.order == "spread":
            return spread_ranks(rest, BANDS, torch.rand(2, generator=generator))
        return torch.randperm(rest * BANDS, generator=generator).view(rest, BANDS)

    def _most_certain(
        self,
        scores: Float[Tensor, "masked classes"],
        masked: Bool[Tensor, "rest bands"],
        count: int,
        generator: torch.Generator,
        settled: Integer[Tensor, " masked"] | None = None,
    ) -> tuple[Bool[Tensor, "rest bands"], Integer[Tensor, " count"]]:
        """The masked tiles with the highest score or the least entropy, and their tokens.

        Settled tiles come before all others.
        """
        samples = sample_tokens(scores / self._decoding.temperature, generator)
        log_probability = scores.log_softmax(dim=-1)
        if self._decoding.order == "confidence":
            certainty = log_probability.gather(-1, samples[:, None])[:, 0]
        else:
            certainty = log_probability.exp().mul(log_probability).nan_to_num(nan=0).sum(dim=-1)
        noise = torch.randn(certainty.shape, generator=generator)
        certainty = certainty + self._decoding.noise * noise
        if settled is not None:
            certainty = certainty + (settled != FREE) * _FIRST
        best = certainty.topk(count).indices.sort().values
        tiles = torch.zeros_like(masked)
        tiles[tuple(masked.nonzero()[best].T)] = True
        return tiles, samples[best]


class _WindowScores:
    """The network with the inputs that are the same in every pass over a window.

    Examples are ordered by takes, then by branches of the guidance.
    """

    def __init__(self, sampler: MaskedSampler, window: Window) -> None:
        settings, config = sampler._decoding, sampler._config
        self._network, self._device = sampler._network, sampler._device
        self._guidance = Guidance(settings.guidance, sampler._style_guidance, window.styles)
        self._takes, self._branches = len(window.generators), self._guidance.branches
        batch = self._takes * self._branches
        levels = window.levels.to(self._device)
        uncond = self._guidance.uncond.to(self._device)
        self._levels, self._uncond = levels.expand(batch, -1, -1), uncond.repeat(self._takes)
        self._known = window.known
        self._style = self._memory = None
        if config.style_dim:
            styles = self._guidance.styles.transpose(0, 1).flatten(0, 1)
            self._style = styles.to(self._device)
        if config.memory:
            memory = window.memory
            if not settings.memory:
                memory = torch.full_like(memory, torch.nan)
            self._memory = self._expand(memory)
        conditioning = self._network.encode(levels.expand(self._branches, -1, -1), uncond)
        if conditioning is not None:
            conditioning = conditioning.expand(self._takes, *conditioning.shape).flatten(0, 1)
        self._conditioning = conditioning

    def __call__(
        self,
        tokens: Integer[Tensor, "takes rest bands"],
        selected: Bool[Tensor, "takes rest bands"],
    ) -> Float[Tensor, "takes tiles classes"]:
        """Guided scores of the selected tiles, equally many of each take."""
        with ProductsPerTake(self._takes) if self._takes > 1 else nullcontext():
            scores: Tensor = self._network(
                self._levels,
                self._expand(torch.cat([self._known, tokens], dim=1)),
                self._uncond,
                style=self._style,
                memory=self._memory,
                first_frame=self._known.shape[1],
                select=self._expand(selected),
                cond=self._conditioning,
            )
        takes = scores.unflatten(0, (self._takes, self._branches, -1))
        return torch.stack([self._guidance.combine(take) for take in takes]).cpu()

    def _expand(self, values: Tensor) -> Tensor:
        """The same values for all branches."""
        return values.to(self._device).repeat_interleave(self._branches, dim=0)


def _of_takes(window: Window, takes: range) -> Window:
    some = slice(takes.start, takes.stop)
    return Window(
        window.levels,
        window.known[some],
        window.memory[some],
        window.styles[some],
        window.generators[some],
        None if window.settled is None else window.settled[some],
    )


def settled_first(
    ranks: Int64[Tensor, "takes rest bands"], settled: Integer[Tensor, "takes rest bands"]
) -> Int64[Tensor, "takes rest bands"]:
    """The same order among the settled tiles, and then among the others."""
    order = (ranks + (settled == FREE) * ranks[0].numel()).flatten(1).argsort(dim=1)
    return order.argsort(dim=1).view_as(ranks)


def allowed_scores(
    scores: Float[Tensor, "tiles classes"], settled: Integer[Tensor, " tiles"], *, reach: int = 0
) -> Float[Tensor, "tiles classes"]:
    """Scores without the tokens of other level differences in settled tiles.

    Args:
        scores: of the tokens of some tiles.
        settled: index of the level difference in `IID_STEPS`, or `FREE`.
        reach: number of steps by which a token may differ from it.
    """
    iid = torch.arange(scores.shape[1]) // len(IC_STEPS)
    forbidden = (settled[:, None] != FREE) & ((iid - settled[:, None]).abs() > reach)
    return scores.masked_fill(forbidden, -torch.inf)


def mask_schedule(steps: int, total: int, *, slow_start: float = 1.0) -> list[int]:
    """Number of known tokens after each pass.

    Args:
        steps: number of passes.
        total: tokens of the window that are masked at first.
        slow_start: s; above 1 leaves more tokens to the last passes, which have more context.

    >>> mask_schedule(3, 100)
    [14, 50, 100]
    """
    parts = [((step + 1) / steps) ** slow_start for step in range(steps)]
    counts = [total - math.floor(total * math.cos(0.5 * math.pi * part) + 1e-6) for part in parts]
    return [max(count, min(step + 1, total)) for step, count in enumerate(counts)]


def spread_ranks(
    positions: int, bands: int, shift: Float[Tensor, "2"]
) -> Int64[Tensor, "positions bands"]:
    """Ranks of the tiles in a low-discrepancy order, which fills the plane evenly at every moment.

    Points of the R2 sequence (Roberts 2018) fall on the plane one by one; a tile gets the rank of
    the first point in it.

    Args:
        positions: number in time.
        bands: number of bands.
        shift: of the whole sequence, from 0 to 1; another shift is another order.
    """
    total = positions * bands
    points = torch.arange(1, 8 * total + 1, dtype=torch.float64)
    times = ((points / _PLASTIC + shift[0]) % 1 * positions).long().clamp(max=positions - 1)
    places = ((points / _PLASTIC**2 + shift[1]) % 1 * bands).long().clamp(max=bands - 1)
    tiles = times * bands + places
    first = torch.full((total,), 8 * total, dtype=torch.long)
    first.scatter_reduce_(0, tiles, torch.arange(8 * total), reduce="amin")
    ranks = torch.empty(total, dtype=torch.long)
    ranks[first.argsort(stable=True)] = torch.arange(total)
    return ranks.view(positions, bands)


def load(
    weights: str = FAMILY,
    *,
    style: Style | None = None,
    decoder: Decoder = "prediction",
    device: torch.device | str = "cpu",
    decoding: MaskedDecoding = SETTINGS,
) -> ParametricMethod:
    """The method with its weights.

    Raises:
        WeightsError: the weights are missing, damaged, or of another family.
    """
    model, prior = load_generative(weights, StereoTokensConfig, device)
    sampler = MaskedSampler(model.network, model.config, decoding, style, prior, device)
    return ParametricMethod(WindowedPredictor(sampler), decoder=decoder)
