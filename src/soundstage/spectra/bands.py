"""Bands of equal width on the ear's frequency scale.

The number of equivalent rectangular bandwidths (ERB) below a frequency f in Hz is
21.4·log10(1 + 0.00437·f) (Glasberg and Moore, 1990, Eq. 4). Equal steps on that scale, rounded to
bins of the transform, are the "approximately ERB" bands of Breebaart et al. (2005).
"""

import numpy as np

ERBS_PER_DECADE = 21.4
ERB_SLOPE = 0.00437  # a Hz


def erb_rate(frequency: np.ndarray | float) -> np.ndarray:
    """Number of equivalent rectangular bandwidths below `frequency` (Hz, 0 and up)."""
    return ERBS_PER_DECADE * np.log10(1 + ERB_SLOPE * np.asarray(frequency, dtype=float))


def erb_band_edges(bands: int, frame_length: int, rate: int) -> np.ndarray:
    """First bin of every band and, last, one past the bin of the Nyquist frequency.

    Args:
        bands: how many bands share the range from 0 Hz to `rate`/2.
        frame_length: samples in a frame of the transform, even.
        rate: samples a second.

    Returns:
        `bands` + 1 increasing bin numbers, from 0 to frame_length/2 + 1.

    Raises:
        ValueError: the lowest band would hold no bin.

    >>> erb_band_edges(34, 4096, 44100)[[0, 1, 2, 33, 34]].tolist()
    [0, 3, 7, 1787, 2049]
    """
    rates = np.linspace(0, erb_rate(rate / 2), bands + 1)
    frequencies = (10 ** (rates / ERBS_PER_DECADE) - 1) / ERB_SLOPE
    edges = np.round(frequencies * frame_length / rate).astype(int)
    edges[-1] = frame_length // 2 + 1
    if np.any(np.diff(edges) < 1):
        raise ValueError(f"{bands} bands are too many for frames of {frame_length} at {rate} Hz")
    return edges
