"""A network that finds the azimuth of one sound source in a binaural recording at 16 kHz.

The classifier of DualSpec (§IV, Fig. 3): a branch for the phase and one for the magnitude, three
convolutions each, joined by further convolutions and three dense layers, with a class for each of
12 azimuths. With X_L and X_R the spectra of the ears, P the largest magnitude of the clip and the
floor ε, the branches take

    phase:      X_L·X_R* / (|X_L|·|X_R| + ε·P²), real and imaginary part
    magnitude:  1 + (l_L + l_R)/4 and l_L − l_R,   l = log₁₀(|X|/P + ε)

The phase of one ear depends on the source and on time, so the difference is taken here, and it
fades out where there is only noise. The paper flattens the last layer, for clips of one length.
Here the first dense layer acts on each frame, and a mean over time with learned weights (softmax
of a score) follows, so that a sound may have any length and silence does not count. A convolution
does not depend on the frequency of a bin, so a learned vector per frequency is added to each
branch.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.weights.config import ModelConfig, bounded

RATE = 16_000  # Hz
FFT = 512  # samples, 32 ms: 31 Hz a bin
HOP = 256
BINS = FFT // 2  # without 0 Hz
FLOOR = 1e-4  # −80 dB of the largest bin of the clip
PATCH = (4, 2)  # stride of the first convolution in bins and frames
BRANCHES = ("phase", "magnitude")

Spectra = Float[Tensor, "batch 4 256 frames"]


@dataclass(frozen=True, kw_only=True)
class LocalizerConfig(ModelConfig):
    """Config of a `Localizer`.

    Raises:
        ValueError: a list of layers has another length.
    """

    family: ClassVar[str] = "localizer"

    n_azimuths: int = bounded(2, 360, 12)
    branch_channels: tuple[int, ...] = bounded(1, 1024, (32, 48, 64))
    """Of the three convolutions of a branch."""
    joint_channels: tuple[int, ...] = bounded(1, 1024, (96, 80))
    """Of the convolutions after the branches are joined."""
    frame_dim: int = bounded(1, 4096, 128)
    """Outputs of the first dense layer, which acts on each frame."""
    embedding_dim: int = bounded(1, 4096, 64)
    dropout: float = bounded(0, 0.9, 0.1)
    """Before the second and the third dense layer, in training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.branch_channels) != 3 or not self.joint_channels:
            raise ValueError("a branch has 3 convolutions, and at least 1 follows")

    def build(self) -> "Localizer":
        """The network, with random weights."""
        return Localizer(self)


class InterauralSpectra(nn.Module):
    """The input of both branches, 62.5 frames a second; independent of the level of the sound."""

    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Not stored: it follows from the constants above
        self.register_buffer("window", torch.hann_window(FFT), persistent=False)

    def forward(self, sound: Float[Tensor, "batch 2 samples"]) -> Spectra:
        """Channels: real and imaginary part of the phase, mean and difference of the levels."""
        spectrum = torch.stft(
            sound.flatten(0, 1), FFT, HOP, window=self.window, pad_mode="constant",
            return_complex=True,
        )  # fmt: skip
        return interaural_spectra(spectrum[:, 1:].unflatten(0, sound.shape[:2]))


def interaural_spectra(spectrum: Complex[Tensor, "batch 2 256 frames"]) -> Spectra:
    """The input of both branches from the spectra of both ears, without 0 Hz."""
    peak = spectrum.abs().amax(dim=(1, 2, 3), keepdim=True)
    relative = spectrum / peak.clamp(min=torch.finfo(torch.float32).tiny)
    left, right = relative.unbind(dim=1)
    magnitude = relative.abs()
    phase = left * right.conj() / (magnitude.prod(dim=1) + FLOOR)
    level = torch.log10(magnitude + FLOOR)
    return torch.stack(
        [phase.real, phase.imag, 1 + level.mean(dim=1) / 2, level[:, 0] - level[:, 1]], dim=1
    )


class _Branch(nn.Module):
    """Three convolutions of one half of the input, to a sixteenth of the bins."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        first, *_ = channels
        self.patches = nn.Conv2d(2, first, (2 * PATCH[0], PATCH[1] + 1), PATCH, (2, 1))
        self.frequency = nn.Parameter(torch.zeros(first, BINS // PATCH[0], 1))
        self.norm = nn.BatchNorm2d(first)
        strides = ((2, 2), (2, 1))
        self.convolutions = nn.ModuleList(
            _convolution(*pair, stride)
            for pair, stride in zip(pairwise(channels), strides, strict=True)
        )

    def forward(self, x: Float[Tensor, "batch 2 256 frames"]) -> Tensor:
        x = F.relu(self.norm(self.patches(x) + self.frequency))
        for layer in self.convolutions:
            x = F.relu(layer(x))
        return x


class Localizer(nn.Module):
    """Logits of azimuths, and the embedding.

    Layers: `InterauralSpectra`; for phase and magnitude each a convolution of 8 × 3 with a stride
    of 4 × 2 and two of 3 × 3 with strides of 2 × 2 and 2 × 1; joined, a convolution of 3 × 3 with a
    stride of 2 × 2 and one without; all with batch norm and ReLU; for each frame a linear layer
    over channels and 8 frequencies, with ReLU; the weighted mean over time; linear to the
    embedding, ReLU, and linear to the classes. Class k is the azimuth 360°·k/n counter-clockwise
    from ahead.
    """

    def __init__(self, config: LocalizerConfig) -> None:
        super().__init__()
        self.spectra = InterauralSpectra()
        self.branches = nn.ModuleDict({name: _Branch(config.branch_channels) for name in BRANCHES})
        joint = (len(BRANCHES) * config.branch_channels[-1], *config.joint_channels)
        self.joint = nn.ModuleList(
            _convolution(*pair, (2, 2) if index == 0 else (1, 1))
            for index, pair in enumerate(pairwise(joint))
        )
        rows = BINS // (PATCH[0] * 8)
        self.frame = nn.Linear(joint[-1] * rows, config.frame_dim)
        self.score = nn.Linear(config.frame_dim, 1)
        self.dropout = nn.Dropout(config.dropout)
        self.embedding = nn.Linear(config.frame_dim, config.embedding_dim)
        self.classifier = nn.Linear(config.embedding_dim, config.n_azimuths)

    def forward(self, spectra: Spectra) -> Float[Tensor, "batch azimuths"]:
        """Logits."""
        return self.classifier(self.dropout(F.relu(self.embed(spectra))))

    def embed(self, spectra: Spectra) -> Float[Tensor, "batch dim"]:
        """The values before the last ReLU, of spectra of any number of frames."""
        parts = [
            branch(half.contiguous(memory_format=torch.channels_last))
            for branch, half in zip(self.branches.values(), spectra.split(2, dim=1), strict=True)
        ]
        x = torch.cat(parts, dim=1)
        for layer in self.joint:
            x = F.relu(layer(x))
        frames = F.relu(self.frame(x.permute(0, 3, 1, 2).flatten(2)))
        weights = self.score(frames).float().softmax(dim=1)
        return self.embedding(self.dropout((weights * frames).sum(dim=1)))


def _convolution(in_channels: int, out_channels: int, stride: tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
        nn.BatchNorm2d(out_channels),
    )
