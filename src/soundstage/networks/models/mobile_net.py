"""MobileNetV3 of EfficientAT: a small tagger of the 527 classes of AudioSet.

Schmid, Koutini and Widmer, "Efficient large-scale audio tagging via transformer-to-CNN knowledge
distillation" (ICASSP 2023), after Howard et al., "Searching for MobileNetV3" (ICCV 2019). Each of
15 blocks widens its channels with a 1 × 1 convolution, filters every channel by itself, scales the
channels by a squeeze-excitation and projects back:

    y = P(s ⊙ D(E(x))) + x,    s = σ(W₂·ReLU(W₁·mean(D(E(x)))))

E and P are 1 × 1 convolutions, D a depthwise one, the sum only where both shapes agree. All
channels are those of MobileNetV3-Large times a width multiplier, rounded to multiples of 8; "mn04"
is 0.4. The mean over time and bands of the last maps is the embedding, an MLP makes the logits.
Tensors have the names of the published files, such as `mn04_as_mAP_432.pt`.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

MEL_BANDS = 128
N_CLASSES = 527
DIVISOR = 8  # of all numbers of channels
STEM, LAST, HEAD = 16, 160, 1280  # channels at width 1
LAST_EXPANSION = 6
SQUEEZE = 4  # channels in, for one hidden unit of a squeeze-excitation
NORM_EPS, NORM_MOMENTUM = 1e-3, 0.01
LAST_CONVOLUTION = "features.16.0.weight"
"""The tensor whose first length is the width of the network."""


class BlockConfig(NamedTuple):
    """A row of Table 1 of Howard et al., at width 1."""

    kernel: int
    expanded: int
    channels: int
    squeeze: bool
    hard_swish: bool
    """The activation, in place of a ReLU."""
    stride: int


BLOCKS = (
    BlockConfig(3, 16, 16, False, False, 1),
    BlockConfig(3, 64, 24, False, False, 2),
    BlockConfig(3, 72, 24, False, False, 1),
    BlockConfig(5, 72, 40, True, False, 2),
    BlockConfig(5, 120, 40, True, False, 1),
    BlockConfig(5, 120, 40, True, False, 1),
    BlockConfig(3, 240, 80, False, True, 2),
    BlockConfig(3, 200, 80, False, True, 1),
    BlockConfig(3, 184, 80, False, True, 1),
    BlockConfig(3, 184, 80, False, True, 1),
    BlockConfig(3, 480, 112, True, True, 1),
    BlockConfig(3, 672, 112, True, True, 1),
    BlockConfig(5, 672, LAST, True, True, 2),
    BlockConfig(5, 960, LAST, True, True, 1),
    BlockConfig(5, 960, LAST, True, True, 1),
)


def divisible(channels: float) -> int:
    """The nearest multiple of 8, at least 8 and at least 90 % of `channels`.

    >>> [divisible(0.4 * channels) for channels in (16, 40, 184)]
    [8, 16, 72]
    """
    rounded = max(DIVISOR, int(channels + DIVISOR / 2) // DIVISOR * DIVISOR)
    return rounded + DIVISOR if rounded < 0.9 * channels else rounded


class _SqueezeExcitation(nn.Module):
    """Scales every channel by a function of the means of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = divisible(channels // SQUEEZE)
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, maps: Float[Tensor, "b c f t"]) -> Float[Tensor, "b c f t"]:
        scale = self.fc2(torch.relu(self.fc1(maps.mean(dim=(2, 3)))))
        return maps * torch.sigmoid(scale)[:, :, None, None]


class _Scales(nn.Module):
    """A list of one squeeze-excitation, under the name that the published files have."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conc_se_layers = nn.ModuleList([_SqueezeExcitation(channels)])

    def forward(self, maps: Float[Tensor, "b c f t"]) -> Float[Tensor, "b c f t"]:
        scaled: Tensor = self.conc_se_layers[0](maps)
        return scaled


class _Block(nn.Module):
    """An inverted residual block."""

    def __init__(self, in_channels: int, config: BlockConfig, multiplier: float) -> None:
        super().__init__()
        expanded = divisible(config.expanded * multiplier)
        channels = divisible(config.channels * multiplier)
        activation = nn.Hardswish if config.hard_swish else nn.ReLU
        layers: list[nn.Module] = []
        if expanded != in_channels:
            layers.append(_convolution(in_channels, expanded, 1, activation=activation()))
        layers.append(
            _convolution(
                expanded,
                expanded,
                config.kernel,
                stride=config.stride,
                groups=expanded,
                activation=activation(),
            )
        )
        if config.squeeze:
            layers.append(_Scales(expanded))
        layers.append(_convolution(expanded, channels, 1))
        self.block = nn.Sequential(*layers)
        self.residual = config.stride == 1 and in_channels == channels

    def forward(self, maps: Float[Tensor, "b c f t"]) -> Float[Tensor, "b out f2 t2"]:
        result: Tensor = self.block(maps)
        return result + maps if self.residual else result


class MobileNet(nn.Module):
    """Embedding and logits of a log-mel spectrogram.

    Args:
        width: channels of the last convolution and values of the embedding: 384 for mn04 of
            983,599 parameters, 960 for mn10. All others follow from it.
        n_classes: number of logits.
    """

    def __init__(self, width: int = 384, n_classes: int = N_CLASSES) -> None:
        super().__init__()
        multiplier = width / (LAST_EXPANSION * LAST)
        channels = divisible(STEM * multiplier)
        layers: list[nn.Module] = [
            _convolution(1, channels, 3, stride=2, activation=nn.Hardswish())
        ]
        for config in BLOCKS:
            layers.append(_Block(channels, config, multiplier))
            channels = divisible(config.channels * multiplier)
        if width != LAST_EXPANSION * channels:
            raise ValueError(f"no width multiplier gives {width} channels")
        layers.append(_convolution(channels, width, 1, activation=nn.Hardswish()))
        self.features = nn.Sequential(*layers)
        self.embedding_dim = width
        head = divisible(HEAD * multiplier)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, head),
            nn.Hardswish(),
            nn.Dropout(0.2),
            nn.Linear(head, n_classes),
        )

    def forward(
        self, mels: Float[Tensor, "batch 128 frames"]
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch classes"]]:
        """The embedding and the logits of spectrograms of any length."""
        maps = self.features(mels[:, None])
        return maps.mean(dim=(2, 3)), self.classifier(maps)


def _convolution(
    in_channels: int,
    out_channels: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: nn.Module | None = None,
) -> nn.Sequential:
    """A convolution and its batch normalization, and an activation if there is one."""
    return nn.Sequential(
        nn.Conv2d(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(out_channels, eps=NORM_EPS, momentum=NORM_MOMENTUM),
        *([activation] if activation else []),
    )
