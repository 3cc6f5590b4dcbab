"""DiffStereo's compressed STFT: real channels of log-compressed spectra (Zhang et al. 2025).

Sound at 24 kHz in Hann windows of 1000 samples with a hop of 300 and an FFT of 1024 is compressed
on a logarithmic scale of magnitudes, with the phases unchanged (eq. 1):

    S' = γ·log(1 + |S|)·e^(j∠S)
    S  = (e^(|S'|/γ) − 1)·e^(j∠S')

γ = 0.15 brings the magnitudes of music into the range from 0 to 1. The channels are the real and
imaginary parts (§2.1 and §3.2): four for left and right, two for the mono signal between them,

    (Re S'_L, Im S'_L, Re S'_R, Im S'_R),    m = (s_L + s_R)/2

The inverse amplifies an error in S' by up to (1 + |S|)/γ. So it limits magnitudes of S' to 1, which
a signal at full scale does not reach (0.93); beyond it errors would grow a thousandfold.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.spectra import ShortWindowSTFT

COMPRESSED_RATE = 24_000  # Hz
COMPRESSED_TRANSFORM = ShortWindowSTFT(frame=1024, hop=300, length=1000)
GAMMA = 0.15
MAX_MAGNITUDE = 1.0  # of S'
PARTS = 2  # real and imaginary

_TINY = torch.finfo(torch.float32).tiny  # stands for a magnitude of 0, which has no phase


def to_compressed(
    spectrogram: Complex[Tensor, "*batch signals bins frames"],
) -> Float[Tensor, "*batch channels bins frames"]:
    """Compressed channels of one signal or several."""
    compressed = compress(spectrogram)
    return torch.stack([compressed.real, compressed.imag], dim=-3).flatten(-4, -3)


def from_compressed(
    channels: Float[Tensor, "*batch channels bins frames"],
) -> Complex[Tensor, "*batch signals bins frames"]:
    """The inverse of `to_compressed`, after `limit_magnitude`."""
    real, imaginary = limit_magnitude(channels).unflatten(-3, (-1, PARTS)).unbind(dim=-3)
    return expand(torch.complex(real, imaginary))


def limit_magnitude(
    channels: Float[Tensor, "*batch channels bins frames"],
) -> Float[Tensor, "*batch channels bins frames"]:
    """The same phases with magnitudes of S' of at most 1."""
    magnitude = channels.unflatten(-3, (-1, PARTS)).square().sum(dim=-3, keepdim=True).sqrt()
    gain = MAX_MAGNITUDE / magnitude.clamp(min=MAX_MAGNITUDE)
    return channels * gain.expand(*gain.shape[:-3], PARTS, -1, -1).flatten(-4, -3)


def compress(
    spectrum: Complex[Tensor, "*shape"], gamma: float = GAMMA
) -> Complex[Tensor, "*shape"]:
    """S' of a spectrum S, with γ above 0.

    >>> abs(compress(torch.tensor([0j, 3 + 4j]), 0.15)).mul(100).round().tolist()
    [0.0, 27.0]
    """
    magnitude = spectrum.abs()
    return spectrum * (gamma * magnitude.log1p() / magnitude.clamp(min=_TINY))


def expand(
    compressed: Complex[Tensor, "*shape"], gamma: float = GAMMA
) -> Complex[Tensor, "*shape"]:
    """S of a compressed spectrum S', the inverse of `compress`."""
    magnitude = compressed.abs()
    return compressed * ((magnitude / gamma).expm1() / magnitude.clamp(min=_TINY))
