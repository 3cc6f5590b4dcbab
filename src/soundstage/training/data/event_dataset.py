"""Sound events in memory, split into a training, a validation and a test part.

Clips are read as mono at 16 kHz, without the silence around them. Parts share no recording: they
are folds of the collection, or some recordings of a training fold.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from soundstage.corpora.events import EventClip, event_clips, read_event, recordings
from soundstage.errors import InputError
from soundstage.networks.models.tagger import RATE
from soundstage.training.data.event_batches import Sound
from soundstage.training.data.tracks import map_tracks
from soundstage.training.recipe_base import EventRecipe
from soundstage.weights import Card

SILENCE = 8 / 32768  # −72 dB: clips are padded with digital silence, perhaps after a lossy codec


@dataclass(frozen=True)
class EventDataset:
    """Sound events in a training, a validation and a test part."""

    train: list[EventClip]
    valid: list[EventClip]
    test: list[EventClip]
    classes: list[str]
    sounds: dict[Path, Sound]
    """The clips without silence at start and end."""
    skipped: list[str]

    @property
    def description(self) -> str:
        """The amount of training data, for the log."""
        return f"{len(self.train):,} clips of {len(self.classes)} classes"

    @property
    def n_valid(self) -> int:
        """Number of validation clips."""
        return len(self.valid)

    def digest(self) -> bytes:
        """SHA-256 of names and labels; the content of the files is not read."""
        clips = [[clip.path.name, clip.label] for clip in (*self.train, *self.valid)]
        return hashlib.sha256(json.dumps(clips).encode()).digest()

    def facts(self) -> Card:
        """Card entries."""
        licenses = Counter(clip.license for clip in self.train)
        counts = ", ".join(f"{count} under {name}" for name, count in licenses.most_common())
        folds = ", ".join(str(fold) for fold in sorted({clip.fold for clip in self.train}))
        credits = recordings(self.train)
        cut = f" cut from {len(credits)} recordings" if credits else ""
        summary = f"{len(self.train)} clips{cut}, folds {folds}: {counts}"
        return {
            "data": f"{summary}; see licenses and credits",
            "recordings": len(self.train),
            "classes": self.classes,
            "licenses": dict(licenses),
            "credits": credits,
        }

    def labeled(self, clips: Sequence[EventClip]) -> tuple[list[Sound], list[int]]:
        """Sounds and class indices of clips."""
        sounds = [self.sounds[clip.path] for clip in clips]
        return sounds, [self.classes.index(clip.label) for clip in clips]


def open_events(recipe: EventRecipe, folder: Path, jobs: int = 1) -> EventDataset:
    """Read a collection of sound events.

    Raises:
        InputError: the folder is not such a collection, or lacks the folds of the recipe.
    """
    clips = event_clips(folder)
    train = [c for c in clips if c.fold in recipe.train_folds and c.license in recipe.licenses]
    held_out = _held_out(train, recipe.valid_clips)
    train = [clip for clip in train if not _same_recording(clip, held_out)]
    valid = [clip for clip in clips if clip.fold in recipe.valid_folds] + held_out
    test = [clip for clip in clips if clip.fold in recipe.test_folds]
    if len(train) < 2:
        folds = ", ".join(map(str, recipe.train_folds))
        found = ", ".join(sorted({clip.license for clip in clips}))
        raise InputError(
            f"{folder}: has fewer than two clips in the folds {folds} under the "
            f"licenses {', '.join(recipe.licenses)}; the licenses are {found}."
        )
    paths = sorted({clip.path for clip in (*train, *valid, *test)})
    sounds, skipped = map_tracks(_read, paths, jobs=jobs)
    trimmed = {path: trim_silence(torch.from_numpy(sound)) for path, sound in sounds}
    classes = sorted({clip.label for clip in train})
    train, valid, test = (
        [clip for clip in part if clip.path in trimmed and clip.label in classes]
        for part in (train, valid, test)
    )
    return EventDataset(train, valid, test, classes, trimmed, skipped)


def _held_out(train: Sequence[EventClip], count: int) -> list[EventClip]:
    """`count` clips of the last fold, evenly spaced in its order by label."""
    last = max((clip.fold for clip in train), default=0)
    clips = sorted((c for c in train if c.fold == last), key=lambda c: (c.label, c.path.name))
    chosen = np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int)
    return [clips[index] for index in chosen]


def _same_recording(clip: EventClip, others: Sequence[EventClip]) -> bool:
    return any(
        clip.path == other.path or (clip.credit and clip.credit == other.credit) for other in others
    )


def _read(path: Path) -> tuple[Path, np.ndarray]:
    return path, read_event(path, RATE)


def trim_silence(sound: Sound) -> Sound:
    """The sound without silence at start and end; a silent sound is returned whole."""
    loud = (sound.abs() > SILENCE).nonzero()[:, 0]
    return sound[int(loud[0]) : int(loud[-1]) + 1] if len(loud) else sound
