from .audio_buffer import Audio as Audio
from .file_paths import (
    check_collisions as check_collisions,
    expand_inputs as expand_inputs,
    is_same_file as is_same_file,
    output_path as output_path,
)
from .formats import (
    MEDIA_SUFFIXES as MEDIA_SUFFIXES,
    READABLE_SUFFIXES as READABLE_SUFFIXES,
    WRITABLE_SUFFIXES as WRITABLE_SUFFIXES,
    SoundFormat as SoundFormat,
    output_format as output_format,
)
from .inputs import Source as Source, as_audio as as_audio, open_sound as open_sound
from .level import (
    TruePeakMeter as TruePeakMeter,
    decibels as decibels,
    safe_gain as safe_gain,
    true_peak as true_peak,
)
from .reading import MAX_RATE as MAX_RATE, MIN_RATE as MIN_RATE, SoundReader as SoundReader
from .resampling import (
    StreamResampler as StreamResampler,
    resample as resample,
    resampled_frames as resampled_frames,
)
from .spool import Spool as Spool
from .writing import Quantizer as Quantizer, SoundWriter as SoundWriter
