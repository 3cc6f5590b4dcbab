"""Measures of stereo: parameters, image, level and the fold-down; one file a family."""

from soundstage.metrics.analysis import Analysis, BandImage, analyze
from soundstage.metrics.fidelity import fold_down_error
from soundstage.metrics.image import (
    ImageMeter,
    channel_correlation,
    normalised_width,
    phase_correlation,
)
from soundstage.metrics.parametric_stereo import (
    FramePool,
    frechet_distance,
    parameter_features,
    wobble,
)

__all__ = [
    "Analysis",
    "BandImage",
    "FramePool",
    "ImageMeter",
    "analyze",
    "channel_correlation",
    "fold_down_error",
    "frechet_distance",
    "normalised_width",
    "parameter_features",
    "phase_correlation",
    "wobble",
]
