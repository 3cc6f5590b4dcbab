"""Sound in a page: MP3 in base64, and the gains that make versions equally loud.

All sounds of a page use the same variable bit rate, as high as `BUDGET` allows, and a header for
gapless decoding, so that equal lengths stay equal.
"""

import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch

from soundstage.audio import Audio, resample
from soundstage.audio.codecs.sequential_file import SequentialFile
from soundstage.errors import OptionError
from soundstage.evaluation.report.series_styles import SeriesStyle
from soundstage.metrics.loudness import integrated_loudness

BUDGET = 14_000_000  # bytes of MP3 per page; base64 takes a third more
QUALITIES = ((0.0, 260), (0.2, 225), (0.3, 200), (0.5, 155))  # level of libsndfile, kbit/s
RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # Hz, of MP3


class Sound(NamedTuple):
    """One version in a player."""

    style: SeriesStyle
    mp3: str
    """In base64."""
    gain: float
    """Factor, at most 1, that makes it as loud as the quietest version."""


def longest(versions: int) -> float:
    """Seconds that fit into `BUDGET` for each of so many versions, at the lowest quality."""
    return BUDGET / (QUALITIES[-1][1] * 125 * versions)


def quality_for(seconds: float) -> float:
    """Compression level of libsndfile, 0 the best, for so many seconds of music in `BUDGET`."""
    fitting = (level for level, kbps in QUALITIES if kbps * 125 * seconds <= BUDGET)
    return next(fitting, QUALITIES[-1][0])


def total_seconds(paths: Sequence[Path]) -> float:
    """Total length of the files."""
    return sum(soundfile.info(path).duration for path in paths)


def mp3_base64(audio: Audio, quality: float) -> str:
    """A sound as MP3, in base64.

    Args:
        audio: one or two channels; rates not supported by MP3 are resampled to 48 kHz.
        quality: from `quality_for`.

    Raises:
        OptionError: libsndfile is older than 1.1, without MP3.
    """
    if "MP3" not in soundfile.available_formats():
        raise OptionError(
            "The players of the page need libsndfile 1.1 with MP3: upgrade the package soundfile."
        )
    samples, rate = audio.samples, audio.rate
    if rate not in RATES:
        samples, rate = resample(samples, rate, 48_000), 48_000
    encoded = io.BytesIO()
    with SequentialFile(
        encoded,
        "w",
        rate,
        len(samples),
        "MPEG_LAYER_III",
        format="MP3",
        bitrate_mode="VARIABLE",
        compression_level=quality,
    ) as file:
        file.write(np.ascontiguousarray(samples.T))
    return base64.b64encode(encoded.getvalue()).decode("ascii")


def playback_loudness(audio: Audio) -> float:
    """Integrated loudness in LUFS as a player sounds it, on two loudspeakers; mono is on both.

    −∞ for silence, NaN for less than 0.4 s.

    Raises:
        OptionError: pyloudnorm is not installed.
    """
    stereo = np.broadcast_to(audio.samples, (2, audio.samples.shape[1]))
    return integrated_loudness(torch.from_numpy(stereo.astype(np.float32)), audio.rate)


def equal_loudness_gains(loudness: Sequence[float]) -> list[float]:
    """Factors that turn all versions down to the quietest; 1 where the loudness is unknown."""
    known = [value for value in loudness if math.isfinite(value)]
    return [
        10 ** ((min(known) - value) / 20) if math.isfinite(value) else 1.0 for value in loudness
    ]
