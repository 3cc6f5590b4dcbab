"""A small convolutional tagger of sound events, which hears mono sound at 16 kHz.

Log-mel bands of the sound are looked at as a picture by a short residual network. Each of its
stages halves both axes and widens the channels, as in the networks of Kong et al. (PANNs, IEEE/ACM
TASLP 28, 2020, §III-A), of which this is a miniature; like theirs it averages over frequency and
takes mean and maximum over time, so that any length is heard. Convolutions treat all bands alike,
and an average forgets where they lie; a second input channel therefore says how high each band is
(Koutini et al., MediaEval 2019). The layer before the classes is the embedding.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.spectra.filterbanks import htk_mel_filters

RATE = 16_000  # Hz
FFT = 512  # samples a frame, of which the window covers the middle 400: 25 ms
WINDOW = 400
HOP = 160  # 10 ms
MELS = 64
LOWEST, HIGHEST = 40.0, 7_900.0  # Hz
FLOOR = 1e-9  # in power, −90 dB under full scale: below what 16 bits hold in a band
LEVEL, SPREAD = -55.0, 20.0  # dB, about the mean and the deviation of a band in recordings


class LogMel(nn.Module):
    """Levels of 64 mel bands, 100 frames a second, near zero mean and unit deviation.

    Bands from 40 to 7,900 Hz, after HTK; a sine at full scale reads (−6 to −3 dB − LEVEL)/SPREAD
    in its own.
    """

    window: Tensor
    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        window = torch.hann_window(WINDOW)
        # Computed, never stored: they follow from the constants above
        self.register_buffer("window", window / window.sum(), persistent=False)
        bands = htk_mel_filters(MELS, FFT, RATE, LOWEST, HIGHEST)
        self.register_buffer("bands", bands, persistent=False)

    def forward(self, sound: Float[Tensor, "batch frames"]) -> Float[Tensor, "batch mels time"]:
        """Bands of a sound of at least `FFT` samples, 1 + (frames − 512) // 160 columns."""
        spectrum = torch.stft(
            sound, FFT, HOP, WINDOW, self.window, center=False, return_complex=True
        )
        power = self.bands @ (spectrum.real.square() + spectrum.imag.square())
        return (10 * torch.log10(power + FLOOR) - LEVEL) / SPREAD


class _Stage(nn.Module):
    """Half the size by a strided convolution, then residual convolutions at that size."""

    def __init__(self, before: int, after: int, depth: int) -> None:
        super().__init__()
        self.down = _convolution(before, after, stride=2)
        self.deeper = nn.ModuleList(_convolution(after, after) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.down(x))
        for layer in self.deeper:
            x = x + F.relu(layer(x))
        return x


class Tagger(nn.Module):
    """Scores of sound events, and the 128 numbers they are read from.

    Layers: log-mel of 64 bands, and beside it their height from −1 to 1; a 5 × 5 convolution to 32
    channels at half size; three stages to 64, 128 and 256 channels, each a strided 3 × 3
    convolution and residual 3 × 3 convolutions, with batch norm and ReLU; mean over frequency; mean
    and maximum over time, added; linear to the embedding; ReLU, dropout and linear to the classes.

    Args:
        classes: how many events it tells apart.
        channels: of the stem and of the stages.
        size: of the embedding.
        depth: residual convolutions in a stage.
        dropout: share of the embedding that training hides.
    """

    def __init__(
        self,
        classes: int,
        *,
        channels: tuple[int, ...] = (32, 64, 128, 256),
        size: int = 128,
        depth: int = 1,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.mel = LogMel()
        self.stem = _convolution(2, channels[0], kernel=5, stride=2)
        self.stages = nn.ModuleList(_Stage(*pair, depth) for pair in pairwise(channels))
        self.embedding = nn.Linear(channels[-1], size)
        self.dropout = nn.Dropout(dropout)
        self.classes = nn.Linear(size, classes)

    def forward(self, mels: Float[Tensor, "batch mels time"]) -> Float[Tensor, "batch classes"]:
        """Scores, before a softmax, of log-mel bands."""
        return self.classes(self.dropout(F.relu(self.embed(mels))))

    def embed(self, mels: Float[Tensor, "batch mels time"]) -> Float[Tensor, "batch size"]:
        """The embedding of log-mel bands, of at least 16 columns."""
        height = torch.linspace(-1, 1, MELS, device=mels.device)[:, None].expand_as(mels)
        x = torch.stack([mels, height], dim=1).contiguous(memory_format=torch.channels_last)
        x = F.relu(self.stem(x))
        for stage in self.stages:
            x = stage(x)
        x = x.mean(dim=2)
        return self.embedding(x.mean(dim=2) + x.amax(dim=2))


def _convolution(before: int, after: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(after),
    )
