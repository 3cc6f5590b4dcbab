"""SEANet: a strided convolutional encoder and decoder of sound, with skips between them.

As in EnCodec (Défossez et al. 2022, §3.1; after Tagliasacchi et al. 2020): at every scale a
residual unit, then a convolution of twice its stride that widens the channels; the decoder mirrors
it. Zang et al. (2024) add the encoder's activations to those of the decoder, as a U-Net does:

    e_0 = f,   e_{i+1} = down_i(unit_i(e_i)),      d_i = unit_i(gate_i(up_i(d_{i+1}) + e_i))

and weight the channels of d_i by their means over the signal. Here the gate of a frame depends on
that frame alone, so that the result has a receptive field, and a signal of any length is processed
in windows. Weight normalization is left out.

A vector that describes the whole signal changes d_i at every scale by a gain and an offset of each
channel (FiLM, Perez et al. 2018); without it the units are as published.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

GATE_REDUCTION = 16  # of channels inside a gate, as published
MIN_GATE_DIM = 8


class SeanetEncoder(nn.Module):
    """From features to the lowest rate.

    Args:
        channels: of every scale; one more than `ratios`.
        ratios: stride between two scales.
    """

    def __init__(self, channels: Sequence[int], ratios: Sequence[int]) -> None:
        super().__init__()
        self.units = nn.ModuleList(ResidualUnit(each) for each in channels[:-1])
        self.down = nn.ModuleList(
            _Down(*pair, ratio) for pair, ratio in zip(pairwise(channels), ratios, strict=True)
        )

    def forward(self, x: Float[Tensor, "batch channels frames"]) -> list[Tensor]:
        """Activations of all scales; frames are a multiple of the product of the ratios."""
        activations = []
        for unit, down in zip(self.units, self.down, strict=True):
            activations.append(x := unit(x))
            x = down(F.elu(x))
        return [*activations, x]


class SeanetDecoder(nn.Module):
    """Back to the rate of the features.

    Args:
        channels: of every scale, as those of the encoder.
        ratios: as those of the encoder.
        cond_dim: length of a vector that describes the whole signal; 0 for none.
    """

    def __init__(self, channels: Sequence[int], ratios: Sequence[int], cond_dim: int = 0) -> None:
        super().__init__()
        self.up = nn.ModuleList(
            _Up(deep, fine, ratio)
            for (fine, deep), ratio in zip(pairwise(channels), ratios, strict=True)
        )
        self.gates = nn.ModuleList(_Gate(each) for each in channels[:-1])
        self.units = nn.ModuleList(ResidualUnit(each, cond_dim) for each in channels[:-1])

    def forward(
        self,
        x: Float[Tensor, "batch channels lowest"],
        skips: Sequence[Tensor],
        cond: Float[Tensor, "batch dim"] | None = None,
    ) -> Float[Tensor, "batch channels frames"]:
        """Activations of the first scale.

        Args:
            x: at the lowest rate.
            skips: activations of the encoder at all other scales.
            cond: describes the whole signal.
        """
        scales = zip(self.up, self.gates, self.units, skips, strict=True)
        for up, gate, unit, skip in reversed(list(scales)):
            x = unit(gate(up(F.elu(x)) + skip), cond)
        return x


class ResidualUnit(nn.Module):
    """Two convolutions through half of the channels, beside the identity."""

    def __init__(self, channels: int, cond_dim: int = 0, *, dilation: int = 1) -> None:
        super().__init__()
        hidden = channels // 2
        self.first = nn.Conv1d(channels, hidden, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv1d(hidden, channels, 1)
        self.modulation = nn.Linear(cond_dim, 2 * channels) if cond_dim else None

    def forward(
        self, x: Float[Tensor, "batch channels frames"], cond: Tensor | None = None
    ) -> Float[Tensor, "batch channels frames"]:
        """Frames beside the identity; `cond` (batch, dim) describes the whole signal."""
        if self.modulation is not None and cond is not None:
            gain, offset = self.modulation(cond)[..., None].chunk(2, dim=1)
            x = x * (1 + gain) + offset
        return x + self.second(F.elu(self.first(F.elu(x))))


class _Gate(nn.Module):
    """Gains of the channels of each frame, 0 to 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // GATE_REDUCTION, min(MIN_GATE_DIM, channels))
        self.reduce, self.expand = nn.Conv1d(channels, hidden, 1), nn.Conv1d(hidden, channels, 1)

    def forward(self, x: Float[Tensor, "batch channels frames"]) -> Tensor:
        gated: Tensor = x * torch.sigmoid(self.expand(F.relu(self.reduce(x))))
        return gated


class _Down(nn.Conv1d):
    """Frames t·ratio to t·ratio + ratio − 1 become frame t, with half as many on either side."""

    def __init__(self, channels: int, wider: int, ratio: int) -> None:
        super().__init__(channels, wider, 2 * ratio, ratio)
        self.margins = ratio // 2, ratio - ratio // 2

    def forward(self, x: Float[Tensor, "batch channels frames"]) -> Tensor:
        return super().forward(F.pad(x, self.margins))


class _Up(nn.ConvTranspose1d):
    """The reverse of `_Down`."""

    def __init__(self, channels: int, narrower: int, ratio: int) -> None:
        padding = (ratio + 1) // 2
        super().__init__(
            channels, narrower, 2 * ratio, ratio, padding=padding, output_padding=ratio % 2
        )
