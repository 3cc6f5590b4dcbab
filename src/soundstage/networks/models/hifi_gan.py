"""The generator of HiFi-GAN: from log-mel frames to sound (Kong, Kim and Bae 2020, §2.2).

Transposed convolutions raise the frame rate to the sample rate step by step; after each, residual
blocks with different kernels and dilations are averaged (multi-receptive field fusion), and a last
convolution with tanh gives the samples. Tensors have the names of the published checkpoints with
their weight normalization folded (w = g·v/‖v‖, Salimans and Kingma 2016; `fold_weight_norm`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.weights.config import Config, bounded

TINY = 1e-12  # of a norm
SLOPE = 0.1  # of the leaky rectifiers but the last one, which has torch's default


@dataclass(frozen=True, kw_only=True)
class HiFiGANConfig(Config):
    """Sizes of a generator, by the names of its config.json; the defaults are those of V1.

    Raises:
        ValueError: a field is outside its limits, or lists do not have one entry each.
    """

    num_mels: int = bounded(1, 512, 80)
    resblock: str = "1"
    """"1": pairs of convolutions, "2": single ones."""
    upsample_rates: tuple[int, ...] = bounded(1, 64, (8, 8, 2, 2))
    upsample_kernel_sizes: tuple[int, ...] = bounded(1, 256, (16, 16, 4, 4))
    upsample_initial_channel: int = bounded(2, 4096, 512)
    resblock_kernel_sizes: tuple[int, ...] = bounded(1, 63, (3, 7, 11))
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5),) * 3

    def __post_init__(self) -> None:
        super().__post_init__()
        steps = len(self.upsample_rates)
        if self.resblock not in ("1", "2"):
            raise ValueError(f"resblock is 1 or 2, not {self.resblock}")
        if not 1 <= steps <= 8 or steps != len(self.upsample_kernel_sizes):
            raise ValueError("there are 1 to 8 upsample_rates, and a kernel size for each")
        for rate, size in zip(self.upsample_rates, self.upsample_kernel_sizes, strict=True):
            if size < rate:
                raise ValueError("an upsample kernel is shorter than its rate")
        if self.upsample_initial_channel % 2**steps:
            raise ValueError("upsample_initial_channel cannot be halved that often")
        sizes, dilations = self.resblock_kernel_sizes, self.resblock_dilation_sizes
        if not 1 <= len(sizes) <= 8 or len(sizes) != len(dilations):
            raise ValueError("there are 1 to 8 resblock kernels, and dilations for each")
        if any(size % 2 == 0 for size in sizes):
            raise ValueError("the kernels of a resblock are odd")
        if not all(1 <= len(each) <= 8 and all(1 <= d <= 64 for d in each) for each in dilations):
            raise ValueError("a resblock has 1 to 8 dilations of 1 to 64")

    @property
    def hop(self) -> int:
        """Samples of a frame."""
        product = 1
        for rate in self.upsample_rates:
            product *= rate
        return product

    def build(self) -> "HiFiGAN":
        """The network, with random weights."""
        return HiFiGAN(self)


class HiFiGAN(nn.Module):
    """Sound of log-mel frames in the normalization of the checkpoint."""

    def __init__(self, config: HiFiGANConfig) -> None:
        super().__init__()
        channels = config.upsample_initial_channel
        self.conv_pre = nn.Conv1d(config.num_mels, channels, 7, padding=3)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        block = _PairBlock if config.resblock == "1" else _SingleBlock
        for rate, size in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            padding = (size - rate) // 2
            self.ups.append(nn.ConvTranspose1d(channels, channels // 2, size, rate, padding))
            channels //= 2
            self.resblocks.extend(
                block(channels, kernel, dilations)
                for kernel, dilations in zip(
                    config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True
                )
            )
        self.conv_post = nn.Conv1d(channels, 1, 7, padding=3)
        self._kernels, self._hop = len(config.resblock_kernel_sizes), config.hop

    def forward(self, mels: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch samples"]:
        """Sound of frames · hop samples, within ±1."""
        samples = mels.shape[-1] * self._hop
        x = self.conv_pre(mels)
        for step, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, SLOPE))
            blocks = self.resblocks[step * self._kernels : (step + 1) * self._kernels]
            x = torch.stack([block(x) for block in blocks]).mean(dim=0)
        return torch.tanh(self.conv_post(F.leaky_relu(x))[:, 0, :samples])


class _PairBlock(nn.Module):
    """Per dilation, a dilated and a plain convolution beside the identity."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(_convolution(channels, kernel, each) for each in dilations)
        self.convs2 = nn.ModuleList(_convolution(channels, kernel, 1) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x = x + plain(F.leaky_relu(dilated(F.leaky_relu(x, SLOPE)), SLOPE))
        return x


class _SingleBlock(nn.Module):
    """Per dilation, one convolution beside the identity."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_convolution(channels, kernel, each) for each in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for convolution in self.convs:
            x = x + convolution(F.leaky_relu(x, SLOPE))
        return x


def _convolution(channels: int, kernel: int, dilation: int) -> nn.Conv1d:
    padding = dilation * (kernel - 1) // 2
    return nn.Conv1d(channels, channels, kernel, padding=padding, dilation=dilation)


def fold_weight_norm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors with the weight of a layer in place of g and v.

    Their names end in `weight_g` and `weight_v`, or, in files of newer versions of torch, in
    `parametrizations.weight.original0` and `original1`.
    """
    named = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for name, tensor in tensors.items()
    }
    folded = {}
    for name, tensor in named.items():
        base = name.removesuffix("_v").removesuffix("_g")
        gain, direction = named.get(f"{base}_g"), named.get(f"{base}_v")
        if gain is None or direction is None or len(gain) != len(direction):
            folded[name] = tensor
        elif name.endswith("_v"):
            norm = direction.flatten(1).norm(dim=1).clamp(min=TINY)
            shape = (-1, *(1,) * (direction.ndim - 1))
            folded[base] = direction * (gain.flatten() / norm).reshape(shape)
    return folded
