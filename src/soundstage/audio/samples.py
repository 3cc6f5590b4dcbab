"""Arrays of samples from other libraries: their types, layouts and sample rates.

Floating-point samples have a full scale of 1. Integers are scaled by the full scale of their type,
as in sound files: 2^15 for 16 bits; unsigned ones are centered on 2^(bits−1). Lists hold numbers of
full scale 1.
"""

import operator
from typing import Any

import numpy as np
from jaxtyping import Float

from soundstage.errors import InputError

MAX_CHANNELS = 256
_LONG_SIDE = 16  # times the short side: from there on the longer axis can only be time


def as_samples(samples: Any) -> np.ndarray:
    """Real samples of full scale 1 in single precision, in the layout that they have.

    Args:
        samples: NumPy array, torch tensor (any device), list, or any object with `__array__`.

    Raises:
        InputError: they are not real numbers, are masked in part, or their full scale is unknown.
    """
    array = _as_array(samples)
    if isinstance(array, np.ma.MaskedArray):
        if np.ma.is_masked(array):
            raise InputError("The samples are masked in part: fill the gaps first.")
        array = array.data
    kind = array.dtype.kind
    if kind == "f" or (isinstance(samples, list) and kind in "iu"):
        with np.errstate(over="ignore"):  # to infinity, which is refused as such
            return array.astype(np.float32)
    if kind not in "iu":
        raise InputError(
            f"Samples of type {array.dtype} are not real numbers: give integers or floats."
        )
    return _scaled(array)


def as_rate(rate: Any) -> int:
    """A sample rate in Hz.

    Raises:
        InputError: it is not a positive whole number.
    """
    try:
        if isinstance(rate, bool | np.bool_):
            raise TypeError
        whole = int(rate) if isinstance(rate, float | np.floating) else operator.index(rate)
        if whole != rate:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        whole = 0
    if whole <= 0:
        raise InputError(f"A sample rate of {rate!r} is not a positive whole number of Hz.")
    return whole


def channels_first(samples: np.ndarray) -> Float[np.ndarray, "channels frames"]:
    """(channels, frames) from (frames,), (channels, frames) or (frames, channels).

    Raises:
        InputError: there are more axes, or the axes are ambiguous.
    """
    if samples.ndim == 1:
        return samples[None]
    if samples.ndim != 2:
        raise InputError(
            f"Samples of shape {samples.shape} are not one sound: give (frames,) or "
            "(channels, frames)."
        )
    if not samples.size:
        raise InputError("The sound is empty: it has no samples.")
    rows, columns = samples.shape
    if rows == 1 or (_LONG_SIDE * rows <= columns and rows <= MAX_CHANNELS):
        return samples
    if columns == 1 or (_LONG_SIDE * columns <= rows and columns <= MAX_CHANNELS):
        return np.ascontiguousarray(samples.T)
    raise InputError(
        f"Channels and frames of samples of shape {samples.shape} cannot be distinguished: "
        "give Audio(samples, rate), which takes (channels, frames)."
    )


def _as_array(samples: Any) -> np.ndarray:
    if isinstance(samples, str | bytes | dict | set) or samples is None:
        raise InputError(f"Samples are an array of numbers, not {type(samples).__name__}.")
    try:
        if hasattr(samples, "detach"):  # a torch tensor; torch itself need not be imported
            samples = samples.detach().cpu().resolve_conj().resolve_neg()
            if "bfloat16" in str(samples.dtype):  # which NumPy does not have
                samples = samples.float()
            return samples.numpy()
        return np.asanyarray(samples)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"The samples are not an array of numbers ({error}).") from error


def _scaled(array: np.ndarray) -> np.ndarray:
    bits = 8 * array.dtype.itemsize
    full = 2.0 ** (bits - 1)
    steps = array.astype(np.float64)
    if array.dtype.kind == "u":
        steps -= full
    elif bits == 64 and 0 < np.abs(steps).max(initial=0) < 2.0**31:
        raise InputError(
            "The full scale of these 64-bit integers is unknown: convert them to the type of "
            "their values, such as int16, or to floats of full scale 1."
        )
    return (steps / full).astype(np.float32)
