"""Readers of sound collections, and the features that models learn from."""

from soundstage.corpora.excerpts import read_excerpt
from soundstage.corpora.features import TrackFeatures, track_features
from soundstage.corpora.folder import stereo_tracks
from soundstage.corpora.layouts import Clip, Corpus, open_corpus
from soundstage.corpora.manifest import Credit, find_manifest, read_credits, read_manifest
from soundstage.parallel import Mapper, parallel_map

__all__ = [
    "Clip",
    "Corpus",
    "Credit",
    "Mapper",
    "TrackFeatures",
    "find_manifest",
    "open_corpus",
    "parallel_map",
    "read_credits",
    "read_excerpt",
    "read_manifest",
    "stereo_tracks",
    "track_features",
]
