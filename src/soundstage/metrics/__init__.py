"""Measures of stereo: one file a family, each metric a plain function. See `docs/metrics.md`."""

from soundstage.metrics.analysis import Analysis, BandImage, analyze
from soundstage.metrics.artifacts import artifact
from soundstage.metrics.binaural import BinauralErrors, binaural_errors, mean_errors
from soundstage.metrics.catalog import (
    BINAURAL_METRICS,
    CLIP_METRICS,
    SET_METRICS,
    Column,
    Metric,
)
from soundstage.metrics.embeddings import Embedding, load_embedding
from soundstage.metrics.fidelity import fold_down_error, si_snr
from soundstage.metrics.frechet import (
    GaussianPool,
    extrapolated_frechet_distance,
    frechet_distance,
)
from soundstage.metrics.frechet_audio import audio_pool, embed_signals, signal_pools
from soundstage.metrics.image import (
    ImageMeter,
    channel_correlation,
    normalized_width,
    phase_correlation,
)
from soundstage.metrics.interaural import (
    ild_error,
    interaural_level_differences,
    interaural_time_difference,
    itd_error,
)
from soundstage.metrics.level import integrated_loudness, true_peak
from soundstage.metrics.parametric_stereo import (
    iid_fluctuation,
    minimum_error,
    parameter_error,
    parameter_features,
    parameter_pool,
)
from soundstage.metrics.placement import (
    Placement,
    SourcePlacement,
    placement_consistency,
    source_energies,
)
from soundstage.metrics.side_balance import side_balance, side_balance_error
from soundstage.metrics.spectral import log_spectral_distance, mrstft_distance
from soundstage.metrics.speech_quality import SpeechQuality, pesq
from soundstage.metrics.waveform_errors import amplitude_l2, phase_l2, wave_l2

__all__ = [
    "BINAURAL_METRICS",
    "CLIP_METRICS",
    "SET_METRICS",
    "Analysis",
    "BandImage",
    "BinauralErrors",
    "Column",
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
    "minimum_error",
    "mrstft_distance",
    "normalized_width",
    "parameter_error",
    "parameter_features",
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
