"""Sound in files and in memory: reading, writing, resampling, quantization and level.

`Audio` is a whole sound in memory, and `as_audio` makes one of anything that a caller may pass.
`open_sound` and `SoundWriter` stream sounds of any length.
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
from soundstage.audio.inputs import Source, as_audio, open_sound
from soundstage.audio.level import TruePeakMeter, decibels, safe_gain, true_peak
from soundstage.audio.reading import MAX_RATE, MIN_RATE, SoundReader
from soundstage.audio.resampling import StreamResampler, resample, resampled_frames
from soundstage.audio.spool import Spool
from soundstage.audio.writing import Quantizer, SoundWriter

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
    "Source",
    "Spool",
    "StreamResampler",
    "TruePeakMeter",
    "as_audio",
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
