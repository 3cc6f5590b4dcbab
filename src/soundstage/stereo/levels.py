"""What a network hears of the mid: the levels of 128 bands in every frame of the coder.

The frames are those of the parameters (4096 samples, one each 1024, at 44.1 kHz), the bands are
finer than the 34 that are predicted: triangles even on HTK's mel scale from 0 Hz to Nyquist, each
wide enough to hold a bin. Levels are in dB under a sine at full scale, so that a gain is one
number added to all of them, and sixteen bits hold them.
"""

from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.spectra.mel import htk_mel_filters
from soundstage.stereo.parameters import BAND_OF_BIN, RATE, TRANSFORM

LEVELS = 128
QUIETEST = -100.0  # dB; below lies the rounding of 16-bit sound, spread over the bands
FULL_SCALE = (TRANSFORM.frame / 4) ** 2  # power of a sine at full scale in its highest bin
_FILTERS = htk_mel_filters(LEVELS, TRANSFORM.frame, RATE, 0, RATE / 2)
_SHARES = _FILTERS / _FILTERS.sum(dim=0).clamp(min=1e-6)  # of every bin, over the triangles
BANDS_OF_LEVELS = BAND_OF_BIN @ (_SHARES / _FILTERS.sum(dim=1, keepdim=True)).T
"""Energy in each of the coder's bands from those of the levels."""


def mid_levels(
    spectrogram: Complex[Tensor, "*batch bins frames"],
) -> Float[Tensor, "*batch frames levels"]:
    """Levels in dB, from `QUIETEST` to a little over 0, of a mid analyzed by `TRANSFORM`.

    Time comes before the bands, as networks want it.
    """
    power = spectrogram.real.square() + spectrogram.imag.square()
    levels = 10 * (_FILTERS @ power / FULL_SCALE + 10 ** (QUIETEST / 10)).log10()
    return levels.transpose(-1, -2)


def levels_energy(
    levels: Float[Tensor, "*batch frames levels"],
) -> Float[Tensor, "*batch bands frames"]:
    """About the energy in the coder's bands, one for a sine at full scale.

    The power of a level is shared out to the bands as white noise in its triangle would be.
    """
    return BANDS_OF_LEVELS @ (10 ** (levels / 10)).transpose(-1, -2)
