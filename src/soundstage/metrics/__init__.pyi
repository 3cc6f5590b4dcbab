from .analysis import Analysis as Analysis, BandImage as BandImage, analyze as analyze
from .artifacts import artifact as artifact
from .binaural_metrics import (
    BinauralErrors as BinauralErrors,
    amplitude_l2 as amplitude_l2,
    binaural_errors as binaural_errors,
    mean_errors as mean_errors,
    phase_l2 as phase_l2,
    wave_l2 as wave_l2,
)
from .catalog import (
    BINAURAL_METRICS as BINAURAL_METRICS,
    CLIP_METRICS as CLIP_METRICS,
    SET_METRICS as SET_METRICS,
    Column as Column,
    Metric as Metric,
)
from .embeddings import Embedding as Embedding, load_embedding as load_embedding
from .fidelity import (
    fold_down_error as fold_down_error,
    log_spectral_distance as log_spectral_distance,
    mrstft_distance as mrstft_distance,
    si_snr as si_snr,
)
from .frechet import (
    GaussianPool as GaussianPool,
    audio_pool as audio_pool,
    embed_signals as embed_signals,
    extrapolated_frechet_distance as extrapolated_frechet_distance,
    frechet_distance as frechet_distance,
    merged as merged,
    parameter_pool as parameter_pool,
    signal_pools as signal_pools,
)
from .image import (
    ImageMeter as ImageMeter,
    channel_correlation as channel_correlation,
    normalized_width as normalized_width,
    phase_correlation as phase_correlation,
    side_balance as side_balance,
    side_balance_error as side_balance_error,
)
from .interaural import (
    ild_error as ild_error,
    interaural_level_differences as interaural_level_differences,
    interaural_time_difference as interaural_time_difference,
    itd_error as itd_error,
)
from .loudness import integrated_loudness as integrated_loudness, true_peak as true_peak
from .parametric_stereo import (
    iid_fluctuation as iid_fluctuation,
    minimum_error as minimum_error,
    parameter_error as parameter_error,
)
from .placement import (
    Placement as Placement,
    SourcePlacement as SourcePlacement,
    placement_consistency as placement_consistency,
    source_energies as source_energies,
)
from .speech_quality import SpeechQuality as SpeechQuality, pesq as pesq
