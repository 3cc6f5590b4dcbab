"""Excerpts as MP3 in base64, small enough for a page and near enough to the original to judge.

All excerpts of a page are encoded alike, with a variable bit rate as high as `BUDGET` allows, and
with the header that tells a browser how much of the first and last frame to drop: excerpts of one
length decode to one length.
"""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from soundstage.audio import Audio, resample
from soundstage.errors import OptionError

BUDGET = 14_000_000  # bytes of MP3 on a page, a third less than their base64
QUALITIES = ((0.0, 260), (0.2, 225), (0.3, 200), (0.5, 155))  # libsndfile's level; its kbit/s
RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # Hz, of MP3


def quality_for(seconds: float) -> float:
    """Compression level of libsndfile, 0 the best, at which so much dense music meets `BUDGET`."""
    fitting = (level for level, kbps in QUALITIES if kbps * 125 * seconds <= BUDGET)
    return next(fitting, QUALITIES[-1][0])


def total_seconds(paths: Sequence[Path]) -> float:
    """Length of all these files together."""
    return sum(soundfile.info(path).duration for path in paths)


def mp3_base64(path: Path, quality: float) -> str:
    """A sound file as MP3, in base64.

    Args:
        path: one or two channels; a rate that MP3 has not becomes 48 kHz.
        quality: as `quality_for` says.

    Raises:
        InputError: the file cannot be read.
        OptionError: the libsndfile at hand is older than 1.1 and has no MP3.
    """
    if "MP3" not in soundfile.available_formats():
        raise OptionError(
            "The players of a report need MP3, which libsndfile has from 1.1 on: "
            "upgrade the Python package soundfile, which brings one."
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
