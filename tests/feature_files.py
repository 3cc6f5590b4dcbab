"""Prepared features of records that nobody recorded, from which something can be learned."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from soundstage.corpora.feature_cache import TrackColumns, save_features
from soundstage.stereo import BANDS, Parameters, quantize
from soundstage.stereo.levels import LEVELS


def columns(frames: int, seed: int) -> TrackColumns:
    """Four stages take turns, and the slope of the spectrum tells which one is on."""
    random = np.random.default_rng(seed)
    stage = np.repeat(random.integers(0, 4, (frames // 16 + 1, 1)), 16, axis=0)[:frames]
    slope = (stage - 1.5) / 1.5
    levels = -58 + 20 * slope * np.linspace(-1, 1, LEVELS) + random.normal(0, 1, (frames, LEVELS))
    coherence = np.broadcast_to(np.array([1, 0.8, 0.4, 0.0])[stage], (frames, BANDS))
    iid = np.zeros((frames, BANDS))
    parts = [each.astype(np.float16) for each in (iid, coherence, levels)]
    whole = Parameters(*(torch.from_numpy(each.T.astype("f4")) for each in parts[:2]))
    return TrackColumns(quantize(whole).T.numpy(), *parts)


def write_cache(path: Path, lengths: Sequence[int], seed: int) -> None:
    """Records of so many frames, as `soundstage prepare` would leave them."""
    save_features(
        path,
        [columns(frames, seed + index) for index, frames in enumerate(lengths)],
        names=[f"{index}.wav" for index in range(len(lengths))],
        credits=[{"title": "One", "artist": "Ann", "license": "CC0"}],
        fingerprint=bytes([seed] * 32),
    )
