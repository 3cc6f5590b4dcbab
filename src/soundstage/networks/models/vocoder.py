"""A small vocoder: sound from log-mel bands, with an inverse-STFT head and a noise branch.

Residual blocks over frames, each a depthwise convolution and two dense layers (ConvNeXt, Liu et
al. 2022), give the spectrogram of the sound, whose inverse STFT is the output (iSTFTNet, Kaneko et
al. 2022; Vocos, Siuzdak 2023). The mel bands are interpolated to frames of twice the rate first, so
that frames of the output overlap fourfold. With N the spectrogram of white noise of unit variance,
and per bin a log level m and a complex tone t from the network, the output is

    S = exp(m) · (N + t) / √(1 + |t|²)

exp(m) is the level of a bin whatever t is: rain and wind have t ≈ 0 and are noise with a filter,
a siren has |t| ≫ 1 and a phase of its own. (Vocos has no N, and must learn to make noise out of
nothing.) The log level is an interpolation of the mel bands plus an output of the network.

The noise is the same in every call, so that a sound is a function of its mel bands.

A spectrogram of noise has random magnitudes, while the wanted mel bands state those of one noise.
So the sound is corrected a few times, in training too: with M its mel bands and m the wanted ones,
each bin is multiplied by m/M, interpolated over bands and frames. As in the Griffin-Lim algorithm,
the next transform keeps what is consistent.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.spectra.dual_spectra import BINS, FFT, HOP, LEVEL, MELS, RATE, SPREAD, log_mel
from soundstage.spectra.filterbanks import slaney_mel_filters
from soundstage.weights.config import ModelConfig, bounded

OUTPUT_HOP = HOP // 2  # samples: frames overlap fourfold
MAX_CORRECTION = 3.0  # nepers, 26 dB
MAX_LEVEL = 7.0  # of m, in nepers: 19 dB over a sine at full scale
NOISE_SEED = 0
TINY = 1e-12  # of weights, for bins at the edge of all bands
NOISE_DEVIATION = math.sqrt(3 / 8 * FFT)  # of a bin: root of the sum of the squared Hann window
SINE = FFT / 4  # magnitude of a sine at full scale


@dataclass(frozen=True, kw_only=True)
class VocoderConfig(ModelConfig):
    """Config of a `Vocoder`."""

    family: ClassVar[str] = "vocoder"

    depth: int = bounded(1, 32, 4)
    """Residual blocks."""
    dim: int = bounded(8, 1024, 128)
    mlp_ratio: int = bounded(1, 8, 3)
    kernel_size: int = bounded(1, 31, 7)
    """Frames of a depthwise convolution, odd."""
    corrections: int = bounded(0, 32, 4)
    """Of the mel bands of the sound."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is odd, not {self.kernel_size}")

    def build(self) -> "Vocoder":
        """The network, with random weights."""
        return Vocoder(self)


