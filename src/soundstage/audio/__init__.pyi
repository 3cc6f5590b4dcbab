from .audio_buffer import Audio
from .field_mark import FieldMark
from .file_paths import expand_inputs, is_same_file
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
from .metadata import Metadata, Receipt, read_metadata
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
    "FieldMark",
    "Metadata",
    "Quantizer",
    "Receipt",
    "SoundFormat",
    "SoundReader",
    "SoundWriter",
    "Source",
    "Spool",
    "StreamResampler",
    "TruePeakMeter",
    "as_audio",
    "decibels",
    "expand_inputs",
    "is_same_file",
    "largest_gain",
    "open_sound",
    "output_format",
    "read_metadata",
    "resample",
    "resampled_blocks",
    "resampled_frames",
    "safe_gain",
    "supported_rate",
    "true_peak",
]
