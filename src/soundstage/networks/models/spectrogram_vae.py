"""The autoencoders of DualSpec: spectra of two ears to latents of a diffusion model, and back.

A variational autoencoder (Kingma and Welling, ICLR 2014) of convolutions. The encoder gives mean μ
and deviation σ of a Gaussian posterior, the decoder the spectrum of a sample of it,

    z = μ(x) + σ(x)·ε,    x̂ = decoder(z),    KL = ½·(μ² + σ² − 1 − ln σ²)

Kinds (Zhao et al., DualSpec, §III-E and §VI-A), with a compression of both axes:

    mel         log-mel of both ears, 2 × 64 rows: 4
    mono-mel    log-mel of one ear, 64 rows: 4
    stft        spectra of both ears, 256 rows: 8
    dual        both of these, of 256 rows: 8

In `dual`, four rows of the spectra are folded into channels, so that there are 64 rows as in the
mel bands, and the two are concatenated along channels.

Spectra are real and imaginary parts (ears: channels, as in the paper), or level, phase and the
transfer from ear to ear (ears: interaural; see `spectra.dual_spectra`). What a small latent cannot
keep is the absolute phase of noise; with the first it takes the direction along.

The first convolution works on patches, since few channels at full resolution are slow. Frequency is
not shift-invariant, so each row has a learned vector. Latents are scaled to unit variance by
statistics of the training data that are stored with the weights.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.residual_2d import (
    ChannelNorm,
    Downsample2d,
    ResidualBlock2d,
    Upsample2d,
)
from soundstage.spectra.dual_spectra import (
    EARS,
    INTERAURAL_CHANNELS,
    MELS,
    ROWS,
    STFT_CHANNELS,
    from_interaural_features,
    from_stft_features,
    interaural_features,
    log_mel,
    mel_to_magnitude,
    stft_features,
)
from soundstage.weights.config import ModelConfig, bounded

Kind = Literal["mel", "mono-mel", "stft", "dual"]
Ears = Literal["channels", "interaural"]

FOLD = ROWS // MELS  # rows of a spectrum beside one mel band
COMPRESSION: dict[Kind, tuple[int, int]] = {
    "mel": (4, 4),
    "mono-mel": (4, 4),
    "stft": (8, 8),
    "dual": (8 // FOLD, 8),
}
"""Rows and frames of the features that become one latent."""
MAX_LOG_VARIANCE = 10.0  # of the posterior, up or down, before normalization


@dataclass(frozen=True, kw_only=True)
class SpectrogramVAEConfig(ModelConfig):
    """Config of a `SpectrogramVAE`.

    Raises:
        ValueError: strides and channels do not belong together, or the strides are not the
            compression of the kind.
    """

    family: ClassVar[str] = "spectrogram-vae"

    kind: Kind
    ears: Ears = "channels"
    """Form of the spectra of `stft` and `dual`."""
    latent_channels: int = bounded(1, 64, 8)
    channels: tuple[int, ...] = bounded(4, 1024)
    """Of each scale."""
    strides: tuple[tuple[int, int], ...]
    """Rows and frames that become one on the way into each scale."""
    depth: int = bounded(0, 8, 1)
    """Residual blocks of a scale, in the encoder and in the decoder."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.strides) != len(self.channels) or not self.channels:
            raise ValueError("there is one pair of strides for each scale")
        rows, frames = (math.prod(each) for each in zip(*self.strides, strict=True))
        if (rows, frames) != COMPRESSION[self.kind]:
            expected = " and ".join(map(str, COMPRESSION[self.kind]))
            raise ValueError(f"the strides of {self.kind} multiply to {expected}")

    @property
    def n_ears(self) -> int:
        """Ears of an example."""
        return 1 if self.kind == "mono-mel" else EARS

    @property
    def spectral_channels(self) -> int:
        """Channels of the spectra of both ears; 0 for mel."""
        if self.kind not in ("stft", "dual"):
            return 0
        return STFT_CHANNELS if self.ears == "channels" else INTERAURAL_CHANNELS

    @property
    def n_rows(self) -> int:
        """Rows of the features."""
        return ROWS if self.kind == "stft" else MELS

    @property
    def n_channels(self) -> int:
        """Channels of the features."""
        if self.kind == "stft":
            return self.spectral_channels
        return FOLD * self.spectral_channels + self.n_ears

    @property
    def latent_rows(self) -> int:
        """Rows of the latents."""
        return self.n_rows // COMPRESSION[self.kind][0]

    @property
    def frames_per_latent(self) -> int:
        """Frames of the features that become one column of latents."""
        return COMPRESSION[self.kind][1]

    def build(self) -> "SpectrogramVAE":
        """The network, with random weights."""
        return SpectrogramVAE(self)


