"""The network of `stems`: what every tile of a spectrogram belongs to.

A U-Net over log levels of a mono mix in narrow bands (Ronneberger et al. 2015; for singing voice,
Jansson et al. 2017). It has two outputs a tile:

    classes      logits of the kinds of sources, such as lead voice, drums and bass
    embedding    a unit vector; tiles of one source point the same way wherever in the song they are
                 (deep clustering, Hershey et al. 2016)

Kinds have a name in every song; instruments without a kind of their own are told apart by the
embedding alone. Convolutions do not depend on the frequency of a band, so a second input channel
holds it. In the middle, layers over the whole spectrum and dilated convolutions over time give a
context of some seconds.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.weights.config import ModelConfig, bounded


@dataclass(frozen=True, kw_only=True)
class StemUNetConfig(ModelConfig):
    """Config of a `StemUNet`.

    Raises:
        ValueError: there are fewer than two scales, or the bands cannot be halved that often.
    """

    family: ClassVar[str] = "stems"

    n_bands: int = bounded(16, 1024)
    kinds: tuple[str, ...]
    """Names of the classes."""
    channels: tuple[int, ...] = bounded(4, 512, (24, 48, 96, 128, 160))
    """Of every scale; each halves both axes."""
    embedding_dim: int = bounded(2, 128, 16)
    context_dim: int = bounded(8, 1024, 256)
    """Of a frame in the middle."""
    dilations: tuple[int, ...] = bounded(1, 64, (1, 2, 4))
    """Of the convolutions over time in the middle."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= len(self.channels) <= 8 or not 2 <= len(self.kinds) <= 64:
            raise ValueError("there are 2 to 8 scales and 2 to 64 kinds")
        if self.n_bands % self.stride:
            raise ValueError(f"n_bands is a multiple of {self.stride}, not {self.n_bands}")

    @property
    def stride(self) -> int:
        """Frames and bands that become one in the middle."""
        return int(2 ** (len(self.channels) - 1))

    def build(self) -> "StemUNet":
        """The network, with random weights."""
        return StemUNet(self)


class StemUNet(nn.Module):
    """Logits of kinds and an embedding for every tile."""

    def __init__(self, config: StemUNetConfig) -> None:
        super().__init__()
        channels = config.channels
        self.stride, self._kinds = config.stride, len(config.kinds)
        self.stem = _convolution(2, channels[0])
        self.encode = nn.ModuleList(_Residual(count) for count in channels[:-1])
        self.down = nn.ModuleList(_convolution(*pair, stride=2) for pair in pairwise(channels))
        middle = config.n_bands // config.stride
        self.middle = _Residual(channels[-1])
        self.context = _Context(channels[-1], middle, config.context_dim, config.dilations)
        self.up = nn.ModuleList(nn.Conv2d(fine_to, fine, 1) for fine, fine_to in pairwise(channels))
        self.decode = nn.ModuleList(_Residual(count) for count in channels[:-1])
        self.head = nn.Conv2d(channels[0], len(config.kinds) + config.embedding_dim, 1)

    def forward(
        self, levels: Float[Tensor, "batch bands frames"]
    ) -> tuple[Float[Tensor, "batch kinds bands frames"], Float[Tensor, "batch dim bands frames"]]:
        """Logits of the kinds, and unit vectors.

        Args:
            levels: normalized, about −3 to 3; frames are a multiple of the config's `stride`.
        """
        frequency = torch.linspace(-1, 1, levels.shape[1], device=levels.device)
        x = torch.stack([levels, frequency[:, None].expand_as(levels)], dim=1)
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        skips = []
        for residual, down in zip(self.encode, self.down, strict=True):
            skips.append(x := residual(x))
            x = down(x)
        x = self.context(self.middle(x))
        for up, residual, skip in reversed(list(zip(self.up, self.decode, skips, strict=True))):
            x = residual(F.interpolate(up(x), scale_factor=2.0) + skip)
        outputs = self.head(x)
        return outputs[:, : self._kinds], F.normalize(outputs[:, self._kinds :].float(), dim=1)


class _Residual(nn.Module):
    """A 3 × 3 convolution beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = _convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.convolution(x)


class _Context(nn.Module):
    """Layers over the whole spectrum and over time, beside the identity."""

    def __init__(self, channels: int, bands: int, dim: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.bands = bands
        self.reduce = nn.Conv1d(channels * bands, dim, 1)
        self.norm = nn.BatchNorm1d(dim)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(dim, dim, 3, padding=dilation, dilation=dilation, bias=False),
                nn.BatchNorm1d(dim),
                nn.ReLU(),
            )
            for dilation in dilations
        )
        self.expand = nn.Conv1d(dim, channels * bands, 1)

    def forward(self, x: Float[Tensor, "batch channels bands frames"]) -> Tensor:
        y = F.relu(self.norm(self.reduce(x.flatten(1, 2))))
        for layer in self.layers:
            y = y + layer(y)
        return x + self.expand(y).unflatten(1, (-1, self.bands))


def _convolution(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )
