from .feature_cache import TrackFeatures, track_features
from .layouts import (
    Clip,
    Corpus,
    Credit,
    find_manifest,
    open_corpus,
    read_credits,
    read_excerpt,
    read_manifest,
    stereo_tracks,
)

__all__ = [
    "Clip",
    "Corpus",
    "Credit",
    "TrackFeatures",
    "find_manifest",
    "open_corpus",
    "read_credits",
    "read_excerpt",
    "read_manifest",
    "stereo_tracks",
    "track_features",
]