@dataclass(frozen=True)
class Posterior:
    """A Gaussian for each latent."""

    mean: Float[Tensor, "batch latent_channels latent_rows columns"]
    log_variance: Float[Tensor, "batch latent_channels latent_rows columns"]

    def sample(
        self, generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch latent_channels latent_rows columns"]:
        """A random latent; `generator` is on the CPU, None for torch's global one."""
        noise = torch.randn(self.mean.shape, generator=generator, dtype=self.mean.dtype)
        return self.mean + (0.5 * self.log_variance).exp() * noise.to(self.mean.device)

    def divergence(self) -> Float[Tensor, " batch"]:
        """Divergence from a unit Gaussian in nats, averaged over the latents of an example."""
        terms = self.mean.square() + self.log_variance.exp() - 1 - self.log_variance
        return 0.5 * terms.flatten(1).mean(dim=1)


class SpectrogramVAE(nn.Module):
    """Encoder and decoder of the features of a spectrum."""

    latent_mean: Tensor
    latent_deviation: Tensor

    def __init__(self, config: SpectrogramVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = _Encoder(config)
        self.decoder = _Decoder(config)
        # Of posterior means over the training data; set after training
        self.register_buffer("latent_mean", torch.zeros(config.latent_channels, 1, 1))
        self.register_buffer("latent_deviation", torch.ones(config.latent_channels, 1, 1))

    def features(
        self, spectrum: Complex[Tensor, "batch ears bins frames"]
    ) -> Float[Tensor, "batch channels rows frames"]:
        """Input of the encoder, from spectra of both ears, or of one for `mono-mel`."""
        if self.config.kind == "stft":
            return self._spectral_features(spectrum)
        mel = log_mel(spectrum)
        if self.config.kind != "dual":
            return mel
        return torch.cat([fold(self._spectral_features(spectrum)), mel], dim=1)

    def encode(self, features: Float[Tensor, "batch channels rows frames"]) -> Posterior:
        """Posterior of normalized latents; frames are a multiple of the compression."""
        mean, log_variance = self.encoder(features).float().chunk(2, dim=1)
        limited = log_variance.clamp(-MAX_LOG_VARIANCE, MAX_LOG_VARIANCE)
        return Posterior(
            (mean - self.latent_mean) / self.latent_deviation,
            limited - 2 * self.latent_deviation.log(),
        )

    def decode(
        self, latents: Float[Tensor, "batch latent_channels latent_rows columns"]
    ) -> Float[Tensor, "batch channels rows frames"]:
        """Features from normalized latents."""
        features: Tensor = self.decoder(latents * self.latent_deviation + self.latent_mean)
        return features.float()

    def mel(
        self, features: Float[Tensor, "batch channels rows frames"]
    ) -> Float[Tensor, "batch ears mels frames"]:
        """The log-mel bands in features of `mel`, `mono-mel` and `dual`."""
        return features[:, -self.config.n_ears :]

    def spectral(
        self, features: Float[Tensor, "batch channels rows frames"]
    ) -> Float[Tensor, "batch spectral_channels rows frames"]:
        """The features of spectra in those of `stft` and `dual`, with 256 rows."""
        if self.config.kind == "stft":
            return features
        folded = features[:, : -self.config.n_ears]
        return folded.unflatten(1, (-1, FOLD)).transpose(2, 3).flatten(2, 3)

    def spectrum(
        self, features: Float[Tensor, "batch channels rows frames"]
    ) -> Complex[Tensor, "batch 2 bins frames"]:
        """Spectra of both ears from features of `stft` and `dual`.

        With `dual`, the magnitude is that of the mel bands, and the phase that of the spectra
        (DualSpec, Fig. 2).
        """
        spectral = self.spectral(features)
        inverse = from_stft_features if self.config.ears == "channels" else from_interaural_features
        spectrum = inverse(spectral)
        if self.config.kind == "stft":
            return spectrum
        return torch.polar(mel_to_magnitude(self.mel(features)), spectrum.angle())

    def _spectral_features(self, spectrum: Complex[Tensor, "batch 2 bins frames"]) -> Tensor:
        channels = self.config.ears == "channels"
        return stft_features(spectrum) if channels else interaural_features(spectrum)


def fold(
    spectral: Float[Tensor, "batch channels 256 frames"],
) -> Float[Tensor, "batch folded_channels 64 frames"]:
    """Four rows of each channel as channels beside each other."""
    return spectral.unflatten(2, (MELS, FOLD)).transpose(2, 3).flatten(1, 2)


class _Encoder(nn.Module):
    """Features to mean and logarithm of the variance."""

    def __init__(self, config: SpectrogramVAEConfig) -> None:
        super().__init__()
        inputs = (config.n_channels, *config.channels[:-1])
        self.down = nn.ModuleList(
            Downsample2d(*each)
            for each in zip(inputs, config.channels, config.strides, strict=True)
        )
        rows = config.n_rows // config.strides[0][0]
        self.rows = nn.Parameter(torch.zeros(config.channels[0], rows, 1))
        self.blocks = nn.ModuleList(_scale(each, config.depth) for each in config.channels)
        self.norm = ChannelNorm(config.channels[-1])
        self.head = nn.Conv2d(config.channels[-1], 2 * config.latent_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        for number, (down, blocks) in enumerate(zip(self.down, self.blocks, strict=True)):
            x = down(x)
            x = blocks(x + self.rows.to(x.dtype) if number == 0 else x)
        y: Tensor = self.head(F.silu(self.norm(x)))
        return y


class _Decoder(nn.Module):
    """Latents to features."""

    def __init__(self, config: SpectrogramVAEConfig) -> None:
        super().__init__()
        channels = config.channels[::-1]
        self.stem = nn.Conv2d(config.latent_channels, channels[0], 3, padding=1)
        self.rows = nn.Parameter(torch.zeros(channels[0], config.latent_rows, 1))
        self.blocks = nn.ModuleList(_scale(each, config.depth) for each in channels)
        self.norms = nn.ModuleList(ChannelNorm(each) for each in channels)
        outputs = (*channels[1:], config.n_channels)
        scales = zip(channels, outputs, config.strides[::-1], strict=True)
        self.up = nn.ModuleList(Upsample2d(*scale) for scale in scales)

    def forward(self, z: Tensor) -> Tensor:
        x = self.stem(z.contiguous(memory_format=torch.channels_last))
        x = x + self.rows.to(x.dtype)
        for blocks, norm, up in zip(self.blocks, self.norms, self.up, strict=True):
            x = up(F.silu(norm(blocks(x))))
        return x


def _scale(channels: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock2d(channels, channels) for _ in range(depth)))
