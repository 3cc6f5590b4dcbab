"""Mono and poses into what two ears hear, by one pass of a network: WaveNet and WarpNet.

`BinauralWaveNet` is the plain baseline: a causal WaveNet (`dilated`) over the mono signal whose
layers are told the pose (van den Oord et al. 2016, §2.5). It has to learn what a delay is.

`WarpNet` (Richard et al. 2021) knows delays: it warps the mono signal to each ear (`neural_warp`)
and then filters both together in a stack of causal hyper-convolutions (`hyper_convolution`), which
the pose makes. A layer, in place of WaveNet's gated one, is

    z = sin(y),  y = hyper-convolution of h;    h ← (h + U_r·z)/√2,    result = Σ U_s·z / √layers

Both begin silent: their last convolution is zero.
"""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.dilated import (
    DilatedStack,
    DilatedStackConfig,
    kaiming,
    weights_of_convolutions,
    zero,
)
from soundstage.networks.backbones.hyper_convolution import RANK, HyperConvolution
from soundstage.networks.backbones.neural_warp import NeuralWarp
from soundstage.networks.backbones.pose_upsampling import POSE_HOP, VIEW

EARS = 2


@dataclass(frozen=True)
class WarpNetConfig:
    """How large a `WarpNet` is; the defaults are the paper's.

    Raises:
        ValueError: the stack is separable, which hyper-convolutions are not.
    """

    warp_layers: int = 4
    warp_channels: int = 64
    stack: DilatedStackConfig = field(default_factory=DilatedStackConfig)
    rank: int = RANK
    """Kernels that poses mix in a hyper-convolution."""

    def __post_init__(self) -> None:
        if self.stack.separable:
            raise ValueError("hyper-convolutions are not separable")


class BinauralWaveNet(nn.Module):
    """Left and right of a mono signal.

    Args:
        size: of the stack.
        numbers: of a pose.
        hop: samples from pose to pose.
    """

    def __init__(
        self, size: DilatedStackConfig | None = None, *, numbers: int = VIEW, hop: int = POSE_HOP
    ) -> None:
        super().__init__()
        size = size or DilatedStackConfig()
        channels = size.channels
        self.hop = hop
        self.first = kaiming(nn.Conv1d(1, channels, 1))
        self.pose = nn.Sequential(
            kaiming(nn.Conv1d(numbers, channels, 1)),
            nn.ReLU(),
            kaiming(nn.Conv1d(channels, channels, 1)),
            nn.ReLU(),
        )
        self.stack = DilatedStack(size, causal=True, condition=channels, hop=hop)
        self.mixing = kaiming(nn.Conv1d(channels, channels, 1))
        self.last = zero(nn.Conv1d(channels, EARS, 1))

    @property
    def reach(self) -> tuple[int, int]:
        """Samples before and after one that the result there depends on.

        Windows begin at multiples of `hop`, and have the pose after their last sample too.
        """
        return self.stack.reach

    def operations_per_second(self, rate: int) -> float:
        """Multiply-adds for a second of sound at `rate` samples a second."""
        around = sum(weights_of_convolutions(each) for each in (self.first, self.mixing, self.last))
        at_poses = weights_of_convolutions(self.pose)
        return rate * (around + self.stack.operations + at_poses / self.hop)

    def forward(
        self, mono: Float[Tensor, "batch samples"], view: Float[Tensor, "batch numbers rows"]
    ) -> Float[Tensor, "batch 2 samples"]:
        """Left and right.

        Args:
            mono: as it is sent.
            view: pose at every `hop`-th sample, linear in between; the last is held.
        """
        skips = self.stack(self.first(mono[:, None]), self.pose(view))
        return self.last(F.relu(self.mixing(F.relu(skips))))


class WarpNet(nn.Module):
    """Left and right of a mono signal.

    Args:
        size: of the network.
        numbers: of a pose.
        hop: samples from pose to pose.
    """

    def __init__(
        self, size: WarpNetConfig | None = None, *, numbers: int = VIEW, hop: int = POSE_HOP
    ) -> None:
        super().__init__()
        self.size = size or WarpNetConfig()
        stack = self.size.stack
        self.hop = hop
        self.warp = NeuralWarp(
            self.size.warp_layers, self.size.warp_channels, numbers=numbers, hop=hop
        )
        self.first = kaiming(nn.Conv1d(EARS, stack.channels, 1))
        last = stack.blocks * stack.layers - 1
        self.layers = nn.ModuleList(
            _HyperLayer(stack, dilation, numbers, hop, self.size.rank, is_last=index == last)
            for index, dilation in enumerate(stack.dilations)
        )
        self.last = zero(nn.Conv1d(stack.channels, EARS, 1))

    def reach(self, longest: int) -> tuple[int, int]:
        """Samples before and after one that the result there depends on.

        Windows begin at multiples of `hop`, and have the pose after their last sample too.

        Args:
            longest: delay from the source to an ear, learned part included, in samples.
        """
        before, after = self.size.stack.reach(causal=True)
        return before + longest + 1 + self.hop * (self.warp.rows[0] + 1), after

    def operations_per_second(self, rate: int) -> float:
        """Multiply-adds for a second of sound at `rate` samples a second."""
        at_poses = weights_of_convolutions(self.warp)
        plain = weights_of_convolutions(self) - at_poses
        hyper = sum(
            each.operations for each in self.modules() if isinstance(each, HyperConvolution)
        )
        return rate * (plain + hyper + at_poses / self.hop)

    def forward(
        self,
        mono: Float[Tensor, "batch samples"],
        view: Float[Tensor, "batch numbers rows"],
        delays: Float[Tensor, "batch 2 samples"],
    ) -> Float[Tensor, "batch 2 samples"]:
        """Left and right.

        Args:
            mono: as it is sent.
            view: pose at every `hop`-th sample, linear in between; the last is held.
            delays: from the source to each ear, in samples.
        """
        hidden = self.first(self.warp(mono, view, delays))
        total = torch.zeros_like(hidden)
        for layer in self.layers:
            hidden, skip = layer(hidden, view)
            total = total + skip
        return self.last(total / math.sqrt(len(self.layers)))


class _HyperLayer(nn.Module):
    def __init__(
        self,
        size: DilatedStackConfig,
        dilation: int,
        numbers: int,
        hop: int,
        rank: int,
        *,
        is_last: bool,
    ) -> None:
        super().__init__()
        channels = size.channels
        self.hyper = HyperConvolution(
            channels, channels, size.kernel, numbers=numbers, hop=hop, rank=rank, dilation=dilation
        )
        self.out = kaiming(nn.Conv1d(channels, channels if is_last else 2 * channels, 1))
        self.is_last = is_last

    def forward(self, hidden: Tensor, view: Tensor) -> tuple[Tensor, Tensor]:
        made = self.out(torch.sin(self.hyper(hidden, view)))
        if self.is_last:
            return hidden, made
        residual, skip = made.chunk(2, dim=1)
        return (hidden + residual) / math.sqrt(2), skip
