from .audio_buffer import Audio
from .file_paths import check_collisions, expand_inputs, is_same_file, output_path
from .formats import (
    MEDIA_SUFFIXES,
    READABLE_SUFFIXES,
    WRITABLE_SUFFIXES,
    SoundFormat,
    output_format,
    supported_rate,
)
from .inputs import Source, as_audio, open_sound
from .level import TruePeakMeter, decibels, largest_gain, safe_gain, true_peak
from .reading import MAX_RATE, MIN_RATE, SoundReader
from .resampling import StreamResampler, resample, resampled_blocks, resampled_frames
from .spool import Spool
from .writing import Quantizer, SoundWriter

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
    "largest_gain",
    "open_sound",
    "output_format",
    "output_path",
    "resample",
    "resampled_blocks",
    "resampled_frames",
    "safe_gain",
    "supported_rate",
    "true_peak",
]
