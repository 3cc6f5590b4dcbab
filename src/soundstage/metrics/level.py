"""How loud a sound is, and how high it peaks, after ITU-R BS.1770-4."""

import math

from jaxtyping import Float
from torch import Tensor

from soundstage.audio import TruePeakMeter
from soundstage.errors import missing_extra

BLOCK_SECONDS = 0.4  # the standard's gating block; a shorter sound has no integrated loudness


def integrated_loudness(sound: Float[Tensor, "channels frames"], rate: int) -> float:
    """Gated loudness in LUFS, by pyloudnorm.

    A 997 Hz sine at full scale in one channel has −3.01. Energies of channels add up: a mono sound
    on two channels has 3 dB more than on one, so compare stereo with stereo.

    Args:
        sound: one to five channels, in the order L, R, C, Ls, Rs.
        rate: sample rate in Hz.

    Returns:
        −∞ where every block lies under the gate of −70 LUFS, as in silence; NaN for a sound shorter
        than one block of 400 ms.

    Raises:
        OptionError: pyloudnorm is not installed.
    """
    try:
        import pyloudnorm
    except ModuleNotFoundError as error:
        raise missing_extra("eval", "pyloudnorm", "Loudness") from error
    if sound.shape[-1] < BLOCK_SECONDS * rate:
        return math.nan
    return float(pyloudnorm.Meter(rate).integrated_loudness(sound.T.double().numpy()))


def true_peak(sound: Float[Tensor, "channels frames"], rate: int) -> float:
    """The largest value between the samples of any channel, in dBTP; −∞ for silence.

    Fourfold oversampled as in Annex 2 of the standard; a sine at full scale has 0 to within
    0.6 dB, the error of that interpolator.
    """
    meter = TruePeakMeter(rate, sound.shape[0])
    meter.push(sound.numpy())
    meter.finish()
    return 20 * math.log10(meter.true_peak) if meter.true_peak else -math.inf
