"""Integrated loudness and true peak, after ITU-R BS.1770-4."""

import math

from jaxtyping import Float
from torch import Tensor

from soundstage import audio
from soundstage.errors import missing_extra

BLOCK_SECONDS = 0.4  # the standard's gating block; a shorter sound has no integrated loudness


def integrated_loudness(sound: Float[Tensor, "channels frames"], rate: int) -> float:
    """Gated loudness in LUFS, computed by pyloudnorm.

    A 997 Hz sine at full scale in one channel has −3.01 LUFS. Channel energies add: a mono signal
    on two channels has 3 dB more than on one, so compare stereo only with stereo.

    Args:
        sound: one to five channels, in the order L, R, C, Ls, Rs.
        rate: sample rate in Hz.

    Returns:
        −∞ if every block lies under the gate of −70 LUFS, as in silence; NaN for a sound shorter
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
    """Largest value between the samples of any channel, in dBTP; −∞ for silence.

    Oversampled four times as in Annex 2 of the standard; exact to 0.6 dB for a sine at full scale.
    """
    peak = audio.true_peak(sound.numpy(), rate)
    return 20 * math.log10(peak) if peak else -math.inf
