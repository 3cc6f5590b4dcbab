"""The networks of `ambisonic`: a variational autoencoder that completes W to X and Y.

The method of Zang et al. (2024), with their W = (L + R)/2 and

    z = encoder(W),   μ, log σ² = posterior(L, R),   c = μ + σ·ε,   X, Y = decoder(z, c)

all three SEANets. L and R are two virtual microphones that face 22.5° and 202.5° in the field of
training: c holds the places that W does not tell. If only W is given, c is drawn (`draw`), as
published from N(0, 1).

The published network (`patch` 1) works on samples and has LSTMs and a transformer at its lowest
rate. The small one differs, to run ten times faster than real time on one thread:

- Its first convolution is a pair of orthogonal lapped transforms, MDCT and MDST of `patch` bands
  (Princen and Bradley 1987; Malvar 1999). The network sees log levels of their coefficients w, and
  its outputs are gains of both,

      x_b(t) = Σ_j g_bj(t) · (h_j * w_b)(t),     h_0 = 1,   h_1 a learned filter over `taps` frames

  for X and Y each, so that a result scales with its input. h_1 is the room. In the mean of the two
  inverses the aliasing of one, which gains leave, is that of the other with the opposite sign.
- c is constant over a signal, as places are in a song. It modulates every scale of the decoder, and
  is a linear input of the gains. Without W it is drawn from a Gaussian that was fitted, after the
  training, to the posteriors of the training (Ghosh et al., "From variational to deterministic
  autoencoders", ICLR 2020, §4): with a low weight of the divergence they do not fill N(0, 1).
- The posterior sees the whole field: the normalized intensities W·X and W·Y in every band.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.seanet import ResidualUnit, SeanetDecoder, SeanetEncoder
from soundstage.spectra.cached_tensors import cached_tensor
from soundstage.weights.config import ModelConfig, bounded

PAIR_DEGREES = 22.5  # azimuth of the virtual microphone L, as published; R faces away from it
KERNEL = 7  # samples of the first and last convolution of the published network
MAX_LOG_VARIANCE = 10.0  # either way, as published
LEVEL, SPREAD = -7.0, 3.0  # of log levels of music, in nepers of power
TINY = 1e-9  # power of a coefficient, −90 dB
BRANCHES = 2  # gains of a band: of itself and of the room
Kind = Literal["cosine", "sine"]
TRANSFORMS: tuple[Kind, Kind] = ("cosine", "sine")


@dataclass(frozen=True, kw_only=True)
class AmbisonicVAEConfig(ModelConfig):
    """Config of an `AmbisonicVAE`; the defaults are the published one's.

    Raises:
        ValueError: the channels do not fit the ratios, the heads or the patch.
    """

    family: ClassVar[str] = "ambisonic"

    patch: int = bounded(1, 1024, 1)
    """Samples of a frame, and bands of the lapped transform; 1 for a network of samples."""
    taps: int = bounded(1, 256, 16)
    """Frames of the room, with a patch."""
    channels: tuple[int, ...] = bounded(2, 1024, (32, 64, 128, 256, 512))
    """Of every scale."""
    ratios: tuple[int, ...] = bounded(2, 16, (2, 4, 5, 8))
    """Strides between them."""
    dilations: tuple[int, ...] = bounded(1, 64, ())
    """Of residual units at the lowest rate."""
    recurrent_layers: int = bounded(0, 8, 2)
    """LSTM layers at the lowest rate of every encoder and decoder."""
    depth: int = bounded(0, 64, 8)
    """Transformer layers at the lowest rate."""
    heads: int = bounded(1, 64, 8)
    latent_dim: int = bounded(2, 1024, 64)
    """Of z and of c."""
    posterior_channels: int = bounded(2, 1024, 64)
    """With a patch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.channels) != len(self.ratios) + 1:
            raise ValueError("there is one more number in channels than in ratios")
        if self.patch > 1 and self.patch % 2:
            raise ValueError(f"patch is 1 or even, not {self.patch}")
        if self.depth and 2 * self.latent_dim % self.heads:
            raise ValueError(f"2 × latent_dim {self.latent_dim} is not divisible by the heads")

    @property
    def is_constant(self) -> bool:
        """Whether c is constant over a signal."""
        return self.patch > 1

    @property
    def hop(self) -> int:
        """Samples of a frame at the lowest rate."""
        return self.patch * math.prod(self.ratios)

    def build(self) -> "AmbisonicVAE":
        """The network, with random weights."""
        return AmbisonicVAE(self)


