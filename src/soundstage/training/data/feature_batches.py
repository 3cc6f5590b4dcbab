"""Batches of frames out of a feature cache: stretches of records, varied in level and in side."""

from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from soundstage.corpora.feature_cache import FeatureCache, load_features
from soundstage.errors import InputError
from soundstage.seeding import seeded_generator
from soundstage.stereo import Parameters
from soundstage.stereo.features import parameter_features
from soundstage.stereo.levels import QUIETEST
from soundstage.training.prepare import HELD_OUT


class FeatureBatches:
    """Stretches of `patch` frames; every frame of the records is as likely as any other.

    Args:
        caches: what is learned from.
        patch: frames of an example; shorter records are passed over.
        size: examples a batch.
        gain: dB up or down, at most, by which an example is made louder or softer.
        seed: of the draws.

    Raises:
        InputError: no record is long enough.
    """

    def __init__(
        self, caches: list[FeatureCache], *, patch: int, size: int, gain: float, seed: int
    ) -> None:
        self._patch, self._size = patch, size
        self._gain, self._seed = gain, seed
        self._places = FramePlaces(caches, patch)
        self.per_epoch = max(self._places.frames // (patch * size), 1)

    def draw(
        self, step: int
    ) -> tuple[Float[Tensor, "batch frames levels"], Float[Tensor, "batch frames features"]]:
        """Levels and the 68 numbers to tell from them; the same whenever a step is asked for."""
        generator = seeded_generator(self._seed, step)
        chosen = self._places.choose(self._size, generator)
        gains = self._gain * (2 * torch.rand(self._size, generator=generator) - 1)
        swapped = torch.rand(self._size, generator=generator) < 0.5
        levels, features = [], []
        for place, gain, swap in zip(chosen, gains, swapped, strict=True):
            cache, _, first = self._places[int(place)]
            rows = slice(first, first + self._patch)
            levels.append(louder(cache.levels[rows].float(), gain))
            features.append(_features(cache, rows, swap=bool(swap)))
        return torch.stack(levels), torch.stack(features)


class FramePlaces:
    """Where a stretch of `frames` may begin: any frame of any record that is long enough.

    Raises:
        InputError: no record is long enough.
    """

    def __init__(self, caches: list[FeatureCache], frames: int) -> None:
        self._caches = caches
        # As runs: one a record, counted through
        self._runs = [
            (index, int(start), int(end - start) - frames + 1)
            for index, cache in enumerate(caches)
            for start, end in zip(cache.starts, cache.ends, strict=True)
            if end - start >= frames
        ]
        if not self._runs:
            raise InputError(f"No record has the {frames} frames of an example.")
        self._run_ends = torch.tensor([count for _, _, count in self._runs]).cumsum(0)
        self.frames = sum(count + frames - 1 for _, _, count in self._runs)
        """Of the records that are long enough."""

    def choose(self, count: int, generator: torch.Generator) -> Int64[Tensor, " count"]:
        """Places at random, each as likely as any other."""
        return torch.randint(int(self._run_ends[-1]), (count,), generator=generator)

    def __getitem__(self, place: int) -> tuple[FeatureCache, int, int]:
        """A cache, the first frame of a record in it, and the frame to begin at."""
        run = int(torch.searchsorted(self._run_ends, place, right=True))
        index, start, count = self._runs[run]
        return self._caches[index], start, start + place - int(self._run_ends[run]) + count

    def draw(self, generator: torch.Generator) -> tuple[FeatureCache, int, int]:
        """One place at random."""
        return self[int(self.choose(1, generator))]


def louder(
    levels: Float[Tensor, "frames levels"], gain: Float[Tensor, "*levels"]
) -> Float[Tensor, "frames levels"]:
    """Levels of the same sound with a gain in dB; silence stays silence."""
    silent = levels <= QUIETEST + 0.1
    return torch.where(silent, levels, (levels + gain).clamp(min=QUIETEST))


def held_out_patches(
    caches: list[FeatureCache], patch: int
) -> Iterator[tuple[Float[Tensor, "1 frames levels"], Float[Tensor, "1 frames features"]]]:
    """All frames of records in their order, as examples of `patch` frames; the last is shorter."""
    for cache in caches:
        for start, end in zip(cache.starts.tolist(), cache.ends.tolist(), strict=True):
            for first in range(start, end, patch):
                rows = slice(first, min(first + patch, end))
                yield cache.levels[rows].float()[None], _features(cache, rows, swap=False)[None]


def open_caches(folder: Path) -> tuple[list[FeatureCache], list[FeatureCache]]:
    """What is learned from, and what is held out to choose by, out of a folder of features.

    `valid.safetensors` is held out, `test.safetensors` is not opened, any other is learned from.

    Raises:
        InputError: there is no such folder, or nothing in it to learn from.
        WeightsError: a file is damaged or holds no features.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder.")
    learned = [path for path in sorted(folder.glob("*.safetensors")) if path.stem not in HELD_OUT]
    if not learned:
        raise InputError(
            f"{folder}: holds no features; 'soundstage prepare RECORDS -o {folder}' makes them."
        )
    held = folder / "valid.safetensors"
    return [load_features(path) for path in learned], [load_features(held)] if held.exists() else []


def _features(cache: FeatureCache, rows: slice, *, swap: bool) -> Float[Tensor, "frames features"]:
    iid, coherence = cache.iid[rows].float(), cache.coherence[rows].float()
    return parameter_features(Parameters(-iid.T if swap else iid.T, coherence.T)).T
