"""PESQ, the predicted quality of speech: ITU-T P.862.2, wide band at 16 kHz.

BinauralGrad (2022, §4, Table 1) prints a mean over windows of 5 s. Its published script, through
speechmetrics, scores the first window of the left ear only; here all windows of both ears count.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from soundstage.audio.resampling import resample
from soundstage.errors import missing_extra
from soundstage.metrics.interaural import Ears, comparable_ears

PESQ_RATE = 16_000  # Hz
WINDOW = 5 * PESQ_RATE  # samples
SHORTEST = PESQ_RATE // 4  # samples: the minimum of P.862
SILENCE = 1e-10  # of full scale, −200 dB: the residue of resampled silence
WORST = 1.0  # the end of the scale, for silence in place of speech

Speech = Float[np.ndarray, " frames"]


class SpeechQuality(NamedTuple):
    """Mean PESQ of a signal at two ears."""

    score: float
    """About 1 (bad) to 4.64 (identical); NaN without speech."""
    windows: int
    """Scored windows of both ears."""
    skipped: int
    """Windows in which PESQ finds no utterance in the truth, such as silence."""


def pesq(made: Ears, true: Ears, rate: int) -> SpeechQuality:
    """Wide-band PESQ over windows of 5 s of both ears, by the package `pesq`.

    A remainder shorter than 5 s counts only if it is the whole signal. PESQ is insensitive to gain
    and to constant delay, and meaningful for speech only.

    Args:
        made: the result; it is clipped to ±1.
        true: recording at the two ears.
        rate: sample rate in Hz.

    Returns:
        The mean score. Silence in place of speech scores 1; windows without speech in the truth are
        skipped. NaN if no window is left, as for less than 250 ms.

    Raises:
        OptionError: the package is not installed.
        ValueError: the shapes differ or are not (2, frames), or a sample is not finite.
    """
    made, true = comparable_ears(made, true)
    one, other = (resample(ears.cpu().numpy(), rate, PESQ_RATE) for ears in (made, true))
    frames = other.shape[1]
    length = min(WINDOW, frames)
    starts = range(0, frames - length + 1, length) if length >= SHORTEST else range(0)
    scores = [
        _score(one[ear, start : start + length], other[ear, start : start + length])
        for ear in range(2)
        for start in starts
    ]
    scored = [score for score in scores if score is not None]
    mean = sum(scored) / len(scored) if scored else math.nan
    return SpeechQuality(mean, len(scored), len(scores) - len(scored))


def _score(made: Speech, true: Speech) -> float | None:
    """Score of one window; None without speech in the truth."""
    score = _wide_band(made, true)
    if score is None and _wide_band(true, true) is not None:
        return WORST
    return score


def _wide_band(made: Speech, true: Speech) -> float | None:
    """P.862.2; None if a signal is silent or has no utterance in common with the other."""
    try:
        from pesq import NoUtterancesError
        from pesq import pesq as p862
    except ModuleNotFoundError as error:
        raise missing_extra("speech", "pesq", "PESQ") from error
    if min(np.abs(made).max(), np.abs(true).max()) < SILENCE:
        return None  # its level alignment would divide by zero
    try:
        return float(p862(PESQ_RATE, true, made, "wb"))
    except NoUtterancesError:
        return None
