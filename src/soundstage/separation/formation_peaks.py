"""Sinusoidal peaks of a spectrum of 2,048 points, 46 ms at 44.1 kHz (Lagrange et al. 2007).

At most 20 peaks a frame, the loudest ones; their frequencies are refined between the bins by a
parabola through three magnitudes in dB, which for a Hann window is right to a twentieth of a bin.

The short spectrum is not a second analysis: a frame of `TRANSFORM` is 4,096 samples under a long
window, and its middle half under a short one is the frame of 2,048 samples at the same time.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.stereo.encoding import RATE, TRANSFORM

FRAME = 2048  # samples
PEAKS = 20  # in a frame, the loudest
DYNAMIC_RANGE = 60.0  # dB under the loudest peak of its frame; below are side lobes and noise
FLOOR = 10 ** (-90 / 20)  # amplitude of the quietest peak, full scale is 1
MARGIN = (TRANSFORM.frame - FRAME) // 2  # samples of the long frame before the short one
REWINDOWING = (
    torch.hann_window(FRAME, dtype=torch.float64)
    / torch.hann_window(TRANSFORM.frame, dtype=torch.float64)[MARGIN : MARGIN + FRAME]
).float()  # at most 1
AMPLITUDE = 4 / FRAME  # of a sine whose peak in the spectrum is 1: twice the inverse window sum


class Peaks(NamedTuple):
    """Peaks of some frames, in each frame from the loudest to the quietest."""

    frequency: Float[np.ndarray, "frames peaks"]
    """In Hz; 0 where a frame has fewer peaks."""
    amplitude: Float[np.ndarray, "frames peaks"]
    """Of the sine, 1 at full scale; 0 where a frame has fewer peaks."""


def short_spectra(
    spectrogram: Complex[Tensor, "bins frames"],
) -> Complex[Tensor, "short_bins frames"]:
    """Spectra of 2,048 points, centered on the frames of a spectrogram made by `TRANSFORM`."""
    samples = torch.fft.irfft(spectrogram.T, n=TRANSFORM.frame)[:, MARGIN : MARGIN + FRAME]
    return torch.fft.rfft(samples * REWINDOWING).T


def sinusoidal_peaks(spectrogram: Complex[Tensor, "bins frames"]) -> Peaks:
    """The loudest peaks of every frame of a spectrogram made by `TRANSFORM`.

    >>> sine = torch.sin(2 * torch.pi * 1000 * torch.arange(8192) / 44_100)
    >>> peaks = sinusoidal_peaks(TRANSFORM.analyze(0.5 * sine)[:, 4:5])
    >>> round(peaks.frequency[0, 0].item()), round(peaks.amplitude[0, 0].item(), 1)
    (1000, 0.5)
    """
    magnitude = short_spectra(spectrogram).abs().T.double().numpy() * AMPLITUDE
    before, middle, after = magnitude[:, :-2], magnitude[:, 1:-1], magnitude[:, 2:]
    quietest = np.maximum(FLOOR, middle.max(axis=1) * 10 ** (-DYNAMIC_RANGE / 20))
    found = (middle > before) & (middle >= after) & (middle >= quietest[:, None])
    ranked = np.argsort(np.where(found, -middle, 0), axis=1, kind="stable")[:, :PEAKS]
    rows = np.arange(len(middle))[:, None]
    low, peak, high = (
        np.log(np.maximum(each[rows, ranked], FLOOR / 100)) for each in (before, middle, after)
    )
    bend = low - 2 * peak + high
    offset = 0.5 * (low - high) / np.where(bend < 0, bend, -1)
    offset = np.where(bend < 0, offset, 0).clip(-0.5, 0.5)
    is_peak = found[rows, ranked]
    frequency = np.where(is_peak, (ranked + 1 + offset) * RATE / FRAME, 0)
    amplitude = np.where(is_peak, np.exp(peak - 0.25 * (low - high) * offset), 0)
    order = np.argsort(-amplitude, axis=1, kind="stable")
    return Peaks(frequency[rows, order], amplitude[rows, order])
