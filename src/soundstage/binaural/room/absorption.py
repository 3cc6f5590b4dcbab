"""Absorption by walls and air, as minimum-phase filters from levels in octave bands.

*Walls.* A reflection multiplies the amplitude by √(1 − α), with the absorption α of each octave
band.

*Air* (ISO 9613-1:1993, equations 3 to 5 and B.1 to B.3). Oxygen and nitrogen absorb around their
relaxation frequencies f_O and f_N, which depend on humidity; with T in units of 293.15 K and p in
units of 101.325 kPa

    α = 8.686·f²·[1.84·10⁻¹¹·√T/p + T^(−5/2)·(0.01275·e^(−2239.1/K)/(f_O + f²/f_O)
                                              + 0.1068·e^(−3352/K)/(f_N + f²/f_N))]   dB/m

where K is the temperature in kelvin.

*Filters.* A level in dB is interpolated between the centers of octave bands as a raised cosine of
log frequency, and constant below the first and above the last. The filters have the minimum phase
of that magnitude, hence no delay, and are tabulated by the number of reflections and, with air, by
`STEPS` distances, 10 % apart. Reflections are not attenuated by air, which is included in the
reverberation time of the room.
"""

import numpy as np
from jaxtyping import Float, Float32, Int

from soundstage.binaural.hrtf.onsets import minimum_phase
from soundstage.binaural.trajectories import FARTHEST, NEAREST

OCTAVE_BANDS = np.array([125.0, 250, 500, 1000, 2000, 4000, 8000, 16000])  # Hz, centers
TAPS = 128
STEPS = 97
_RESOLUTION = 20.0  # Hz between samples of the magnitude, against aliasing of the cepstrum
_KELVIN = 273.15
_TRIPLE_POINT = 273.16  # K, of water
_REFERENCE = 293.15  # K
_ATMOSPHERE = 101.325  # kPa


class AbsorptionFilters:
    """Filters by the number of reflections and the distance.

    Args:
        rate: in Hz.
        wall_gains: amplitude gain of one reflection in each octave band, at most 1; None: no walls.
        order: largest number of reflections.
        air: apply air absorption.

    Attributes:
        has_air: whether air absorption is applied.
        filters: by reflections, then by distance.
    """

    def __init__(
        self,
        rate: int,
        *,
        wall_gains: Float[np.ndarray, " octaves"] | None = None,
        order: int = 0,
        air: bool = False,
    ) -> None:
        self.has_air = air
        self._distances = np.geomspace(NEAREST, FARTHEST, STEPS) if air else np.ones(1)
        per_meter = air_attenuation(OCTAVE_BANDS) if air else np.zeros(len(OCTAVE_BANDS))
        per_wall = np.zeros(len(OCTAVE_BANDS)) if wall_gains is None else 20 * np.log10(wall_gains)
        reflections = np.arange(order + 1)[:, None, None]
        in_air = self._distances[:, None] * per_meter
        gains = np.where(reflections == 0, -in_air, reflections * per_wall)
        self.filters: Float32[np.ndarray, "reflections distances taps"]
        self.filters = minimum_phase_response(gains, TAPS, rate).astype(np.float32)

    def nearest(self, distances: Float[np.ndarray, "*points"]) -> Int[np.ndarray, "*points"]:
        """Index of the filter for each distance in meters."""
        if len(self._distances) == 1:
            return np.zeros(distances.shape, np.int64)
        step = np.log(distances / NEAREST) / np.log(self._distances[1] / NEAREST)
        return np.rint(step).astype(np.int64).clip(0, STEPS - 1)


def air_attenuation(
    frequencies: Float[np.ndarray, "*points"],
    *,
    temperature: float = 20.0,
    humidity: float = 50.0,
    pressure: float = _ATMOSPHERE,
) -> Float[np.ndarray, "*points"]:
    """Attenuation of pure tones in air, in dB per meter.

    Args:
        frequencies: in Hz; the standard states 10 % accuracy from 50 Hz to 10 kHz.
        temperature: in °C, −20 to 50.
        humidity: relative, in percent.
        pressure: in kPa.

    >>> (1000 * air_attenuation(np.array([1000.0, 4000.0]))).round(2)      # dB/km
    array([ 4.66, 29.67])
    """
    kelvin = temperature + _KELVIN
    t, p = kelvin / _REFERENCE, pressure / _ATMOSPHERE
    saturation = 10 ** (4.6151 - 6.8346 * (_TRIPLE_POINT / kelvin) ** 1.261)
    h = humidity * saturation / p  # molar concentration of water vapor, in percent
    oxygen = p * (24 + 4.04e4 * h * (0.02 + h) / (0.391 + h))
    nitrogen = p / np.sqrt(t) * (9 + 280 * h * np.exp(-4.170 * (t ** (-1 / 3) - 1)))
    square = np.asarray(frequencies, dtype=float) ** 2
    relaxation = 0.01275 * np.exp(-2239.1 / kelvin) / (oxygen + square / oxygen)
    relaxation += 0.1068 * np.exp(-3352.0 / kelvin) / (nitrogen + square / nitrogen)
    return 8.686 * square * (1.84e-11 * np.sqrt(t) / p + t**-2.5 * relaxation)


def band_weights(frequencies: Float[np.ndarray, " points"]) -> Float[np.ndarray, "bands points"]:
    """Weight of each octave band at frequencies in Hz; they sum to 1.

    >>> band_weights(np.array([0.0, 1000.0, 30_000.0])).argmax(axis=0)
    array([0, 3, 7])
    """
    octaves = np.log2(np.maximum(frequencies, OCTAVE_BANDS[0]) / OCTAVE_BANDS[0])
    octaves = np.minimum(octaves, len(OCTAVE_BANDS) - 1)
    distance = np.abs(octaves - np.arange(len(OCTAVE_BANDS))[:, None]).clip(max=1)
    return np.cos(np.pi / 2 * distance) ** 2


def minimum_phase_response(
    gains_db: Float[np.ndarray, "*batch bands"], taps: int, rate: int
) -> Float[np.ndarray, "*batch taps"]:
    """Minimum-phase impulse responses with given gains in octave bands.

    Args:
        gains_db: in dB, for `OCTAVE_BANDS`; bands above half of the rate are ignored.
        taps: of the responses; truncation smooths details finer than rate/taps.
        rate: in Hz.
    """
    size = 1 << (int(max(taps, rate / _RESOLUTION)) - 1).bit_length()
    weights = band_weights(np.fft.rfftfreq(size, 1 / rate))
    spectra = minimum_phase(np.log(10) / 20 * (gains_db @ weights), size)
    return np.fft.irfft(spectra, size)[..., :taps]