class Vocoder(nn.Module):
    """Sound of log-mel bands, each example by itself."""

    window: Tensor
    spreading: Tensor

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        dim, self.corrections = config.dim, config.corrections
        self.embed = nn.Conv1d(MELS, dim, config.kernel_size, padding=config.kernel_size // 2)
        self.norm = nn.LayerNorm(dim)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.depth))
        self.final_norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, 3 * BINS)
        self.envelope = nn.Linear(MELS, BINS)
        self.register_buffer("window", torch.hann_window(FFT), persistent=False)
        self.register_buffer("spreading", _spreading(), persistent=False)
        self._start_as_filtered_noise()

    @torch.no_grad()
    def _start_as_filtered_noise(self) -> None:
        """Before training, t is small and m interpolates between the mel bands."""
        self.envelope.weight.copy_(SPREAD * self.spreading)
        self.envelope.bias.fill_(LEVEL + math.log(SINE))
        self.head.weight.mul_(0.1)
        self.head.bias.zero_()

    def forward(
        self,
        mels: Float[Tensor, "batch 64 frames"],
        noise: Float[Tensor, "batch samples"] | None = None,
    ) -> Float[Tensor, "batch samples"]:
        """Sound of (frames − 1) · `HOP` samples at 16 kHz.

        Args:
            mels: normalized, as `dual_spectra.log_mel` gives them.
            noise: of unit variance, as long as the sound; by default that of `NOISE_SEED`.
        """
        samples = (mels.shape[-1] - 1) * HOP
        if noise is None:
            generator = torch.Generator().manual_seed(NOISE_SEED)
            noise = torch.randn(samples, generator=generator, dtype=torch.float32)
            noise = noise.to(mels.device).expand(len(mels), -1)
        fine = F.interpolate(mels, size=2 * mels.shape[-1] - 1, mode="linear", align_corners=True)
        x = self.norm(self.embed(fine).transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        with torch.autocast(mels.device.type, enabled=False):
            outputs = self.head(self.final_norm(x).float()).transpose(1, 2)
            envelope = self.envelope(fine.float().transpose(1, 2)).transpose(1, 2)
            sound = self._inverse(self._spectrogram(envelope, outputs, noise.float()))
            for _ in range(self.corrections):
                sound = self._corrected(sound, mels.float())
        return sound

    def _spectrogram(
        self,
        envelope: Float[Tensor, "batch bins fine"],
        outputs: Float[Tensor, "batch three_bins fine"],
        noise: Float[Tensor, "batch samples"],
    ) -> Complex[Tensor, "batch bins fine"]:
        """S from the interpolated log level and the outputs of the network."""
        level, real, imaginary = outputs.chunk(3, dim=1)
        gain = (envelope + level).clamp(max=MAX_LEVEL).exp()
        gain = gain * (1 + real.square() + imaginary.square()).rsqrt()
        white = self._transform(noise) / NOISE_DEVIATION
        return gain * (white + torch.complex(real, imaginary))

    def _corrected(
        self, sound: Float[Tensor, "batch samples"], mels: Float[Tensor, "batch 64 frames"]
    ) -> Float[Tensor, "batch samples"]:
        """The sound with its mel bands moved towards the wanted ones."""
        spectrum = self._transform(sound)
        error = SPREAD * (mels - log_mel(spectrum[..., ::2] / SINE))
        gain = self.spreading @ error.clamp(-MAX_CORRECTION, MAX_CORRECTION)
        fine = F.interpolate(gain, size=spectrum.shape[-1], mode="linear", align_corners=True)
        return self._inverse(spectrum * fine.exp())

    def _transform(
        self, sound: Float[Tensor, "batch samples"]
    ) -> Complex[Tensor, "batch bins fine"]:
        return torch.stft(
            sound, FFT, OUTPUT_HOP, window=self.window, pad_mode="constant", return_complex=True
        )

    def _inverse(
        self, spectrum: Complex[Tensor, "batch bins fine"]
    ) -> Float[Tensor, "batch samples"]:
        samples = (spectrum.shape[-1] - 1) * OUTPUT_HOP
        return torch.istft(spectrum, FFT, OUTPUT_HOP, window=self.window, length=samples)


def _spreading() -> Float[Tensor, "bins mels"]:
    """Interpolation from mel bands to bins: rows sum to 1."""
    bands = slaney_mel_filters(MELS, FFT, RATE, 0, RATE / 2).T + TINY
    bands[0], bands[-1] = bands[1], bands[-2]  # no band has 0 Hz or 8 kHz
    return bands / bands.sum(dim=1, keepdim=True)


class _Block(nn.Module):
    """ConvNeXt over time, beside the identity."""

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        dim, kernel = config.dim, config.kernel_size
        self.depthwise = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.norm = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, config.mlp_ratio * dim)
        self.reduce = nn.Linear(config.mlp_ratio * dim, dim)
        self.scale = nn.Parameter(torch.full((dim,), 1 / config.depth))

    def forward(self, x: Float[Tensor, "batch frames dim"]) -> Float[Tensor, "batch frames dim"]:
        y = self.norm(self.depthwise(x.transpose(1, 2)).transpose(1, 2))
        return x + self.scale * self.reduce(F.gelu(self.expand(y)))