class Completed(NamedTuple):
    """X and Y with the posterior of c."""

    field: Float[Tensor, "batch 2 samples"]
    mean: Float[Tensor, "batch dim frames"]
    log_variance: Float[Tensor, "batch dim frames"]


class AmbisonicVAE(nn.Module):
    """X and Y from W, and c from all three; AmbiX channels of a horizontal field."""

    prior_mean: Tensor
    prior_factor: Tensor

    def __init__(self, config: AmbisonicVAEConfig) -> None:
        super().__init__()
        self.config = config
        cond_dim = config.latent_dim if config.is_constant else 0
        ends = _Lapped if config.is_constant else _Waves
        self.ends = ends(config)
        self.encoder = SeanetEncoder(config.channels, config.ratios)
        self.middle = _Middle(config)
        self.decoder = SeanetDecoder(config.channels, config.ratios, cond_dim)
        if config.is_constant:
            self.register_buffer("prior_mean", torch.zeros(cond_dim))
            self.register_buffer("prior_factor", torch.eye(cond_dim))  # of the covariance
        self.posterior = (_BandPosterior if config.is_constant else _StereoPosterior)(config)

    def forward(
        self,
        mid: Float[Tensor, "batch samples"],
        field: Float[Tensor, "batch 2 samples"],
        noise: Float[Tensor, "batch dim frames"] | None = None,
    ) -> Completed:
        """X and Y with c of their own posterior.

        Args:
            mid: W.
            field: X and Y.
            noise: ε; by default drawn. Frames are 1 for a constant c.
        """
        mean, log_variance = self.encode(mid, field)
        noise = torch.randn_like(mean) if noise is None else noise
        latent = mean + (0.5 * log_variance).exp() * noise
        return Completed(self.decode(mid, latent), mean, log_variance)

    def encode(
        self, mid: Float[Tensor, "batch samples"], field: Float[Tensor, "batch 2 samples"]
    ) -> tuple[Float[Tensor, "batch dim frames"], Float[Tensor, "batch dim frames"]]:
        """μ and log σ² of c."""
        sound = self._padded(torch.cat([mid[:, None], field], dim=1))
        mean, log_variance = self.posterior(sound).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-MAX_LOG_VARIANCE, MAX_LOG_VARIANCE)

    def draw(self, noise: Float[Tensor, "batch dim frames"]) -> Float[Tensor, "batch dim frames"]:
        """Draw c from its prior by standard Gaussian noise."""
        if not self.config.is_constant:
            return noise
        return self.prior_mean[:, None] + self.prior_factor @ noise

    def decode(
        self, mid: Float[Tensor, "batch samples"], latent: Float[Tensor, "batch dim frames"]
    ) -> Float[Tensor, "batch 2 samples"]:
        """X and Y for a given c.

        Args:
            mid: W.
            latent: c, one for every `config.hop` samples, or one for the signal.
        """
        whole = self._padded(mid[:, None])
        features, coefficients = self.ends.analyze(whole)
        *skips, lowest = self.encoder(features)
        cond = latent[..., 0] if self.config.is_constant else None
        x = self.decoder(self.middle(lowest, latent), skips, cond)
        return self.ends.synthesize(x, coefficients, cond)[..., : mid.shape[-1]]

    def _padded(self, sound: Tensor) -> Tensor:
        """Of whole frames at the lowest rate; the lapped transform adds a frame."""
        added = self.config.patch if self.config.is_constant else 0
        return F.pad(sound, (0, -(sound.shape[-1] + added) % self.config.hop))


