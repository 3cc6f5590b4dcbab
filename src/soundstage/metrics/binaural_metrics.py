"""Errors of binaural speech: Wave L2, Amplitude L2, Phase L2, and all metrics of a test set.

With x the result, y the recording at the ears, and X and Y their short-time spectra over both ears,

    Wave L2       mean of (x − y)²
    Amplitude L2  mean of ||X| − |Y||
    Phase L2      mean of |∠X − ∠Y|, wrapped to 0 … π, where |Re| + |Im| of both X and Y is more
                  than 0.2 times the mean of |Re Y| + |Im Y|

All three are called mean squared errors in BinauralGrad (2022, §4), but the evaluation script
behind its tables and behind Richard et al. (ICLR 2021) takes absolute values in the last two. Its
transform is kept: frames of 2048 samples every 10 ms with a centered 40 ms periodic Hann window,
reflection padding, no normalization. Amplitude L2 therefore grows with the rate; compare it with
the papers at 48 kHz only. The papers print Wave L2 in thousandths, this module does not. As in that
script, results are clipped to ±1, the range of a file, and the mean over a test set weights
sequences by their length n: ē = Σ n·e / Σ n.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn.functional import pad

from soundstage.metrics.fidelity import mrstft_distance
from soundstage.metrics.interaural import Ears, comparable_ears, ild_error, itd_error
from soundstage.metrics.speech_quality import pesq

TRANSFORM = 2048  # samples, at every rate
WINDOW_MS = 40
FRAME_RATE = 100  # a second
AUDIBLE = 0.2  # of the mean magnitude of the true bins: phases below are meaningless
HIGHEST_RATE = TRANSFORM * 1000 // WINDOW_MS  # Hz; the window still fits the transform
SHORTEST = TRANSFORM // 2 + 1  # samples, for reflection padding
PIECE = 256  # frames at a time, so that memory does not grow with length

Spectrum = Complex[Tensor, "2 times bins"]


def wave_l2(made: Ears, true: Ears) -> float:
    """Mean squared error over both ears, full scale 1.

    Raises:
        ValueError: the shapes differ or are not (2, frames), or a sample is not finite.
    """
    made, true = comparable_ears(made, true)
    return (made - true).square().mean(dtype=torch.float64).item()


def amplitude_l2(made: Ears, true: Ears, rate: int) -> float:
    """Mean absolute difference of magnitudes over ears, frames and bins; ignores polarity.

    Args:
        made: the result; it is clipped to ±1.
        true: recording at the two ears.
        rate: sample rate in Hz, 100 to 51 200.

    Returns:
        0 or more; the bin of a sine at full scale has magnitude 480 at 48 kHz. NaN below `SHORTEST`
        frames.

    Raises:
        ValueError: the rate is out of range, the shapes differ or are not (2, frames), or a sample
            is not finite.
    """
    made, true = comparable_ears(made, true)
    total, count = 0.0, 0
    for found, wanted in zip(_spectra(made, rate), _spectra(true, rate), strict=True):
        total += _sum((found.abs() - wanted.abs()).abs())
        count += wanted.numel()
    return total / count if count else math.nan


def phase_l2(made: Ears, true: Ears, rate: int) -> float:
    """Mean absolute difference of phases in radians, over the bins audible in both signals.

    About π/2 for unrelated phases, π for inverted polarity. Bins that are audible in the truth only
    do not count; read it together with Amplitude L2.

    Args:
        made: the result; it is clipped to ±1.
        true: recording at the two ears.
        rate: sample rate in Hz, 100 to 51 200.

    Returns:
        0 to π; NaN if no bin is audible in both, and below `SHORTEST` frames.

    Raises:
        ValueError: the rate is out of range, the shapes differ or are not (2, frames), or a sample
            is not finite.
    """
    made, true = comparable_ears(made, true)
    sizes = [(_sum(_size(wanted)), wanted.numel()) for wanted in _spectra(true, rate)]
    if not sizes:
        return math.nan
    threshold = AUDIBLE * sum(size for size, _ in sizes) / sum(bins for _, bins in sizes)
    total, count = 0.0, 0
    for found, wanted in zip(_spectra(made, rate), _spectra(true, rate), strict=True):
        both = (_size(found) > threshold) & (_size(wanted) > threshold)
        turned = (found[both].angle() - wanted[both].angle()).abs()
        total += _sum(math.pi - (turned - math.pi).abs())
        count += turned.numel()
    return total / count if count else math.nan


class BinauralErrors(NamedTuple):
    """Errors of one sequence, or the mean over several; NaN if undefined."""

    wave_l2: float
    """Mean squared error; papers print it in thousandths."""
    amplitude_l2: float
    """Mean absolute difference of magnitudes."""
    phase_l2: float
    """Mean absolute difference of phases, in radians."""
    mrstft: float
    """Multi-resolution STFT distance."""
    pesq: float
    """Mean score, the only one that is better when higher; NaN if not requested."""
    itd_error: float
    """Error of the interaural time difference, in µs."""
    ild_error: float
    """Error of the interaural level differences, in dB."""
    seconds: float
    """Length, the weight in a mean."""


def binaural_errors(
    made: Ears, true: Ears, rate: int, *, with_pesq: bool = False
) -> BinauralErrors:
    """All errors of one sequence.

    Args:
        made: the result; it is clipped to ±1.
        true: recording at the two ears.
        rate: sample rate in Hz, 8000 to 51 200; the papers use 48 000.
        with_pesq: include PESQ, which needs the package `pesq`.

    Raises:
        OptionError: PESQ is requested but not installed.
        ValueError: the rate is out of range, the shapes differ or are not (2, frames), or a sample
            is not finite.
    """
    made, true = comparable_ears(made, true)
    return BinauralErrors(
        wave_l2=wave_l2(made, true),
        amplitude_l2=amplitude_l2(made, true, rate),
        phase_l2=phase_l2(made, true, rate),
        mrstft=mrstft_distance(made, true).item(),
        pesq=pesq(made, true, rate).score if with_pesq else math.nan,
        itd_error=itd_error(made, true, rate),
        ild_error=ild_error(made, true, rate),
        seconds=true.shape[-1] / rate,
    )


def mean_errors(errors: Sequence[BinauralErrors]) -> BinauralErrors:
    """Means weighted by length, without NaN values, and the total length.

    Raises:
        ValueError: there is no sequence.
    """
    if not errors:
        raise ValueError("the mean needs at least one sequence")
    table = torch.tensor(errors, dtype=torch.float64)
    seconds = table[:, -1:]
    weights = seconds * ~table.isnan()
    means = (weights * table.where(weights > 0, 0)).sum(dim=0) / weights.sum(dim=0)
    return BinauralErrors._make([*means[:-1].tolist(), seconds.sum().item()])


def _spectra(ears: Ears, rate: int) -> Iterator[Spectrum]:
    """Short-time spectra, a piece at a time; none for a sound too short for reflection padding."""
    if not FRAME_RATE <= rate <= HIGHEST_RATE:
        raise ValueError(f"the rate must be {FRAME_RATE} to {HIGHEST_RATE} Hz, not {rate}")
    length, hop = rate * WINDOW_MS // 1000, rate // FRAME_RATE
    if ears.shape[-1] < SHORTEST:
        return
    before = (TRANSFORM - length) // 2
    window = torch.hann_window(length, dtype=ears.dtype, device=ears.device)
    window = pad(window, (before, TRANSFORM - length - before))
    reflected = pad(ears, (TRANSFORM // 2, TRANSFORM // 2), "reflect")
    for frames in reflected.unfold(-1, TRANSFORM, hop).split(PIECE, dim=1):
        yield torch.fft.rfft(frames * window)


def _size(spectrum: Spectrum) -> Float[Tensor, "2 times bins"]:
    """|Re| + |Im|."""
    return spectrum.real.abs() + spectrum.imag.abs()


def _sum(values: Float[Tensor, "*any"]) -> float:
    return values.sum(dtype=torch.float64).item()
