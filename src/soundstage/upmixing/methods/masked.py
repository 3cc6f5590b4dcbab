"""`masked` (PS-MTM): a transformer fills in a window of stereo tokens, a few more in every step.

The best system of Serrà et al. (2023, §3.3), after Chang et al. (2022). All tokens of a window that
are not known begin hidden. In each step the network says what every hidden one may be, given the
mid and those that are settled; some are drawn and settled, until none is left. Which ones, and how
many, is `decoding_order.py`; guidance, which is off unless a style is asked, is `drawing.py`.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from soundstage.networks.models.stereo_tokens import StereoTokens, StereoTokensConfig
from soundstage.stereo import BANDS, TOKENS
from soundstage.stereo.style_prior import StylePrior
from soundstage.upmixing.generative.decoding_order import Order, mask_schedule, spread_ranks
from soundstage.upmixing.generative.pretrained import load_generative
from soundstage.upmixing.generative.sampling import Guidance, TakeStyle, draw_tokens
from soundstage.upmixing.generative.windowed_decoding import PatchPredictor, Window

FAMILY: Final = "masked"


@dataclass(frozen=True)
class MaskedDecoding:
    """How tokens are drawn."""

    steps: int = 8
    """Passes for a window whose first half is known."""
    first_steps: int = 16
    """Passes for the first window of a signal, of which nothing is known."""
    order: Order = "spread"
    slow_start: float = 1.5
    """See `mask_schedule`."""
    temperature: float = 1.1
    """Of the draw: below 1 prefers likely tokens, above 1 makes up for what decoding evens out."""
    noise: float = 4.5
    """τ, the deviation of the noise on scores by which "confidence" and "certainty" choose."""
    guidance: float = 0.0
    """γ; 0 leaves out the passes without the sound."""
    style_guidance: float = 1.0
    """γ_s, where a style is asked; 0 leaves out the passes without it."""
    style_spread: float = 1.0
    """Of the style that is drawn where none is asked, 1 as in real music; 0 leaves it open."""
    memory: bool = True
    """Whether the network is told of the minute before; to measure what that is worth."""

    def __post_init__(self) -> None:
        if min(self.steps, self.first_steps) < 1:
            raise ValueError("decoding takes a step or more")
        if self.temperature <= 0 or self.slow_start <= 0:
            raise ValueError("a temperature and a slow start are above 0")


class _Heard(NamedTuple):
    """What is the same in every pass over a window."""

    levels: Float[Tensor, "positions levels"]
    memory: Float[Tensor, "stretches numbers"]
    guidance: Guidance
    tiles: Float[Tensor, "ways positions bands rank"] | None
    """What each tile hears."""


class MaskedSampler:
    """Fills windows by iterative decoding.

    Args:
        network: in evaluation mode.
        config: of the network.
        decoding: how.
        style: numbers of `stereo.styles`, NaN where nothing is asked; None for no style.
        prior: what the rest is drawn from.
    """

    def __init__(
        self,
        network: StereoTokens,
        config: StereoTokensConfig,
        decoding: MaskedDecoding | None = None,
        style: Float[Tensor, " style"] | None = None,
        prior: StylePrior | None = None,
    ) -> None:
        self._network, self._config = network, config
        decoding = decoding or MaskedDecoding()
        self.style = TakeStyle(style, prior, decoding.style_spread)
        self._decoding = decoding
        self._style_guidance = decoding.style_guidance if self.style.is_asked else 0.0
        self.patch, self.stride = config.context_frames, config.stride

    def fill(self, window: Window) -> Integer[Tensor, "takes rest bands"]:
        """Tokens of the positions that are not known, take by take."""
        return torch.stack(
            [
                self._fill(window.levels, *take)
                for take in zip(
                    window.known, window.memory, window.styles, window.generators, strict=True
                )
            ]
        )

    def _fill(
        self,
        levels: Float[Tensor, "positions levels"],
        known: Integer[Tensor, "known bands"],
        memory: Float[Tensor, "stretches numbers"],
        style: Float[Tensor, " style"],
        generator: torch.Generator,
    ) -> Integer[Tensor, "rest bands"]:
        chosen = self._decoding
        guidance = Guidance(chosen.guidance, self._style_guidance, style[None])
        rest = len(levels) - len(known)
        made = torch.full((rest, BANDS), TOKENS)
        if not chosen.memory:
            memory = torch.full_like(memory, torch.nan)
        steps = chosen.steps if len(known) else chosen.first_steps
        counts = mask_schedule(steps, made.numel(), slow_start=chosen.slow_start)
        ranks = self._ranks(rest, generator)
        tiles_hear = self._network.encode(levels.expand(guidance.ways, -1, -1), guidance.deaf)
        heard = _Heard(levels, memory, guidance, tiles_hear)
        before = 0
        for count in counts:
            tokens = torch.cat([known, made])
            if ranks is None:
                scores = self._scores(heard, tokens, made == TOKENS)
                tiles, drawn = self._surest(scores, made == TOKENS, count - before, generator)
            else:
                tiles = (ranks >= before) & (ranks < count)
                scores = self._scores(heard, tokens, tiles)
                drawn = draw_tokens(scores / chosen.temperature, generator)
            made[tiles] = drawn
            before = count
        return made

    def _ranks(self, rest: int, generator: torch.Generator) -> Tensor | None:
        """When each tile is settled, where that is known beforehand."""
        if self._decoding.order == "spread":
            return spread_ranks(rest, BANDS, torch.rand(2, generator=generator))
        if self._decoding.order == "random":
            return torch.randperm(rest * BANDS, generator=generator).view(rest, BANDS)
        return None

    def _scores(
        self,
        heard: _Heard,
        tokens: Integer[Tensor, "positions bands"],
        tiles: Bool[Tensor, "rest bands"],
    ) -> Float[Tensor, "tiles classes"]:
        """Of the chosen tiles of the last positions, guided."""
        levels, memory, guidance, tiles_hear = heard
        count = guidance.ways
        scores = self._network(
            levels.expand(count, -1, -1),
            tokens.expand(count, -1, -1),
            guidance.deaf,
            style=guidance.styles if self._config.style_dim else None,
            memory=memory.expand(count, -1, -1) if self._config.memory else None,
            first_frame=len(tokens) - len(tiles),
            select=tiles.expand(count, -1, -1),
            cond=tiles_hear,
        )
        return guidance.together(scores.unflatten(0, (count, -1)))

    def _surest(
        self,
        scores: Float[Tensor, "hidden classes"],
        hidden: Bool[Tensor, "rest bands"],
        count: int,
        generator: torch.Generator,
    ) -> tuple[Bool[Tensor, "rest bands"], Integer[Tensor, " count"]]:
        """The hidden tiles with the highest score, or the least entropy, noise added; tokens."""
        drawn = draw_tokens(scores / self._decoding.temperature, generator)
        likelihood = scores.log_softmax(dim=-1)
        if self._decoding.order == "confidence":
            sure = likelihood.gather(-1, drawn[:, None])[:, 0]
        else:
            sure = (likelihood.exp() * likelihood).sum(dim=-1)
        sure = sure + self._decoding.noise * torch.randn(sure.shape, generator=generator)
        best = sure.topk(count).indices.sort().values
        tiles = torch.zeros_like(hidden)
        tiles[tuple(hidden.nonzero()[best].T)] = True
        return tiles, drawn[best]


def load_masked(
    source: str = FAMILY,
    style: Float[Tensor, " style"] | None = None,
    *,
    decoding: MaskedDecoding | None = None,
) -> PatchPredictor:
    """The predictor of `masked`.

    Raises:
        WeightsError: the weights are missing, damaged, or of another family.
    """
    model, prior = load_generative(source, StereoTokensConfig)
    return PatchPredictor(MaskedSampler(model.network, model.config, decoding, style, prior))