class _Middle(nn.Module):
    """z from the lowest scale, joined with c, back to the channels of that scale."""

    def __init__(self, config: AmbisonicVAEConfig) -> None:
        super().__init__()
        channels, dim = config.channels[-1], config.latent_dim
        layers = config.recurrent_layers
        self.recurrent_in = _Recurrent(channels, layers) if layers else nn.Identity()
        self.reduce = nn.Conv1d(channels, dim, KERNEL, padding=KERNEL // 2)
        self.attention = None
        if config.depth:
            layer = nn.TransformerEncoderLayer(2 * dim, config.heads, batch_first=True)
            self.attention = nn.TransformerEncoder(layer, config.depth, enable_nested_tensor=False)
        self.expand = nn.Conv1d(2 * dim, channels, 1 if config.is_constant else KERNEL)
        self.recurrent_out = _Recurrent(channels, layers) if layers else nn.Identity()
        self.units = nn.ModuleList(
            ResidualUnit(channels, dilation=each) for each in config.dilations
        )

    def forward(
        self, x: Float[Tensor, "batch channels lowest"], latent: Float[Tensor, "batch dim frames"]
    ) -> Float[Tensor, "batch channels lowest"]:
        z = self.reduce(F.elu(self.recurrent_in(x)))
        z = torch.cat([z, latent.expand(-1, -1, z.shape[-1])], dim=1)
        if self.attention is not None:
            z = self.attention(z.transpose(1, 2)).transpose(1, 2)
        margin = self.expand.kernel_size[0] // 2
        z = self.recurrent_out(self.expand(F.pad(z, (margin, margin))))
        for unit in self.units:
            z = unit(z)
        return z


class _Recurrent(nn.Module):
    """LSTM layers over time, beside the identity."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, layers, batch_first=True)

    def forward(self, x: Float[Tensor, "batch channels frames"]) -> Tensor:
        y: Tensor = self.lstm(x.transpose(1, 2))[0]
        return x + y.transpose(1, 2)


class _StereoPosterior(nn.Module):
    """Of a network of samples: a SEANet encoder of L and R."""

    def __init__(self, config: AmbisonicVAEConfig) -> None:
        super().__init__()
        channels, dim, layers = config.channels, config.latent_dim, config.recurrent_layers
        self.stem = nn.Conv1d(2, channels[0], KERNEL, padding=KERNEL // 2)
        self.encoder = SeanetEncoder(channels, config.ratios)
        self.recurrent = _Recurrent(channels[-1], layers) if layers else nn.Identity()
        self.reduce = nn.Conv1d(channels[-1], dim, KERNEL, padding=KERNEL // 2)
        self.head = nn.Conv1d(dim, 2 * dim, 1)

    def forward(self, sound: Float[Tensor, "batch 3 samples"]) -> Tensor:
        azimuth = math.radians(PAIR_DEGREES)
        mid, x, y = sound.unbind(dim=1)
        side = math.cos(azimuth) * x + math.sin(azimuth) * y
        lowest = self.encoder(self.stem(torch.stack([mid + side, mid - side], dim=1)))[-1]
        output: Tensor = self.head(self.reduce(F.elu(self.recurrent(lowest))))
        return output


class _BandPosterior(nn.Module):
    """Of a network of bands: from intensities in every frame, and over the whole signal."""

    def __init__(self, config: AmbisonicVAEConfig) -> None:
        super().__init__()
        channels = config.posterior_channels
        self.patch = config.patch
        self.stem = nn.Conv1d(3 * config.patch, channels, 1)
        self.units = nn.ModuleList(ResidualUnit(channels, dilation=each) for each in (1, 2))
        self.whole = nn.Linear(2 * config.patch, channels)
        self.head = nn.Linear(channels, 2 * config.latent_dim)

    def forward(self, sound: Float[Tensor, "batch 3 samples"]) -> Float[Tensor, "batch twice 1"]:
        batch = len(sound)
        bands = lapped(sound.flatten(0, 1), self.patch).unflatten(0, (batch, 3))
        power = _smoothed(bands[:, 0].square())
        products = _smoothed((bands[:, :1] * bands[:, 1:]).flatten(1, 2))
        intensity = products.unflatten(1, (2, self.patch)) / (power + TINY)[:, None]
        features = torch.cat([_log_levels(power)[:, None], intensity.clamp(-2, 2)], dim=1)
        x = self.stem(features.flatten(1, 2))
        for unit in self.units:
            x = unit(x)
        means = products.mean(dim=-1) / (power.mean(dim=-1) + TINY).repeat(1, 2)
        pooled = F.elu(x).mean(dim=-1) + self.whole(means.clamp(-2, 2))
        output: Tensor = self.head(pooled)[..., None]
        return output


class _Waves(nn.Module):
    """Ends of a network of samples."""

    def __init__(self, config: AmbisonicVAEConfig) -> None:
        super().__init__()
        channels = config.channels[0]
        self.first = nn.Conv1d(1, channels, KERNEL, padding=KERNEL // 2)
        self.last = nn.Conv1d(channels, 2, KERNEL, padding=KERNEL // 2)

    def analyze(self, sound: Float[Tensor, "batch 1 samples"]) -> tuple[Tensor, Tensor]:
        """Features, and the sound."""
        return self.first(sound), sound

    def synthesize(
        self, x: Float[Tensor, "batch channels samples"], sound: Tensor, cond: Tensor | None
    ) -> Float[Tensor, "batch 2 samples"]:
        """X and Y from the activations alone."""
        output: Tensor = self.last(F.elu(x))
        return output


class _Lapped(nn.Module):
    """Ends of a network of bands."""

    def __init__(self, config: AmbisonicVAEConfig) -> None:
        super().__init__()
        self.patch, self.taps = config.patch, config.taps
        self.first = nn.Conv1d(self.patch, config.channels[0], 1)
        self.last = nn.Conv1d(config.channels[0], 2 * BRANCHES * self.patch, 1)
        self.places = nn.Linear(config.latent_dim, 2 * BRANCHES * self.patch)
        self.room = nn.Parameter(0.3 * torch.randn(2 * self.patch, 1, self.taps))

    def analyze(self, sound: Float[Tensor, "batch 1 samples"]) -> tuple[Tensor, Tensor]:
        """Features, and the coefficients w of both transforms."""
        bands = torch.stack([lapped(sound[:, 0], self.patch, kind) for kind in TRANSFORMS], dim=1)
        return self.first(_log_levels(_smoothed(bands.square().mean(dim=1)))), bands

    def synthesize(
        self,
        x: Float[Tensor, "batch channels frames"],
        bands: Float[Tensor, "batch 2 bands frames"],
        cond: Float[Tensor, "batch dim"] | None,
    ) -> Float[Tensor, "batch 2 samples"]:
        """X and Y by gains of w and of the room."""
        assert cond is not None
        logits = self.last(F.elu(x)) + self.places(cond)[..., None]
        gains = torch.tanh(logits.float()).unflatten(1, (BRANCHES, 1, 2, self.patch))
        twice = bands.repeat(1, 1, 2, 1)
        past = F.pad(twice.flatten(0, 1), (self.taps, -1))
        delayed = F.conv1d(past, self.room, groups=2 * self.patch).float()
        direct, room = (each.reshape(-1, 2, 2, *bands.shape[2:]) for each in (twice, delayed))
        outputs = (gains[:, 0] * direct + gains[:, 1] * room) / len(TRANSFORMS)
        sounds = [
            unlapped(output.flatten(0, 1), self.patch, kind)
            for output, kind in zip(outputs.unbind(dim=1), TRANSFORMS, strict=True)
        ]
        return torch.stack(sounds).sum(dim=0).unflatten(0, (-1, 2))


def _log_levels(power: Tensor) -> Tensor:
    """About −3 to 3."""
    return ((power + TINY).log() - LEVEL) / SPREAD


def _smoothed(products: Float[Tensor, "batch bands frames"]) -> Float[Tensor, "batch bands frames"]:
    """Means of three frames: a coefficient of a steady sine changes with its phase."""
    padded = F.pad(products, (1, 1), mode="replicate")
    return (padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]) / 4


def lapped(
    sound: Float[Tensor, "batch samples"], bands: int, kind: Kind = "cosine"
) -> Float[Tensor, "batch bands frames"]:
    """MDCT or MDST of whole frames; there is one frame more than `bands` goes into the samples."""
    with torch.autocast(sound.device.type, enabled=False):
        padded = F.pad(sound.float(), (bands, bands))[:, None]
        return F.conv1d(padded, _basis(bands, kind).to(sound.device), stride=bands)


def unlapped(
    coefficients: Float[Tensor, "batch bands frames"], bands: int, kind: Kind = "cosine"
) -> Float[Tensor, "batch samples"]:
    """The inverse of `lapped`."""
    with torch.autocast(coefficients.device.type, enabled=False):
        basis = _basis(bands, kind).to(coefficients.device)
        return F.conv_transpose1d(coefficients.float(), basis, stride=bands)[:, 0, bands:-bands]


@cached_tensor
def _basis(bands: int, kind: Kind) -> Float[Tensor, "bands 1 window"]:
    """√(2/N)·sin(π(n + ½)/2N)·cos(π/N·(n + ½ + N/2)(k + ½)), orthonormal with its shifts by N.

    So is the same with a sine in place of the cosine.
    """
    n = torch.arange(2 * bands, dtype=torch.float64) + 0.5
    k = torch.arange(bands, dtype=torch.float64) + 0.5
    window = math.sqrt(2 / bands) * (math.pi / (2 * bands) * n).sin()
    phase = math.pi / bands * (n + bands / 2) * k[:, None]
    return (window * (phase.cos() if kind == "cosine" else phase.sin())).float()[:, None]
