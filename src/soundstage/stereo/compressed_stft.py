"""Sound as a picture of real numbers, as DiffStereo sees it (Zhang et al. 2025, §2.1 and §3.2).

Sound at 24 kHz is cut into Hann windows of 1000 samples every 300, transformed in frames of 1024,
and compressed (`spectra/compression.py`) with γ = 0.15, which brings the magnitudes of music into
the range from 0 to 1. Each channel of sound is two of the picture, its real and its imaginary part:
four for left and right, two for the mono between them,

    picture = (Re S'_L, Im S'_L, Re S'_R, Im S'_R),    m = (s_L + s_R)/2

The way back holds magnitudes of S' to 1, which a bin of a signal at full scale does not reach
(0.93): a model's mistakes there would come back a thousand times as large.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.spectra import ShortWindowSTFT, compress, expand

PICTURE_RATE = 24_000  # Hz
PICTURE_TRANSFORM = ShortWindowSTFT(frame=1024, hop=300, length=1000)
GAMMA = 0.15
LARGEST = 1.0  # magnitude of S'
PARTS = 2  # channels of the picture for each of the sound


def spectral_picture(
    spectrogram: Complex[Tensor, "*batch rows bins frames"],
) -> Float[Tensor, "*batch channels bins frames"]:
    """The picture of one row of sound or several."""
    compressed = compress(spectrogram, GAMMA)
    return torch.stack([compressed.real, compressed.imag], dim=-3).flatten(-4, -3)


def picture_spectrogram(
    picture: Float[Tensor, "*batch channels bins frames"],
) -> Complex[Tensor, "*batch rows bins frames"]:
    """The way back; what no sound has is brought to the loudest that one can have."""
    real, imaginary = held_to_sound(picture).unflatten(-3, (-1, PARTS)).unbind(dim=-3)
    return expand(torch.complex(real, imaginary), GAMMA)


def held_to_sound(
    picture: Float[Tensor, "*batch channels bins frames"],
) -> Float[Tensor, "*batch channels bins frames"]:
    """The same phases with magnitudes of S' of at most 1."""
    magnitude = picture.unflatten(-3, (-1, PARTS)).square().sum(dim=-3, keepdim=True).sqrt()
    held = LARGEST / magnitude.clamp(min=LARGEST)
    return picture * held.expand(*held.shape[:-3], PARTS, -1, -1).flatten(-4, -3)
