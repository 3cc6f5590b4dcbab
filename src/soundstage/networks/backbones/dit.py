"""A diffusion transformer over spectrograms (DiT; Peebles & Xie 2023).

A noisy picture of real numbers (channels, time, frequency) is cut into patches, each a vector h of
a grid. Blocks of attention (`grid_attention.py`) and perceptron, steered by a vector c
(`adaptive_norm.py`), lead to the patches of the result:

    h = E(noisy) + positions,    h ← block(h, c) in turn,    result = W·adaLN(h, c)

What steers is the time t of the diffusion and, which is ours, a *style*: a few numbers for the
whole example, of which any may be left open. A *condition* is a second picture of the same extent,
whose patches are embedded too. It acts in one of two ways:

    adaln        c = t + style + E'(condition), of every patch, as in DiffStereo (Zhang et al. 2025)
    concatenate  h = E(noisy) + E'(condition) + positions: a linear layer over the channels of both

In the first the layer that makes the modulation meets every patch, and a block costs half as much
again. Where an example is to go without condition and style, E'(condition) is one learned vector
(classifier-free guidance).

Positions are the paper's sines and cosines, or rotary ones, which know only how far two patches
are apart, so that a later sound gives the same result later. What a frequency *is* matters, so
sinusoidal_embedding of it, not of time, are added there too.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.adaptive_norm import AdaptiveBlock, AdaptiveOutput
from soundstage.networks.backbones.grid_attention import Plan, Rotation, reach, spans_of
from soundstage.networks.backbones.patching import cut_into_patches, put_together
from soundstage.networks.backbones.transformer import mlp, sinusoidal_embedding

Conditioning = Literal["adaln", "concatenate"]
Positions = Literal["sine-cosine", "rotary"]

TIME_WAVES = 256  # numbers that describe the time of the diffusion (Peebles & Xie 2023)


@dataclass(frozen=True)
class DiTSize:
    """How large a `DiT` is; the defaults are those of DiT-S.

    Raises:
        ValueError: the heads do not share the width evenly, or not in pairs for both axes.
    """

    blocks: int = 12
    width: int = 384
    heads: int = 6
    expansion: int = 4
    """Of the perceptron inside a block."""

    def __post_init__(self) -> None:
        if min(self.blocks, self.width, self.heads, self.expansion) < 1:
            raise ValueError("a size is made of numbers from 1 up")
        if self.width % (4 * self.heads):
            raise ValueError(f"{self.heads} heads cannot share a width of {self.width} by fours")


class DiT(nn.Module):
    """A picture for a noisy picture.

    Args:
        channels: of the noisy picture.
        size: of the network.
        patch: its extent in time and frequency.
        outputs: channels of the result; None for as many as go in. DiffStereo makes twice as many,
            the noise and what its variance depends on.
        condition_channels: of the condition, 0 for none.
        condition: how it acts.
        style: numbers of a style, 0 for none.
        positions: of patches.
        attention: what a patch hears.
        window: of attention, an even number of patches in time.

    Raises:
        ValueError: a number is too small, a word is unknown, or the window does not fit.
    """

    def __init__(
        self,
        channels: int,
        size: DiTSize,
        *,
        patch: tuple[int, int],
        outputs: int | None = None,
        condition_channels: int = 0,
        condition: Conditioning = "adaln",
        style: int = 0,
        positions: Positions = "sine-cosine",
        attention: Plan = "full",
        window: int | None = None,
    ) -> None:
        super().__init__()
        outputs = channels if outputs is None else outputs
        if min(channels, outputs, *patch) < 1 or min(condition_channels, style) < 0:
            raise ValueError("channels and patches are counted from 1 up")
        if condition not in get_args(Conditioning):
            raise ValueError(f"a condition acts by {' or '.join(get_args(Conditioning))}")
        if positions not in get_args(Positions):
            raise ValueError(f"positions are {' or '.join(get_args(Positions))}")
        self.size, self.patch = size, patch
        self.conditioning, self.positions = condition, positions
        self.numbers = style
        self.spans = spans_of(attention, size.blocks, window)
        width, area = size.width, patch[0] * patch[1]
        self.noisy = nn.Linear(area * channels, width)
        self.condition = nn.Linear(area * condition_channels, width) if condition_channels else None
        if condition_channels:
            self.no_condition = nn.Parameter(0.02 * torch.randn(width))
        self.time = nn.Sequential(nn.Linear(TIME_WAVES, width), nn.SiLU(), nn.Linear(width, width))
        self.style = mlp(2 * style, width) if style else None
        self.blocks = nn.ModuleList(
            AdaptiveBlock(width, size.heads, size.expansion, span) for span in self.spans
        )
        self.last = AdaptiveOutput(width, area * outputs)
        self._initialize()

    def forward(
        self,
        noisy: Float[Tensor, "batch channels time frequency"],
        time: Float[Tensor, " batch"],
        condition: Float[Tensor, "batch condition_channels time frequency"] | None = None,
        deaf: Bool[Tensor, " batch"] | None = None,
        *,
        style: Float[Tensor, "batch style"] | None = None,
    ) -> Float[Tensor, "batch outputs time frequency"]:
        """The result of every example, of the type of `noisy`.

        Args:
            noisy: of any extent.
            time: of the diffusion, in the paper from 0 to 1000. The fastest of the sinusoidal_embedding that
                describe it turns by a radian a unit, so that 0 to 1 would tell little apart.
            condition: of the same extent, for networks that have one.
            deaf: examples that go without the condition and the style.
            style: of every example; NaN leaves a number open, None all of them.

        Raises:
            ValueError: the network has no condition, wants one, or one of another extent.
        """
        if (condition is None) != (self.condition is None):
            raise ValueError("a condition goes with a network that has one, and only there")
        if condition is not None and condition.shape[2:] != noisy.shape[2:]:
            raise ValueError("a condition has the extent of the noisy picture")
        hidden = self.noisy(cut_into_patches(noisy, self.patch))
        rows, columns = hidden.shape[1:3]
        hidden = hidden + self._places(rows, columns).to(self.noisy.weight)
        steering = self._steering(time, style, deaf)
        if condition is not None and self.conditioning == "adaln":
            steering = steering + self._heard(condition, deaf)
        elif condition is not None:
            hidden = hidden + self._heard(condition, deaf)
        rotation = None
        if self.positions == "rotary":
            each = self.size.width // self.size.heads
            rotation = Rotation(rows, columns, each, hidden.device)
        steering = F.silu(steering)
        for block in self.blocks:
            hidden = block(hidden, steering, rotation)
        patches = self.last(hidden, steering).to(noisy.dtype)
        return put_together(patches, self.patch, (noisy.shape[2], noisy.shape[3]))

    def reach(self) -> int | None:
        """Frames before and after one that its result depends on, at most; None for all."""
        rows = reach(self.spans)
        return None if rows is None else (rows + 1) * self.patch[0] - 1

    def period(self) -> int | None:
        """Frames by any multiple of which a sound may come later for the same result, later.

        That holds further than `reach` from both ends of a picture. None where nothing is, and
        where positions are absolute.
        """
        if self.positions != "rotary" or self.reach() is None:
            return None
        return self.patch[0] * max(span.window or 1 for span in self.spans)

    def _initialize(self) -> None:
        for module in self.modules():
            if type(module) is nn.Linear:  # those that are zero at first stay so
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for layer in self.time:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.02)

    def _places(self, rows: int, columns: int) -> Float[Tensor, "_ columns width"]:
        width, device = self.size.width, self.noisy.weight.device
        if self.positions == "rotary":
            return sinusoidal_embedding(torch.arange(columns, device=device), width)[None]
        time = sinusoidal_embedding(torch.arange(rows, device=device), width // 2)[:, None]
        frequency = sinusoidal_embedding(torch.arange(columns, device=device), width // 2)[None]
        each = (rows, columns, width // 2)
        return torch.cat([frequency.expand(each), time.expand(each)], dim=-1)

    def _steering(
        self, time: Tensor, style: Tensor | None, deaf: Tensor | None
    ) -> Float[Tensor, "batch 1 1 width"]:
        steering = self.time(sinusoidal_embedding(time.float(), TIME_WAVES).to(self.noisy.weight))
        if self.style is not None:
            if style is None:
                style = steering.new_full((len(time), self.numbers), math.nan)
            if deaf is not None:
                style = style.masked_fill(deaf[:, None], math.nan)
            told = ~style.isnan()
            steering = steering + self.style(torch.cat([style.nan_to_num(), told], dim=1))
        return steering[:, None, None]

    def _heard(
        self, condition: Tensor, deaf: Tensor | None
    ) -> Float[Tensor, "batch rows columns width"]:
        assert self.condition is not None
        heard = self.condition(cut_into_patches(condition, self.patch))
        if deaf is None:
            return heard
        return torch.where(deaf[:, None, None, None], self.no_condition.to(heard.dtype), heard)
