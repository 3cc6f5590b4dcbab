"""How much of the input a result still holds."""

import numpy as np
from jaxtyping import Float

SILENT_DB = -400.0  # stands for no error at all


def fold_down_error(
    stereo: Float[np.ndarray, "2 frames"], mono: Float[np.ndarray, " frames"]
) -> float:
    """Power of (L+R)/2 − input over that of the input, in dB; −400 when they are equal.

    Computed in double precision, so that what is measured is the result and not the measure. A
    silent input counts as full scale.
    """
    wide = stereo.astype(np.float64)
    error = np.mean(((wide[0] + wide[1]) / 2 - mono) ** 2)
    power = np.mean(mono.astype(np.float64) ** 2)
    if error == 0:
        return SILENT_DB
    return float(10 * np.log10(error / (power if power > 0 else 1.0)))
