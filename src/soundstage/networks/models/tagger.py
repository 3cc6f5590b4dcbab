"""A small convolutional tagger of sound events, for mono sound at 16 kHz.

A short residual network over a log-mel spectrogram. Each of its stages halves both axes and widens
the channels, as in the networks of Kong et al. (PANNs, IEEE/ACM TASLP 28, 2020, §III-A), of which
this is a miniature; like theirs it averages over frequency and takes mean and maximum over time, so
that sounds may have any length. Convolutions and the average do not depend on the frequency of a
band, so a second input channel holds it (Koutini et al., MediaEval 2019). The layer before the
classes is the embedding.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.spectra.filterbanks import htk_mel_filters
from soundstage.weights.config import ModelConfig, bounded

RATE = 16_000  # Hz
FFT = 512  # samples a frame; the window covers the middle 400 of them: 25 ms
WINDOW = 400
HOP = 160  # 10 ms
MELS = 64
LOWEST, HIGHEST = 40.0, 7_900.0  # Hz
FLOOR = 1e-9  # of the power, −90 dB under full scale: below the resolution of 16 bits in a band
LEVEL, SPREAD = -55.0, 20.0  # dB, about mean and deviation of a band in recordings


@dataclass(frozen=True, kw_only=True)
class TaggerConfig(ModelConfig):
    """Config of a `Tagger`.

    Raises:
        ValueError: there is no stage.
    """

    family: ClassVar[str] = "tagger"

    n_classes: int = bounded(1, 4096)
    channels: tuple[int, ...] = bounded(1, 4096, (32, 64, 128, 256))
    """Of the stem and of each stage."""
    depth: int = bounded(0, 16, 1)
    """Residual convolutions of a stage."""
    embedding_dim: int = bounded(1, 4096, 128)
    dropout: float = bounded(0, 0.9, 0.3)
    """Of the embedding, in training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= len(self.channels) <= 16:
            raise ValueError("channels are those of the stem and of 1 to 15 stages")

    def build(self) -> "Tagger":
        """The network, with random weights."""
        return Tagger(self)


class LogMel(nn.Module):
    """Log-mel spectrogram: 64 bands, 100 frames a second, about zero mean and unit deviation.

    HTK bands from 40 to 7,900 Hz; a sine at full scale has (−6 to −3 dB − LEVEL)/SPREAD in its
    band.
    """

    window: Tensor
    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        window = torch.hann_window(WINDOW)
        # Not stored: they follow from the constants above
        self.register_buffer("window", window / window.sum(), persistent=False)
        bands = htk_mel_filters(MELS, FFT, RATE, LOWEST, HIGHEST)
        self.register_buffer("bands", bands, persistent=False)

    def forward(self, sound: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch mels frames"]:
        """Bands of a sound of at least `FFT` samples, 1 + (samples − 512) // 160 frames."""
        spectrum = torch.stft(
            sound, FFT, HOP, WINDOW, self.window, center=False, return_complex=True
        )
        power = self.bands @ (spectrum.real.square() + spectrum.imag.square())
        return (10 * torch.log10(power + FLOOR) - LEVEL) / SPREAD


class _Stage(nn.Module):
    """A strided convolution to half the size, then residual convolutions."""

    def __init__(self, in_channels: int, out_channels: int, depth: int) -> None:
        super().__init__()
        self.down = _convolution(in_channels, out_channels, stride=2)
        self.residual = nn.ModuleList(
            _convolution(out_channels, out_channels) for _ in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.down(x))
        for layer in self.residual:
            x = x + F.relu(layer(x))
        return x


class Tagger(nn.Module):
    """Logits of sound events, and the embedding.

    Layers: log-mel spectrogram of 64 bands, with their frequency from −1 to 1 as a second channel;
    a 5 × 5 convolution to 32 channels at half size; three stages to 64, 128 and 256 channels, each
    a strided 3 × 3 convolution and residual 3 × 3 convolutions, with batch norm and ReLU; mean over
    frequency; mean plus maximum over time; linear to the embedding; ReLU, dropout and linear to the
    classes.
    """

    def __init__(self, config: TaggerConfig) -> None:
        super().__init__()
        channels = config.channels
        self.mel = LogMel()
        self.stem = _convolution(2, channels[0], kernel_size=5, stride=2)
        self.stages = nn.ModuleList(_Stage(*pair, config.depth) for pair in pairwise(channels))
        self.embedding = nn.Linear(channels[-1], config.embedding_dim)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.embedding_dim, config.n_classes)

    def forward(self, mels: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch classes"]:
        """Logits."""
        return self.classifier(self.dropout(F.relu(self.embed(mels))))

    def embed(self, mels: Float[Tensor, "batch mels frames"]) -> Float[Tensor, "batch dim"]:
        """The embedding of a spectrogram of at least 16 frames."""
        frequency = torch.linspace(-1, 1, MELS, device=mels.device)[:, None].expand_as(mels)
        x = torch.stack([mels, frequency], dim=1).contiguous(memory_format=torch.channels_last)
        x = F.relu(self.stem(x))
        for stage in self.stages:
            x = stage(x)
        x = x.mean(dim=2)
        return self.embedding(x.mean(dim=2) + x.amax(dim=2))


def _convolution(
    in_channels: int, out_channels: int, *, kernel_size: int = 3, stride: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    )
