"""Features of synthetic tracks from which something can be learned."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from soundstage.corpora.feature_cache import TrackColumns, save_features
from soundstage.stereo import BANDS, Parameters, quantize
from soundstage.stereo.features import LEVELS


def columns(frames: int, seed: int) -> TrackColumns:
    """Coherence depends on the slope of the spectrum in four steps; level differences are zero."""
    random = np.random.default_rng(seed)
    stage = np.repeat(random.integers(0, 4, (frames // 16 + 1, 1)), 16, axis=0)[:frames]
    slope = (stage - 1.5) / 1.5
    levels = -58 + 20 * slope * np.linspace(-1, 1, LEVELS) + random.normal(0, 1, (frames, LEVELS))
    coherence = np.broadcast_to(np.array([1, 0.8, 0.4, 0.0])[stage], (frames, BANDS))
    iid = np.zeros((frames, BANDS))
    return _columns(iid, coherence, levels)


def random_iid_columns(frames: int, seed: int) -> TrackColumns:
    """Coherence follows the slope of the spectrum; level differences of ±6 dB follow nothing."""
    random = np.random.default_rng(seed)
    slope = np.repeat(random.uniform(-1, 1, (frames // 8 + 1, 1)), 8, axis=0)[:frames]
    levels = -58 + 20 * slope * np.linspace(-1, 1, LEVELS) + random.normal(0, 1, (frames, LEVELS))
    coherence = np.broadcast_to(0.5 + 0.4 * slope, (frames, BANDS))
    return _columns(random.choice([-6.0, 6.0], (frames, BANDS)), coherence, levels)


def _columns(iid: np.ndarray, coherence: np.ndarray, levels: np.ndarray) -> TrackColumns:
    parts = [each.astype(np.float16) for each in (iid, coherence, levels)]
    whole = Parameters(*(torch.from_numpy(each.T.astype("f4")) for each in parts[:2]))
    return TrackColumns(quantize(whole).T.numpy(), *parts)


def write_cache(path: Path, lengths: Sequence[int], seed: int, *, make=columns) -> None:
    """Tracks of the given lengths in frames, as `soundstage prepare` writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_features(
        path,
        [make(frames, seed + index) for index, frames in enumerate(lengths)],
        names=[f"{index}.wav" for index in range(len(lengths))],
        credits=[{"title": "One", "artist": "Ann", "license": "CC0"}],
        fingerprint=bytes([seed] * 32),
    )
