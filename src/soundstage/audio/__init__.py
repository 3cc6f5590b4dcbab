"""Sound in files and in memory: reading, writing, resampling, quantizing and metering.

`open_sound` and `SoundWriter` stream files of any length; `Audio` is a whole sound in memory.
"""

from soundstage.audio.audio_buffer import Audio
from soundstage.audio.file_paths import check_collisions, expand_inputs, is_same_file, output_path
from soundstage.audio.formats import (
    MEDIA_SUFFIXES,
    READABLE_SUFFIXES,
    WRITABLE_SUFFIXES,
    SoundFormat,
    output_format,
)
from soundstage.audio.headroom import decibels, safe_gain
from soundstage.audio.level import TruePeakMeter, true_peak
from soundstage.audio.quantizer import Quantizer
from soundstage.audio.reading import MAX_RATE, MIN_RATE, SoundReader, open_sound
from soundstage.audio.resampling import StreamResampler, resample, resampled_frames
from soundstage.audio.spool import Spool
from soundstage.audio.writing import SoundWriter

__all__ = [
    "MAX_RATE",
    "MEDIA_SUFFIXES",
    "MIN_RATE",
    "READABLE_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "Audio",
    "Quantizer",
    "SoundFormat",
    "SoundReader",
    "SoundWriter",
    "Spool",
    "StreamResampler",
    "TruePeakMeter",
    "check_collisions",
    "decibels",
    "expand_inputs",
    "is_same_file",
    "open_sound",
    "output_format",
    "output_path",
    "resample",
    "resampled_frames",
    "safe_gain",
    "true_peak",
]
