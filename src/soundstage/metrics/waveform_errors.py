"""Wave L2, Amplitude L2 and Phase L2: the errors that the tables of binaural speech print.

With x what is made and y the truth, X and Y their short-time spectra over both ears,

    Wave L2       mean of (x − y)²
    Amplitude L2  mean of ||X| − |Y||
    Phase L2      mean of |∠X − ∠Y|, wrapped to 0 … π, where |Re| + |Im| of both X and Y is more
                  than 0.2 times the mean of |Re Y| + |Im Y|

BinauralGrad (2022, §4, "Evaluation Metrics") calls all three mean squared errors; the evaluation
that its tables and those of Richard et al. (ICLR 2021) come from takes absolute values in the last
two. Its transform too is taken as it is: frames of 2048 samples, in the middle of which a periodic
Hann window shows 40 ms, every 10 ms, centered on the multiples of the hop, the signal mirrored at
its ends; nothing is divided by the window. So Amplitude L2 grows with the rate, and compares with
the tables at their 48 kHz alone. They print Wave L2 in thousandths; here it is as it is.
"""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn.functional import pad

from soundstage.metrics.ears import Ears, comparable_ears

TRANSFORM = 2048  # samples, at every rate
WINDOW_MS = 40
FRAME_RATE = 100  # a second
AUDIBLE = 0.2  # of the mean size of the true bins: below, a phase says nothing
HIGHEST_RATE = TRANSFORM * 1000 // WINDOW_MS  # Hz; beyond it the window leaves the transform
SHORTEST = TRANSFORM // 2 + 1  # samples, to mirror at the ends
PIECE = 256  # frames at a time, so that memory does not grow with length

Spectrum = Complex[Tensor, "2 times bins"]


def wave_l2(made: Ears, true: Ears) -> float:
    """Mean squared error over both ears, 0 for equal ones; a pure number, full scale being 1.

    Raises:
        ValueError: the two are not finite sounds of shape (2, frames) and of one length.
    """
    made, true = comparable_ears(made, true)
    return (made - true).square().mean(dtype=torch.float64).item()


def amplitude_l2(made: Ears, true: Ears, rate: int) -> float:
    """Mean absolute difference of magnitudes over ears, frames and bins; blind to polarity.

    Args:
        made: the result, limited to ±1 here.
        true: what was recorded at the two ears.
        rate: samples a second, 100 to 51 200.

    Returns:
        0 and up, where a sine at full scale has 480 in its bin at 48 kHz; NaN under `SHORTEST`
        frames.

    Raises:
        ValueError: the rate is out of its range, or the two are not finite sounds of shape
            (2, frames) and of one length.
    """
    made, true = comparable_ears(made, true)
    total, count = 0.0, 0
    for found, wanted in zip(_spectra(made, rate), _spectra(true, rate), strict=True):
        total += _sum((found.abs() - wanted.abs()).abs())
        count += wanted.numel()
    return total / count if count else math.nan


def phase_l2(made: Ears, true: Ears, rate: int) -> float:
    """Mean absolute difference of phases in radians, over the bins that sound in both.

    About π/2 where the phases have nothing in common, π for a polarity turned over. A bin that
    sounds in the truth alone does not count, so read it beside the amplitudes.

    Args:
        made: the result, limited to ±1 here.
        true: what was recorded at the two ears.
        rate: samples a second, 100 to 51 200.

    Returns:
        0 to π; NaN where no bin sounds in both, as in silence, and under `SHORTEST` frames.

    Raises:
        ValueError: the rate is out of its range, or the two are not finite sounds of shape
            (2, frames) and of one length.
    """
    made, true = comparable_ears(made, true)
    sizes = [(_sum(_size(wanted)), wanted.numel()) for wanted in _spectra(true, rate)]
    if not sizes:
        return math.nan
    threshold = AUDIBLE * sum(size for size, _ in sizes) / sum(count for _, count in sizes)
    total, heard = 0.0, 0
    for found, wanted in zip(_spectra(made, rate), _spectra(true, rate), strict=True):
        both = (_size(found) > threshold) & (_size(wanted) > threshold)
        turned = (found[both].angle() - wanted[both].angle()).abs()
        total += _sum(math.pi - (turned - math.pi).abs())
        heard += turned.numel()
    return total / heard if heard else math.nan


def _spectra(ears: Ears, rate: int) -> Iterator[Spectrum]:
    """Short-time spectra, a piece at a time; none of a sound too short to be mirrored."""
    if not FRAME_RATE <= rate <= HIGHEST_RATE:
        raise ValueError(f"the rate is {FRAME_RATE} to {HIGHEST_RATE} Hz, not {rate}")
    length, hop = rate * WINDOW_MS // 1000, rate // FRAME_RATE
    if ears.shape[-1] < SHORTEST:
        return
    before = (TRANSFORM - length) // 2
    window = torch.hann_window(length, dtype=ears.dtype, device=ears.device)
    window = pad(window, (before, TRANSFORM - length - before))
    mirrored = pad(ears, (TRANSFORM // 2, TRANSFORM // 2), "reflect")
    for frames in mirrored.unfold(-1, TRANSFORM, hop).split(PIECE, dim=1):
        yield torch.fft.rfft(frames * window)


def _size(spectrum: Spectrum) -> Float[Tensor, "2 times bins"]:
    """|Re| + |Im|."""
    return spectrum.real.abs() + spectrum.imag.abs()


def _sum(values: Float[Tensor, "*any"]) -> float:
    return values.sum(dtype=torch.float64).item()
