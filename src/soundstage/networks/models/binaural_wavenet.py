"""From mono and poses to two ears in one pass of a network: WaveNet and WarpNet.

`BinauralWaveNet` is the plain baseline: a causal WaveNet (`dilated.py`) over the mono signal,
conditioned on the pose (van den Oord et al. 2016, §2.5). It has to learn the delays too.

`WarpNet` (Richard et al. 2021) warps the mono signal to each ear (`neural_warp.py`) and filters
both together in a stack of causal hyper-convolutions (`hyper_convolution.py`), conditioned on the
pose. In place of WaveNet's gated layer it has

    z = sin(y),  y = hyper-convolution of h;    h ← (h + U_r·z)/√2,    result = Σ U_s·z / √layers

The last convolution of both is zero before training.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.dilated import DilatedStack, DilatedStackConfig, kaiming, zero
from soundstage.networks.backbones.hyper_convolution import RANK, HyperConvolution
from soundstage.networks.backbones.neural_warp import NeuralWarp
from soundstage.networks.backbones.pose_upsampling import POSE_HOP
from soundstage.weights.config import Config, ModelConfig, bounded

EARS = 2


@dataclass(frozen=True, kw_only=True)
class Calibration(Config):
    """Level and distances of the recordings that a network was trained on."""

    scale: float = bounded(1e-6, 1e6)
    """Factor on the input of the network, divided out of its output."""
    loudness: float = bounded(1e-6, 1e6)
    """Amplitude of the recordings at 1 m, over that of the mono signal."""
    nearest: float = bounded(1e-6, 1e6)
    """Distance in meters of the nearest pose."""
    farthest: float = bounded(1e-6, 1e6)
    """The same of the farthest."""

    @property
    def distances(self) -> tuple[float, float]:
        """Nearest and farthest."""
        return self.nearest, self.farthest

    def clip_distances(
        self, positions: Float[np.ndarray, "*points 3"]
    ) -> Float[np.ndarray, "*points"]:
        """Distances of positions in meters, clipped to those of the training."""
        return np.linalg.norm(positions, axis=-1).clip(*self.distances)


@dataclass(frozen=True, kw_only=True)
class BinauralConfig(ModelConfig):
    """The common part of the configs of binaural networks."""

    pose_encoding: Literal["published", "directions"]
    """See `binaural/render/pose_encoding.py`."""
    pose_dim: int = bounded(1, 64)
    """Features of a pose."""
    pose_hop: int = bounded(1, 4096, POSE_HOP)
    """Samples from pose to pose."""
    stack: DilatedStackConfig
    calibration: Calibration


@dataclass(frozen=True, kw_only=True)
class BinauralWaveNetConfig(BinauralConfig):
    """Config of a `BinauralWaveNet`."""

    family: ClassVar[str] = "wavenet"

    def build(self) -> "BinauralWaveNet":
        """The network, with random weights."""
        return BinauralWaveNet(self)


@dataclass(frozen=True, kw_only=True)
class WarpNetConfig(BinauralConfig):
    """Config of a `WarpNet`; the defaults are the paper's.

    Raises:
        ValueError: the stack is separable, which hyper-convolutions are not.
    """

    family: ClassVar[str] = "warpnet"

    rank: int = bounded(1, 1024, RANK)
    """Kernels with coefficients in a hyper-convolution."""
    warp_layers: int = bounded(1, 16, 4)
    warp_channels: int = bounded(1, 1024, 64)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stack.separable:
            raise ValueError("hyper-convolutions are not separable")

    def build(self) -> "WarpNet":
        """The network, with random weights."""
        return WarpNet(self)


class BinauralWaveNet(nn.Module):
    """Left and right from a mono signal."""

    def __init__(self, config: BinauralWaveNetConfig) -> None:
        super().__init__()
        channels = config.stack.channels
        self.conv_in = kaiming(nn.Conv1d(1, channels, 1))
        self.pose_encoder = nn.Sequential(
            kaiming(nn.Conv1d(config.pose_dim, channels, 1)),
            nn.ReLU(),
            kaiming(nn.Conv1d(channels, channels, 1)),
            nn.ReLU(),
        )
        self.stack = DilatedStack(
            config.stack, causal=True, cond_channels=channels, hop=config.pose_hop
        )
        self.skip_conv = kaiming(nn.Conv1d(channels, channels, 1))
        self.conv_out = zero(nn.Conv1d(channels, EARS, 1))

    @property
    def receptive_field(self) -> tuple[int, int]:
        """Samples before and after a sample that its result depends on.

        Windows start at multiples of the pose hop, and have the pose after their last sample too.
        """
        return self.stack.receptive_field

    def forward(
        self, mono: Float[Tensor, "batch samples"], pose: Float[Tensor, "batch pose_dim poses"]
    ) -> Float[Tensor, "batch 2 samples"]:
        """Left and right.

        Args:
            mono: the signal of the source.
            pose: at every `pose_hop`-th sample, linear in between; the last is held.
        """
        skips = self.stack(self.conv_in(mono[:, None]), self.pose_encoder(pose))
        return self.conv_out(F.relu(self.skip_conv(F.relu(skips))))


class WarpNet(nn.Module):
    """Left and right from a mono signal."""

    def __init__(self, config: WarpNetConfig) -> None:
        super().__init__()
        self.config, stack = config, config.stack
        self.warp = NeuralWarp(
            config.warp_layers,
            config.warp_channels,
            pose_dim=config.pose_dim,
            hop=config.pose_hop,
        )
        self.conv_in = kaiming(nn.Conv1d(EARS, stack.channels, 1))
        last = stack.blocks * stack.layers - 1
        self.layers = nn.ModuleList(
            _HyperLayer(config, dilation, is_last=index == last)
            for index, dilation in enumerate(stack.dilations)
        )
        self.conv_out = zero(nn.Conv1d(stack.channels, EARS, 1))

    def receptive_field(self, max_delay: int) -> tuple[int, int]:
        """Samples before and after a sample that its result depends on.

        Windows start at multiples of the pose hop, and have the pose after their last sample too.

        Args:
            max_delay: longest delay from the source to an ear in samples, learned part included.
        """
        before, after = self.config.stack.receptive_field(causal=True)
        poses = self.warp.receptive_field[0] + 1
        return before + max_delay + 1 + self.config.pose_hop * poses, after

    def forward(
        self,
        mono: Float[Tensor, "batch samples"],
        pose: Float[Tensor, "batch pose_dim poses"],
        delays: Float[Tensor, "batch 2 samples"],
    ) -> Float[Tensor, "batch 2 samples"]:
        """Left and right.

        Args:
            mono: the signal of the source.
            pose: at every `pose_hop`-th sample, linear in between; the last is held.
            delays: from the source to each ear, in samples.
        """
        hidden = self.conv_in(self.warp(mono, pose, delays))
        total = torch.zeros_like(hidden)
        for layer in self.layers:
            hidden, skip = layer(hidden, pose)
            total = total + skip
        return self.conv_out(total / math.sqrt(len(self.layers)))


class _HyperLayer(nn.Module):
    def __init__(self, config: WarpNetConfig, dilation: int, *, is_last: bool) -> None:
        super().__init__()
        channels = config.stack.channels
        self.hyper = HyperConvolution(
            channels,
            channels,
            config.stack.kernel_size,
            pose_dim=config.pose_dim,
            hop=config.pose_hop,
            rank=config.rank,
            dilation=dilation,
        )
        self.proj = kaiming(nn.Conv1d(channels, channels if is_last else 2 * channels, 1))
        self.is_last = is_last

    def forward(self, hidden: Tensor, pose: Tensor) -> tuple[Tensor, Tensor]:
        output = self.proj(torch.sin(self.hyper(hidden, pose)))
        if self.is_last:
            return hidden, output
        residual, skip = output.chunk(2, dim=1)
        return (hidden + residual) / math.sqrt(2), skip
