"""Filters from levels in octave bands: what walls and air do to a sound.

A level in dB is held around the middle of each band and goes over to the next as a raised cosine of
log frequency; it is constant below the first band and above the last. The filter has the minimum
phase of that magnitude, so that it sets in at once and is over soon.
"""

import numpy as np
from jaxtyping import Float

from soundstage.binaural.hrtf.onsets import minimum_phase

OCTAVE_BANDS = np.array([125.0, 250, 500, 1000, 2000, 4000, 8000, 16000])  # Hz, the middles
_FINENESS = 20.0  # Hz between samples of the magnitude, so that the cepstrum does not fold


def band_weights(frequencies: Float[np.ndarray, " points"]) -> Float[np.ndarray, "bands points"]:
    """How much each octave band counts at frequencies in Hz; the weights add up to 1.

    >>> band_weights(np.array([0.0, 1000.0, 30_000.0])).argmax(axis=0)
    array([0, 3, 7])
    """
    octaves = np.log2(np.maximum(frequencies, OCTAVE_BANDS[0]) / OCTAVE_BANDS[0])
    octaves = np.minimum(octaves, len(OCTAVE_BANDS) - 1)
    away = np.abs(octaves - np.arange(len(OCTAVE_BANDS))[:, None]).clip(max=1)
    return np.cos(np.pi / 2 * away) ** 2


def minimum_phase_response(
    gains_db: Float[np.ndarray, "*batch bands"], taps: int, rate: int
) -> Float[np.ndarray, "*batch taps"]:
    """Impulse responses with these gains.

    Args:
        gains_db: in dB, of `OCTAVE_BANDS`; those above half of the rate do not matter.
        taps: of the responses, which are cut there: detail finer than rate/taps is smoothed.
        rate: in Hz.
    """
    size = 1 << (int(max(taps, rate / _FINENESS)) - 1).bit_length()
    weights = band_weights(np.fft.rfftfreq(size, 1 / rate))
    spectra = minimum_phase(np.log(10) / 20 * (gains_db @ weights), size)
    return np.fft.irfft(spectra, size)[..., :taps]
