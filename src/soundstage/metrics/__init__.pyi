from .analysis import Analysis, BandImage, analyze
from .artifacts import artifact
from .binaural_metrics import (
    BinauralErrors,
    amplitude_l2,
    binaural_errors,
    mean_errors,
    phase_l2,
    wave_l2,
)
from .catalog import BINAURAL_METRICS, CLIP_METRICS, SET_METRICS, Column, Metric
from .content import Content, ContentMeter
from .embeddings import Embedding, load_embedding
from .fidelity import fold_down_error, log_spectral_distance, mrstft_distance, si_snr
from .frechet import (
    GaussianPool,
    audio_pool,
    embed_signals,
    extrapolated_frechet_distance,
    frechet_distance,
    merged,
    parameter_pool,
    signal_pools,
)
from .image import (
    ImageMeter,
    channel_correlation,
    normalized_width,
    phase_correlation,
    side_balance,
    side_balance_error,
)
from .interaural import (
    ild_error,
    interaural_level_differences,
    interaural_time_difference,
    itd_error,
)
from .loudness import integrated_loudness, true_peak
from .parametric_stereo import iid_fluctuation, minimum_error, parameter_error
from .placement import Placement, SourcePlacement, placement_consistency, source_energies
from .speech_quality import SpeechQuality, pesq

__all__ = [
    "BINAURAL_METRICS",
    "CLIP_METRICS",
    "SET_METRICS",
    "Analysis",
    "BandImage",
    "BinauralErrors",
    "Column",
    "Content",
    "ContentMeter",
    "Embedding",
    "GaussianPool",
    "ImageMeter",
    "Metric",
    "Placement",
    "SourcePlacement",
    "SpeechQuality",
    "amplitude_l2",
    "analyze",
    "artifact",
    "audio_pool",
    "binaural_errors",
    "channel_correlation",
    "embed_signals",
    "extrapolated_frechet_distance",
    "fold_down_error",
    "frechet_distance",
    "iid_fluctuation",
    "ild_error",
    "integrated_loudness",
    "interaural_level_differences",
    "interaural_time_difference",
    "itd_error",
    "load_embedding",
    "log_spectral_distance",
    "mean_errors",
    "merged",
    "minimum_error",
    "mrstft_distance",
    "normalized_width",
    "parameter_error",
    "parameter_pool",
    "pesq",
    "phase_correlation",
    "phase_l2",
    "placement_consistency",
    "si_snr",
    "side_balance",
    "side_balance_error",
    "signal_pools",
    "source_energies",
    "true_peak",
    "wave_l2",
]
