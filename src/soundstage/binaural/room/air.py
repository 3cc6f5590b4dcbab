"""What air takes from a sound on its way: ISO 9613-1:1993, equations 3 to 5 and B.1 to B.3.

Oxygen and nitrogen take up energy around their relaxation frequencies f_O and f_N, which depend on
how humid the air is; with T in units of 293.15 K and p in units of 101.325 kPa

    α = 8.686·f²·[1.84·10⁻¹¹·√T/p + T^(−5/2)·(0.01275·e^(−2239.1/K)/(f_O + f²/f_O)
                                              + 0.1068·e^(−3352/K)/(f_N + f²/f_N))]   dB/m

where K is the temperature in kelvin.
"""

import numpy as np
from jaxtyping import Float

_KELVIN = 273.15
_TRIPLE_POINT = 273.16  # K, of water
_REFERENCE = 293.15  # K
_ATMOSPHERE = 101.325  # kPa


def air_attenuation(
    frequencies: Float[np.ndarray, "*points"],
    *,
    temperature: float = 20.0,
    humidity: float = 50.0,
    pressure: float = _ATMOSPHERE,
) -> Float[np.ndarray, "*points"]:
    """Attenuation of pure tones, in dB a meter.

    Args:
        frequencies: in Hz; the standard gives 10 % accuracy from 50 Hz to 10 kHz.
        temperature: in °C, −20 to 50.
        humidity: relative, in percent.
        pressure: in kPa.

    >>> (1000 * air_attenuation(np.array([1000.0, 4000.0]))).round(2)      # dB/km
    array([ 4.66, 29.67])
    """
    kelvin = temperature + _KELVIN
    t, p = kelvin / _REFERENCE, pressure / _ATMOSPHERE
    saturation = 10 ** (4.6151 - 6.8346 * (_TRIPLE_POINT / kelvin) ** 1.261)
    h = humidity * saturation / p  # percent of all molecules
    oxygen = p * (24 + 4.04e4 * h * (0.02 + h) / (0.391 + h))
    nitrogen = p / np.sqrt(t) * (9 + 280 * h * np.exp(-4.170 * (t ** (-1 / 3) - 1)))
    square = np.asarray(frequencies, dtype=float) ** 2
    relaxation = 0.01275 * np.exp(-2239.1 / kelvin) / (oxygen + square / oxygen)
    relaxation += 0.1068 * np.exp(-3352.0 / kelvin) / (nitrogen + square / nitrogen)
    return 8.686 * square * (1.84e-11 * np.sqrt(t) / p + t**-2.5 * relaxation)
