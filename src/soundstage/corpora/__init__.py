"""Readers of sound collections, and the features that models learn from."""

from soundstage.corpora.features import RecordFeatures, record_features
from soundstage.corpora.folder import stereo_records
from soundstage.corpora.manifest import Credit, find_manifest, read_credits

__all__ = [
    "Credit",
    "RecordFeatures",
    "find_manifest",
    "read_credits",
    "record_features",
    "stereo_records",
]
