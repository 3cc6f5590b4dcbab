"""Mel filter banks: triangles of equal width on a scale of pitch, in the two manners in use.

Two scales share the name. HTK's is 2595·log10(1 + f/700) (Young et al., The HTK Book, Eq. 5.13);
Slaney's runs straight up to 1 kHz, 200/3 Hz a mel, and by 27 steps a factor of 6.4 above (Auditory
Toolbox, 1998). The band edges lie evenly on the scale; a band rises from its lower neighbor's
center to its own and falls to its upper neighbor's.

HTK draws these triangles over mels, with a peak of 1; Slaney over hertz, with an area of 1.
Networks are trained with one or the other and hear nonsense through the wrong one.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

SLANEY_BREAK_HZ = 1000.0
SLANEY_HZ_PER_MEL = 200 / 3  # up to the break, which is mel 15
SLANEY_LOG_STEP = np.log(6.4) / 27  # above it, a mel


def hertz_to_htk_mel(frequency: np.ndarray | float) -> np.ndarray:
    """HTK's mels of a frequency (Hz, 0 and up)."""
    return 2595 * np.log10(1 + np.asarray(frequency, dtype=float) / 700)


def hertz_to_slaney_mel(frequency: np.ndarray | float) -> np.ndarray:
    """Slaney's mels of a frequency (Hz, 0 and up)."""
    frequency = np.asarray(frequency, dtype=float)
    octaves = np.log(np.maximum(frequency, SLANEY_BREAK_HZ) / SLANEY_BREAK_HZ)
    straight = np.minimum(frequency, SLANEY_BREAK_HZ) / SLANEY_HZ_PER_MEL
    return straight + octaves / SLANEY_LOG_STEP


def slaney_mel_to_hertz(mel: np.ndarray | float) -> np.ndarray:
    """Frequency in Hz of Slaney's mels (0 and up)."""
    mel = np.asarray(mel, dtype=float)
    break_mel = SLANEY_BREAK_HZ / SLANEY_HZ_PER_MEL
    straight = np.minimum(mel, break_mel) * SLANEY_HZ_PER_MEL
    return straight * np.exp(np.maximum(mel - break_mel, 0) * SLANEY_LOG_STEP)


def htk_mel_filters(
    bands: int, frame: int, rate: int, lowest: float, highest: float
) -> Float[Tensor, "bands bins"]:
    """HTK's triangles: straight over mels, peak 1. VGGish multiplies magnitudes with them.

    Args:
        bands: how many share the range.
        frame: samples in a frame of the transform, even; it has frame/2 + 1 bins.
        rate: samples a second.
        lowest: where the first band begins, in Hz.
        highest: where the last band ends, in Hz, at most rate/2.

    >>> filters = htk_mel_filters(64, 512, 16000, 125, 7500)
    >>> tuple(filters.shape), filters[0].nonzero().flatten().tolist()
    ((64, 257), [5])
    """
    edges = np.linspace(hertz_to_htk_mel(lowest), hertz_to_htk_mel(highest), bands + 2)
    return torch.from_numpy(_triangles(edges, hertz_to_htk_mel(_bins(frame, rate)))).float()


def slaney_mel_filters(
    bands: int, frame: int, rate: int, lowest: float, highest: float
) -> Float[Tensor, "bands bins"]:
    """Slaney's triangles: straight over hertz, area 1. PANNs multiplies powers with them.

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
