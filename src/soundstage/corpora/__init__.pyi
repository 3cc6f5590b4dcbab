from .feature_cache import TrackFeatures as TrackFeatures, track_features as track_features
from .layouts import (
    Clip as Clip,
    Corpus as Corpus,
    Credit as Credit,
    find_manifest as find_manifest,
    open_corpus as open_corpus,
    read_credits as read_credits,
    read_excerpt as read_excerpt,
    read_manifest as read_manifest,
    stereo_tracks as stereo_tracks,
)
