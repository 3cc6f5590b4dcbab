"""Residual stacks of dilated convolutions with gated units (WaveNet, DiffWave).

A stack has `blocks` times `layers` layers; the dilation doubles from layer to layer and starts
again at 1 in every block, so that few layers have a large receptive field. With a hidden signal h,
a condition c and the embedding s of the diffusion time, a layer is

    z = tanh(W_f ∗ (h + A·s) + V_f·c) ⊙ σ(W_g ∗ (h + A·s) + V_g·c)
    h ← (h + U_r·z)/√2,    result = Σ U_s·z / √(layers of the stack)

(van den Oord et al. 2016, eq. 5; Kong et al. 2021, §3 and figure 2, who halve the variance of h and
add s). WaveNet's convolutions are causal, DiffWave's are centered. The last layer has no residual
output, since nothing would read it.

A *separable* convolution filters every channel by itself and mixes them afterwards (Chollet 2017):
with a kernel of three it costs about a third.
"""

import math
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.pose_upsampling import upsample
from soundstage.weights.config import Config, bounded

Layer = TypeVar("Layer", nn.Conv1d, nn.ConvTranspose1d)


@dataclass(frozen=True, kw_only=True)
class DilatedStackConfig(Config):
    """Size of a stack; the defaults are WarpNet's (Richard et al. 2021)."""

    blocks: int = bounded(1, 16, 3)
    layers: int = bounded(1, 16, 10)
    """Of a block."""
    channels: int = bounded(1, 1024, 64)
    kernel_size: int = bounded(1, 9, 2)
    separable: bool = False

    @property
    def dilations(self) -> list[int]:
        """Of every layer."""
        return self.blocks * [2**layer for layer in range(self.layers)]

    def receptive_field(self, *, causal: bool) -> tuple[int, int]:
        """Samples before and after a sample that its result depends on.

        >>> DilatedStackConfig().receptive_field(causal=True)
        (3069, 0)
        """
        spans = [span(self.kernel_size, dilation, causal=causal) for dilation in self.dilations]
        before, after = zip(*spans, strict=True)
        return sum(before), sum(after)


class DilatedStack(nn.Module):
    """The sum of the skip connections of all layers.

    Args:
        config: size of the stack.
        causal: causal convolutions, or centered ones.
        cond_channels: of c, 0 for none.
        time_dim: of s, 0 for none.
        hop: samples from one vector of c to the next.

    Raises:
        ValueError: the convolutions are centered and the kernel size is even.
    """

    def __init__(
        self,
        config: DilatedStackConfig,
        *,
        causal: bool,
        cond_channels: int = 0,
        time_dim: int = 0,
        hop: int = 1,
    ) -> None:
        super().__init__()
        self.config, self.causal = config, causal
        last = config.blocks * config.layers - 1
        self.layers = nn.ModuleList(
            _GatedLayer(
                config, dilation, causal, cond_channels, time_dim, hop, is_last=index == last
            )
            for index, dilation in enumerate(config.dilations)
        )

    @property
    def receptive_field(self) -> tuple[int, int]:
        """Samples before and after a sample that its result depends on."""
        return self.config.receptive_field(causal=self.causal)

    def forward(
        self,
        hidden: Float[Tensor, "batch channels samples"],
        cond: Float[Tensor, "batch cond_channels poses"] | None = None,
        time: Float[Tensor, "batch time_dim"] | None = None,
    ) -> Float[Tensor, "batch channels samples"]:
        """The sum for every sample; beyond both ends of the signal there is silence.

        Args:
            hidden: h before the first layer.
            cond: c at every `hop`-th sample, linear in between.
            time: s, one for a whole signal.
        """
        total: Tensor | None = None
        for layer in self.layers:
            hidden, skip = layer(hidden, cond, time)
            total = skip if total is None else total + skip
        assert total is not None
        return total / math.sqrt(len(self.layers))


def span(kernel_size: int, dilation: int, *, causal: bool) -> tuple[int, int]:
    """Samples before and after a sample that a convolution reads.

    Raises:
        ValueError: it is centered and the kernel size is even.
    """
    if not causal and kernel_size % 2 == 0:
        raise ValueError(f"a centered convolution needs an odd kernel size, not {kernel_size}")
    whole = (kernel_size - 1) * dilation
    return (whole, 0) if causal else (whole // 2, whole // 2)


def kaiming(layer: Layer) -> Layer:
    """The same layer, with weights after He et al. (2015) and zero bias."""
    nn.init.kaiming_normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def zero(layer: Layer) -> Layer:
    """The same layer, with zero weights and bias."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class _GatedLayer(nn.Module):
    def __init__(
        self,
        config: DilatedStackConfig,
        dilation: int,
        causal: bool,
        cond_channels: int,
        time_dim: int,
        hop: int,
        *,
        is_last: bool,
    ) -> None:
        super().__init__()
        channels, kernel_size = config.channels, config.kernel_size
        self.padding = span(kernel_size, dilation, causal=causal)
        self.hop = hop
        self.conv: nn.Module
        if config.separable:
            depthwise = nn.Conv1d(
                channels, channels, kernel_size, dilation=dilation, groups=channels
            )
            pointwise = nn.Conv1d(channels, 2 * channels, 1)
            self.conv = nn.Sequential(kaiming(depthwise), kaiming(pointwise))
        else:
            self.conv = kaiming(nn.Conv1d(channels, 2 * channels, kernel_size, dilation=dilation))
        self.cond_proj = (
            kaiming(nn.Conv1d(cond_channels, 2 * channels, 1)) if cond_channels else None
        )
        self.time_proj = nn.Linear(time_dim, channels) if time_dim else None
        self.proj = kaiming(nn.Conv1d(channels, channels if is_last else 2 * channels, 1))
        self.is_last = is_last

    def forward(
        self, hidden: Tensor, cond: Tensor | None, time: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        x = hidden
        if self.time_proj is not None:
            x = x + self.time_proj(time)[..., None]
        both = self.conv(F.pad(x, self.padding))
        if self.cond_proj is not None:
            both = both + upsample(self.cond_proj(cond), self.hop, hidden.shape[-1])
        signal, gate = both.chunk(2, dim=1)
        output = self.proj(torch.tanh(signal) * torch.sigmoid(gate))
        if self.is_last:
            return hidden, output
        residual, skip = output.chunk(2, dim=1)
        return (hidden + residual) / math.sqrt(2), skip
