"""Residual stacks of dilated convolutions with gated units (WaveNet, DiffWave).

A stack is `blocks` times `layers` layers; the dilation of a convolution doubles from layer to layer
and begins at 1 again with every block, so that few layers reach far. With a hidden signal h, a
condition c and the embedding s of a step of diffusion, a layer is

    z = tanh(W_f ∗ (h + A·s) + V_f·c) ⊙ σ(W_g ∗ (h + A·s) + V_g·c)
    h ← (h + U_r·z)/√2,    result = Σ U_s·z / √(layers of the stack)

(van den Oord et al. 2016, eq. 5; Kong et al. 2021, §3 and figure 2, who halve the variance of h and
add s). WaveNet's convolutions are causal; those of DiffWave look both ways. The last layer makes
no h, which nothing would read.

A *separable* convolution W∗ filters every channel by itself and mixes them afterwards (Chollet
2017): with a kernel of three it costs about a third.
"""

import math
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.pose_upsampling import upsampled

Layer = TypeVar("Layer", nn.Conv1d, nn.ConvTranspose1d)


@dataclass(frozen=True)
class DilatedStackConfig:
    """How large a stack is; the defaults are WarpNet's (Richard et al. 2021).

    Raises:
        ValueError: a number is below 1.
    """

    blocks: int = 3
    layers: int = 10
    """Of a block."""
    channels: int = 64
    kernel: int = 2
    separable: bool = False

    def __post_init__(self) -> None:
        if min(self.blocks, self.layers, self.channels, self.kernel) < 1:
            raise ValueError("a size is made of numbers from 1 up")

    @property
    def dilations(self) -> list[int]:
        """Of every layer."""
        return self.blocks * [2**layer for layer in range(self.layers)]

    def reach(self, *, causal: bool) -> tuple[int, int]:
        """Samples before and after one that the result there depends on.

        >>> DilatedStackConfig().reach(causal=True), DilatedStackConfig(kernel=3).reach(causal=False)
        ((3069, 0), (3069, 3069))
        """
        spans = [span(self.kernel, dilation, causal=causal) for dilation in self.dilations]
        before, after = zip(*spans, strict=True)
        return sum(before), sum(after)


class DilatedStack(nn.Module):
    """The sum of the skip paths of all layers.

    Args:
        size: of the stack.
        causal: whether a sample hears only those before it.
        condition: channels of c, 0 for none.
        step: length of s, 0 for none.
        hop: samples from one vector of c to the next.

    Raises:
        ValueError: the stack looks both ways with a kernel that has no middle.
    """

    def __init__(
        self,
        size: DilatedStackConfig,
        *,
        causal: bool,
        condition: int = 0,
        step: int = 0,
        hop: int = 1,
    ) -> None:
        super().__init__()
        self.size, self.causal = size, causal
        self.condition, self.hop = condition, hop
        last = size.blocks * size.layers - 1
        self.layers = nn.ModuleList(
            _GatedLayer(size, dilation, causal, condition, step, hop, is_last=index == last)
            for index, dilation in enumerate(size.dilations)
        )

    @property
    def reach(self) -> tuple[int, int]:
        """Samples before and after one that the result there depends on.

        Windows that overlap by both together give the same result as the whole signal.
        """
        return self.size.reach(causal=self.causal)

    @property
    def operations(self) -> float:
        """Multiply-adds for a sample."""
        of_condition = len(self.layers) * self.condition * 2 * self.size.channels
        return weights_of_convolutions(self) - of_condition * (1 - 1 / self.hop)

    def forward(
        self,
        hidden: Float[Tensor, "batch channels samples"],
        condition: Float[Tensor, "batch condition rows"] | None = None,
        step: Float[Tensor, "batch step"] | None = None,
    ) -> Float[Tensor, "batch channels samples"]:
        """Of every sample; beyond both ends of the signal there is silence.

        Args:
            hidden: h before the first layer.
            condition: c at every `hop`-th sample, linear in between (`pose_rows`).
            step: s, one for a whole signal.
        """
        total: Tensor | None = None
        for layer in self.layers:
            hidden, skip = layer(hidden, condition, step)
            total = skip if total is None else total + skip
        assert total is not None
        return total / math.sqrt(len(self.layers))


def span(kernel: int, dilation: int, *, causal: bool) -> tuple[int, int]:
    """Samples before and after one that a convolution reads.

    Raises:
        ValueError: it looks both ways with a kernel that has no middle.
    """
    if not causal and kernel % 2 == 0:
        raise ValueError(f"a kernel of {kernel} that looks both ways has no middle")
    whole = (kernel - 1) * dilation
    return (whole, 0) if causal else (whole // 2, whole // 2)


def kaiming(layer: Layer) -> Layer:
    """The same layer, with weights after He et al. (2015) and no offsets."""
    nn.init.kaiming_normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def zero(layer: Layer) -> Layer:
    """The same layer, which makes nothing at first."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def weights_of_convolutions(module: nn.Module) -> int:
    """Multiply-adds for a sample of all plain convolutions inside, where none has a stride."""
    return sum(each.weight.numel() for each in module.modules() if isinstance(each, nn.Conv1d))


class _GatedLayer(nn.Module):
    def __init__(
        self,
        size: DilatedStackConfig,
        dilation: int,
        causal: bool,
        condition: int,
        step: int,
        hop: int,
        *,
        is_last: bool,
    ) -> None:
        super().__init__()
        channels = size.channels
        self.padding = span(size.kernel, dilation, causal=causal)
        self.hop = hop
        self.dilated: nn.Module
        if size.separable:
            alone = nn.Conv1d(channels, channels, size.kernel, dilation=dilation, groups=channels)
            self.dilated = nn.Sequential(
                kaiming(alone), kaiming(nn.Conv1d(channels, 2 * channels, 1))
            )
        else:
            self.dilated = kaiming(
                nn.Conv1d(channels, 2 * channels, size.kernel, dilation=dilation)
            )
        self.condition = kaiming(nn.Conv1d(condition, 2 * channels, 1)) if condition else None
        self.step = nn.Linear(step, channels) if step else None
        self.out = kaiming(nn.Conv1d(channels, channels if is_last else 2 * channels, 1))
        self.is_last = is_last

    def forward(
        self, hidden: Tensor, condition: Tensor | None, step: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        told = hidden
        if self.step is not None:
            told = told + self.step(step)[..., None]
        both = self.dilated(F.pad(told, self.padding))
        if self.condition is not None:
            both = both + upsampled(self.condition(condition), self.hop, hidden.shape[-1])
        heard, gate = both.chunk(2, dim=1)
        made = self.out(torch.tanh(heard) * torch.sigmoid(gate))
        if self.is_last:
            return hidden, made
        residual, skip = made.chunk(2, dim=1)
        return (hidden + residual) / math.sqrt(2), skip
