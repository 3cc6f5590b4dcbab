"""Bit rates of lossy encodings: their ranges, and the settings of the encoders that give them.

Without a bit rate the encoders are near transparency, because an upmix must still fold down to its
source: LAME's V0, Vorbis quality 7, about 95 kbit/s a channel of Opus, 128 kbit/s of AAC.
"""

import io
import struct
from functools import lru_cache
from typing import NamedTuple

import soundfile

from soundstage.audio.formats import SoundFormat
from soundstage.errors import OptionError

DEFAULT_LEVELS = {"MPEG_LAYER_III": 0.0, "VORBIS": 0.3, "OPUS": 0.65}
"""Compression levels of libsndfile, from 0, the best, to 1."""
DEFAULT_AAC = 128_000
"""In bit/s and channel."""
_OPUS = (6_000, 256_000)  # bit/s and channel between which libsndfile's levels lie
_AAC = (16_000, 256_000)  # bit/s and channel; FFmpeg's encoder is unsound below


class Settings(NamedTuple):
    """Compression level and bit rate mode for libsndfile."""

    level: float | None
    mode: str | None = None


def check_bit_rate(form: SoundFormat, rate: int, channels: int, bit_rate: int) -> None:
    """Refuse a bit rate that an encoding does not have.

    Args:
        form: of the file.
        rate: sample rate in Hz.
        channels: number of channels.
        bit_rate: in bit/s, of all channels together.

    Raises:
        OptionError: the encoding is lossless, or the bit rate is out of its range.
    """
    limits = _range(form, rate, channels)
    if limits is None:
        raise OptionError(
            f"{form} is lossless and has no `bit_rate`: leave it out, or choose a lossy format."
        )
    if not limits[0] <= bit_rate <= limits[1]:
        raise OptionError(
            f"{form} with {channels} channels at {rate:,} Hz has a `bit_rate` from "
            f"{-(-limits[0] // 1000)} to {limits[1] // 1000} kbit/s, not {bit_rate / 1000:g}."
        )


def settings(form: SoundFormat, rate: int, channels: int, bit_rate: int | None) -> Settings:
    """How libsndfile is told about a bit rate, in bit/s, or the usual quality for None."""
    if bit_rate is None or form.encoding not in DEFAULT_LEVELS:
        return Settings(DEFAULT_LEVELS.get(form.encoding))
    if form.encoding == "MPEG_LAYER_III":
        lowest, highest = _lame_scale(rate)
        return Settings((highest - bit_rate) / (highest - lowest), "CONSTANT")
    if form.encoding == "OPUS":
        return Settings((_OPUS[1] - bit_rate / channels) / (_OPUS[1] - _OPUS[0]))
    best, worst = 0.0, 1.0
    for _ in range(12):
        middle = (best + worst) / 2
        if _vorbis_rate(rate, channels, middle) > bit_rate:
            best = middle
        else:
            worst = middle
    return Settings(worst)


def _range(form: SoundFormat, rate: int, channels: int) -> tuple[int, int] | None:
    """The lowest and the highest bit rate in bit/s; None for lossless encodings."""
    if form.encoding == "MPEG_LAYER_III":
        return (40_000 if rate >= 32_000 else 16_000), _lame_scale(rate)[1]
    if form.encoding == "OPUS":
        return _OPUS[0] * channels, _OPUS[1] * channels
    if form.encoding == "AAC":
        return _AAC[0] * channels, min(_AAC[1], 6 * rate) * channels  # 6,144 bits a frame
    if form.encoding == "VORBIS":
        return _vorbis_rate(rate, channels, 1.0), _vorbis_rate(rate, channels, 0.0)
    return None


def _lame_scale(rate: int) -> tuple[int, int]:
    """Bit rates of libsndfile's levels 1 and 0 for MP3; LAME refuses the lowest ones."""
    if rate >= 32_000:
        return 32_000, 320_000
    return (8_000, 160_000) if rate >= 16_000 else (8_000, 64_000)


@lru_cache(maxsize=256)
def _vorbis_rate(rate: int, channels: int, level: float) -> int:
    """The nominal bit rate that the Vorbis encoder states for a quality."""
    stream = io.BytesIO()
    with soundfile.SoundFile(
        stream, "w", rate, channels, "VORBIS", format="OGG", compression_level=level
    ):
        pass
    head = stream.getvalue()
    at = head.find(b"\x01vorbis")
    return struct.unpack_from("<i", head, at + 20)[0] if at >= 0 else 0
