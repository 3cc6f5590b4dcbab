"""Batches of frames out of a feature cache: stretches of records, varied in level and in side."""

from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.corpora.feature_cache import FeatureCache, load_features
from soundstage.errors import InputError
from soundstage.stereo import Parameters
from soundstage.stereo.features import parameter_features
from soundstage.stereo.levels import QUIETEST
from soundstage.training.prepare import HELD_OUT


class FeatureBatches:
    """Stretches of `patch` frames; every frame of the records is as likely as any other.

    Args:
        caches: what is learnt from.
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
        self._caches, self._patch, self._size = caches, patch, size
        self._gain, self._seed = gain, seed
        # Every frame that a stretch may begin at, as runs: one a record, counted through
        places = [
            (index, int(start), int(end - start) - patch + 1)
            for index, cache in enumerate(caches)
            for start, end in zip(cache.starts, cache.ends, strict=True)
            if end - start >= patch
        ]
        if not places:
            raise InputError(f"No record has the {patch} frames of an example.")
        self._places = places
        self._run_ends = torch.tensor([count for _, _, count in places]).cumsum(0)
        frames = sum(count + patch - 1 for _, _, count in places)
        self.per_epoch = max(frames // (patch * size), 1)

    def draw(
        self, step: int
    ) -> tuple[Float[Tensor, "batch frames levels"], Float[Tensor, "batch frames features"]]:
        """Levels and the 68 numbers to tell from them; the same whenever a step is asked for."""
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        total = int(self._run_ends[-1])
        chosen = torch.randint(total, (self._size,), generator=generator)
        gains = self._gain * (2 * torch.rand(self._size, generator=generator) - 1)
        swapped = torch.rand(self._size, generator=generator) < 0.5
        levels, features = [], []
        for place, gain, swap in zip(chosen, gains, swapped, strict=True):
            run = int(torch.searchsorted(self._run_ends, place, right=True))
            index, start, count = self._places[run]
            first = start + int(place) - int(self._run_ends[run]) + count
            cache, rows = self._caches[index], slice(first, first + self._patch)
            levels.append(louder(cache.levels[rows].float(), float(gain)))
            features.append(_features(cache, rows, swap=bool(swap)))
        return torch.stack(levels), torch.stack(features)


def louder(levels: Float[Tensor, "frames levels"], gain: float) -> Float[Tensor, "frames levels"]:
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
    """What is learnt from, and what is held out to choose by, out of a folder of features.

    `valid.safetensors` is held out, `test.safetensors` is not opened, any other is learnt from.

    Raises:
        InputError: there is no such folder, or nothing in it to learn from.
        WeightsError: a file is damaged or holds no features.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder.")
    learnt = [path for path in sorted(folder.glob("*.safetensors")) if path.stem not in HELD_OUT]
    if not learnt:
        raise InputError(
            f"{folder}: holds no features; 'soundstage prepare RECORDS -o {folder}' makes them."
        )
    held = folder / "valid.safetensors"
    return [load_features(path) for path in learnt], [load_features(held)] if held.exists() else []


def _features(cache: FeatureCache, rows: slice, *, swap: bool) -> Float[Tensor, "frames features"]:
    iid, coherence = cache.iid[rows].float(), cache.coherence[rows].float()
    return parameter_features(Parameters(-iid.T if swap else iid.T, coherence.T)).T
