"""Excerpts as MP3 in base64.

All excerpts of a report use the same variable bit rate, as high as `BUDGET` allows, and a header
for gapless decoding, so that equal lengths stay equal.
"""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from soundstage.audio import Audio, resample
from soundstage.errors import OptionError

BUDGET = 14_000_000  # bytes of MP3 per report; base64 takes a third more
QUALITIES = ((0.0, 260), (0.2, 225), (0.3, 200), (0.5, 155))  # level of libsndfile, kbit/s
RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # Hz, of MP3


def quality_for(seconds: float) -> float:
    """Compression level of libsndfile, 0 the best, for so many seconds of music in `BUDGET`."""
    fitting = (level for level, kbps in QUALITIES if kbps * 125 * seconds <= BUDGET)
    return next(fitting, QUALITIES[-1][0])


def total_seconds(paths: Sequence[Path]) -> float:
    """Total length of the files."""
    return sum(soundfile.info(path).duration for path in paths)


def mp3_base64(path: Path, quality: float) -> str:
    """A sound file as MP3, in base64.

    Args:
        path: one or two channels; rates not supported by MP3 are resampled to 48 kHz.
        quality: from `quality_for`.

    Raises:
        InputError: the file cannot be read.
        OptionError: libsndfile is older than 1.1, without MP3.
    """
    if "MP3" not in soundfile.available_formats():
        raise OptionError(
            "The players of the report need libsndfile 1.1 with MP3: upgrade the package soundfile."
        )
    audio = Audio.read(path)
    samples, rate = audio.samples, audio.rate
    if rate not in RATES:
        samples, rate = resample(samples, rate, 48_000), 48_000
    encoded = io.BytesIO()
    soundfile.write(
        encoded,
        np.ascontiguousarray(samples.T),
        rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="VARIABLE",
        compression_level=quality,
    )
    return base64.b64encode(encoded.getvalue()).decode("ascii")
