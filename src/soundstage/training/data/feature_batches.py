"""Batches of frames from feature caches: segments of tracks with random gain and swapped channels.

A folder of features is made by `soundstage prepare`. `valid.safetensors` is the validation part,
`test.safetensors` is never opened, and any other file is for training.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from soundstage.corpora.feature_cache import FeatureCache, load_features
from soundstage.errors import InputError
from soundstage.seeding import seeded_generator
from soundstage.stereo import Parameters
from soundstage.stereo.features import MIN_LEVEL_DB, parameter_features
from soundstage.training.data.tracks import VALID, credit_facts
from soundstage.weights import Card

HELD_OUT = (VALID, "test")  # never used for training


@dataclass(frozen=True)
class FeatureDataset:
    """Features of a collection, in a training and a validation part."""

    train: list[FeatureCache]
    valid: list[FeatureCache]
    skipped: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """The amount of training data, for the log."""
        frames = sum(len(cache.tokens) for cache in self.train)
        return f"{frames:,} frames of {sum(len(cache.names) for cache in self.train):,} tracks"

    @property
    def n_valid(self) -> int:
        """Number of validation tracks."""
        return sum(len(cache.names) for cache in self.valid)

    def digest(self) -> bytes:
        """SHA-256 of the data."""
        caches = [cache.fingerprint for cache in (*self.train, *self.valid)]
        return hashlib.sha256(b"".join(caches)).digest()

    def facts(self) -> Card:
        """Card entries; a track at several speeds counts once."""
        names = {name for cache in self.train for name in cache.names}
        credits = [credit for cache in self.train for credit in cache.credits]
        distinct = {json.dumps(credit, sort_keys=True): credit for credit in credits}
        return credit_facts(len(names), list(distinct.values()))


def open_features(folder: Path) -> FeatureDataset:
    """Open a folder of features.

    Raises:
        InputError: the folder does not exist, or has no features for training.
        WeightsError: a file is damaged, or holds something else.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder.")
    train = [path for path in sorted(folder.glob("*.safetensors")) if path.stem not in HELD_OUT]
    if not train:
        raise InputError(
            f"{folder}: contains no features; `soundstage prepare` makes them from tracks."
        )
    valid = [path for path in (folder / f"{VALID}.safetensors",) if path.exists()]
    return FeatureDataset([load_features(path) for path in train], [*map(load_features, valid)])


class FeatureBatches:
    """Random segments of `frames` frames, each position equally likely.

    Args:
        caches: training features.
        frames: length of an example; shorter tracks are skipped.
        batch_size: examples per batch.
        gain_db: maximum random gain, up or down.
        seed: of all random choices.

    Raises:
        InputError: all tracks are too short.
    """

    def __init__(
        self, caches: list[FeatureCache], *, frames: int, batch_size: int, gain_db: float, seed: int
    ) -> None:
        self._frames, self._batch_size = frames, batch_size
        self._gain_db, self._seed = gain_db, seed
        self._segments = SegmentSampler(caches, frames)
        self.per_epoch = max(self._segments.frames // (frames * batch_size), 1)

    def draw(
        self, step: int
    ) -> tuple[Float[Tensor, "batch frames levels"], Float[Tensor, "batch frames features"]]:
        """Levels and the 68 target features of a step, the same for every call."""
        generator = seeded_generator(self._seed, step)
        chosen = self._segments.choose(self._batch_size, generator)
        gains = self._gain_db * (2 * torch.rand(self._batch_size, generator=generator) - 1)
        swapped = torch.rand(self._batch_size, generator=generator) < 0.5
        levels, features = [], []
        for index, gain, swap in zip(chosen, gains, swapped, strict=True):
            cache, _, first = self._segments[int(index)]
            frames = slice(first, first + self._frames)
            levels.append(apply_gain(cache.levels[frames].float(), gain))
            features.append(_features(cache, frames, swap=bool(swap)))
        return torch.stack(levels), torch.stack(features)


class SegmentSampler:
    """Positions of segments of `frames` frames in all tracks that are long enough.

    Raises:
        InputError: all tracks are too short.
    """

    def __init__(self, caches: list[FeatureCache], frames: int) -> None:
        self._caches = caches
        # One run of consecutive positions a track: cache, start of the track, number of positions
        self._runs = [
            (index, int(start), int(end - start) - frames + 1)
            for index, cache in enumerate(caches)
            for start, end in zip(cache.starts, cache.ends, strict=True)
            if end - start >= frames
        ]
        if not self._runs:
            raise InputError(f"No track has the {frames} frames of an example.")
        self._run_ends = torch.tensor([count for _, _, count in self._runs]).cumsum(0)
        self.frames = sum(count + frames - 1 for _, _, count in self._runs)
        """Total length of the tracks that are long enough."""

    def choose(self, count: int, generator: torch.Generator) -> Int64[Tensor, " count"]:
        """Random positions, each equally likely."""
        return torch.randint(int(self._run_ends[-1]), (count,), generator=generator)

    def __getitem__(self, position: int) -> tuple[FeatureCache, int, int]:
        """The cache, the first frame of the track in it, and the first frame of the segment."""
        run = int(torch.searchsorted(self._run_ends, position, right=True))
        index, start, count = self._runs[run]
        return self._caches[index], start, start + position - int(self._run_ends[run]) + count

    def draw(self, generator: torch.Generator) -> tuple[FeatureCache, int, int]:
        """One random segment."""
        return self[int(self.choose(1, generator))]


def apply_gain(
    levels: Float[Tensor, "frames levels"], gain: Float[Tensor, "*levels"]
) -> Float[Tensor, "frames levels"]:
    """Levels of the same signal with a gain in dB; silence stays silent."""
    silent = levels <= MIN_LEVEL_DB + 0.1
    return torch.where(silent, levels, (levels + gain).clamp(min=MIN_LEVEL_DB))


def consecutive_segments(
    caches: list[FeatureCache], frames: int
) -> Iterator[tuple[Float[Tensor, "1 frames levels"], Float[Tensor, "1 frames features"]]]:
    """All frames of all tracks in order, in segments of `frames` or less at the end of a track."""
    for cache in caches:
        for start, end in zip(cache.starts.tolist(), cache.ends.tolist(), strict=True):
            for first in range(start, end, frames):
                part = slice(first, min(first + frames, end))
                yield cache.levels[part].float()[None], _features(cache, part, swap=False)[None]


def _features(
    cache: FeatureCache, frames: slice, *, swap: bool
) -> Float[Tensor, "frames features"]:
    iid, coherence = cache.iid[frames].float(), cache.coherence[frames].float()
    return parameter_features(Parameters(-iid.T if swap else iid.T, coherence.T)).T
