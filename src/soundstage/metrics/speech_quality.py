"""PESQ: how good speech would sound to listeners, after ITU-T P.862.2, the wide band at 16 kHz.

BinauralGrad (2022, §4, Table 1) prints its mean over windows of 5 s. Its published script hands
stereo files to speechmetrics, which reads the left ear alone, and keeps the first window of each;
here every window of both ears counts.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from soundstage.audio import resample
from soundstage.errors import missing_extra
from soundstage.metrics.ears import Ears, comparable_ears

PESQ_RATE = 16_000  # Hz
WINDOW = 5 * PESQ_RATE  # samples
SHORTEST = PESQ_RATE // 4  # samples: P.862 takes no less
SILENCE = 1e-10  # of full scale, −200 dB: no sound, but what resampling may leave of none
WORST = 1.0  # the end of the scale, for silence where there should be speech

Speech = Float[np.ndarray, " frames"]


class SpeechQuality(NamedTuple):
    """Of a sound at two ears."""

    score: float
    """Mean over windows and ears, about 1 (bad) to 4.64 (the truth itself); NaN without speech."""
    windows: int
    """That have a score, of both ears together."""
    left_out: int
    """In which PESQ finds no utterance in the truth, as in silence."""


def pesq(made: Ears, true: Ears, rate: int) -> SpeechQuality:
    """Wide-band PESQ of every 5 s of both ears, by the package `pesq`.

    A rest shorter than 5 s is left out unless it is all there is. PESQ forgives gains and steady
    delays. It is made for speech: of anything else its numbers say little.

    Args:
        made: the result, limited to ±1 here.
        true: what was recorded at the two ears.
        rate: samples a second.

    Returns:
        The mean score. A window that is silent in the result and speech in the truth has 1, and one
        without speech in the truth is left out; NaN where none is left, as in less than 250 ms.

    Raises:
        OptionError: the package is not installed.
        ValueError: the two are not finite sounds of shape (2, frames) and of one length.
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
    heard = [score for score in scores if score is not None]
    mean = sum(heard) / len(heard) if heard else math.nan
    return SpeechQuality(mean, len(heard), len(scores) - len(heard))


def _score(made: Speech, true: Speech) -> float | None:
    """Of one window; None without speech in the truth."""
    score = _wide_band(made, true)
    if score is None and _wide_band(true, true) is not None:
        return WORST
    return score


def _wide_band(made: Speech, true: Speech) -> float | None:
    """P.862.2; None where either is silent or it finds no utterance that the two may share."""
    try:
        from pesq import NoUtterancesError
        from pesq import pesq as p862
    except ModuleNotFoundError as error:
        raise missing_extra("speech", "pesq (and a C compiler)", "PESQ") from error
    if min(np.abs(made).max(), np.abs(true).max()) < SILENCE:
        return None  # its level alignment would divide by zero
    try:
        return float(p862(PESQ_RATE, true, made, "wb"))
    except NoUtterancesError:
        return None
