"""Perceptual frequency scales: ERB bands, and mel filter banks after HTK and Slaney.

*ERB.* The number of equivalent rectangular bandwidths below a frequency f in Hz is
21.4·log10(1 + 0.00437·f) (Glasberg and Moore, 1990, Eq. 4). Equal steps on that scale, rounded to
bins of the transform, are the "approximately ERB" bands of Breebaart et al. (2005).

*Mel.* Two scales share the name. HTK's is 2595·log10(1 + f/700) (Young et al., The HTK Book, Eq.
5.13); Slaney's is linear up to 1 kHz, 200/3 Hz per mel, and logarithmic above, a factor of 6.4 in
27 steps (Auditory Toolbox, 1998). The band edges are evenly spaced on the scale; a band rises from
its lower neighbor's center to its own and falls to its upper neighbor's. HTK's triangles are linear
in mels, with a peak of 1; Slaney's in hertz, with an area of 1. A network needs the filter bank
that it was trained with.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

ERBS_PER_DECADE = 21.4
ERB_SLOPE = 0.00437  # per Hz

SLANEY_BREAK_HZ = 1000.0
SLANEY_HZ_PER_MEL = 200 / 3  # up to the break, which is mel 15
SLANEY_LOG_STEP = np.log(6.4) / 27  # per mel, above it


def erb_rate(frequency: np.ndarray | float) -> np.ndarray:
    """Number of equivalent rectangular bandwidths below `frequency` (Hz, 0 or more)."""
    return ERBS_PER_DECADE * np.log10(1 + ERB_SLOPE * np.asarray(frequency, dtype=float))


def erb_band_edges(bands: int, frame_length: int, rate: int) -> np.ndarray:
    """First bin of every band and, last, one past the bin of the Nyquist frequency.

    Args:
        bands: number of bands from 0 Hz to `rate`/2.
        frame_length: samples in a frame of the transform, even.
        rate: sample rate in Hz.

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


def hertz_to_htk_mel(frequency: np.ndarray | float) -> np.ndarray:
    """HTK's mels of a frequency (Hz, 0 or more)."""
    return 2595 * np.log10(1 + np.asarray(frequency, dtype=float) / 700)


def hertz_to_slaney_mel(frequency: np.ndarray | float) -> np.ndarray:
    """Slaney's mels of a frequency (Hz, 0 or more)."""
    frequency = np.asarray(frequency, dtype=float)
    octaves = np.log(np.maximum(frequency, SLANEY_BREAK_HZ) / SLANEY_BREAK_HZ)
    straight = np.minimum(frequency, SLANEY_BREAK_HZ) / SLANEY_HZ_PER_MEL
    return straight + octaves / SLANEY_LOG_STEP


def slaney_mel_to_hertz(mel: np.ndarray | float) -> np.ndarray:
    """Frequency in Hz of Slaney's mels (0 or more)."""
    mel = np.asarray(mel, dtype=float)
    break_mel = SLANEY_BREAK_HZ / SLANEY_HZ_PER_MEL
    straight = np.minimum(mel, break_mel) * SLANEY_HZ_PER_MEL
    return straight * np.exp(np.maximum(mel - break_mel, 0) * SLANEY_LOG_STEP)


def htk_mel_filters(
    bands: int, frame: int, rate: int, lowest: float, highest: float
) -> Float[Tensor, "bands bins"]:
    """HTK's triangles: linear in mels, peak 1. VGGish applies them to magnitudes.

    Args:
        bands: number of bands.
        frame: samples in a frame of the transform, even; it has frame/2 + 1 bins.
        rate: sample rate in Hz.
        lowest: lower edge of the first band, in Hz.
        highest: upper edge of the last band, in Hz, at most rate/2.

    >>> filters = htk_mel_filters(64, 512, 16000, 125, 7500)
    >>> tuple(filters.shape), filters[0].nonzero().flatten().tolist()
    ((64, 257), [5])
    """
    edges = np.linspace(hertz_to_htk_mel(lowest), hertz_to_htk_mel(highest), bands + 2)
    return torch.from_numpy(_triangles(edges, hertz_to_htk_mel(_bins(frame, rate)))).float()


def slaney_mel_filters(
    bands: int, frame: int, rate: int, lowest: float, highest: float
) -> Float[Tensor, "bands bins"]:
    """Slaney's triangles: linear in hertz, area 1. PANNs applies them to powers.

    Arguments as in `htk_mel_filters`. Values are in 1/Hz.

    >>> filters = slaney_mel_filters(64, 1024, 32000, 50, 14000)
    >>> round(float(filters[60].sum()) * 32000 / 1024, 2)      # the sum over bins times their width
    1.0
    """
    mels = np.linspace(hertz_to_slaney_mel(lowest), hertz_to_slaney_mel(highest), bands + 2)
    edges = slaney_mel_to_hertz(mels)
    areas = (edges[2:] - edges[:-2]) / 2
    return torch.from_numpy(_triangles(edges, _bins(frame, rate)) / areas[:, None]).float()


def _bins(frame: int, rate: int) -> np.ndarray:
    return np.arange(frame // 2 + 1) * rate / frame


def _triangles(edges: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(bands, places): the k-th triangle rises from edge k to k + 1 and falls to k + 2."""
    widths = np.diff(edges)[:, None]
    rising = (places - edges[:-2, None]) / widths[:-1]
    falling = (edges[2:, None] - places) / widths[1:]
    return np.minimum(rising, falling).clip(min=0)
