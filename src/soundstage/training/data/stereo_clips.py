"""Batches of clips from stereo tracks, at one sampling rate.

Tracks are never loaded as a whole. In WAV, AIFF and FLAC a clip is sought; a lossy file is decoded
up to the clip, since a seek changes its samples, and is better converted to FLAC before a long
training. A clip comes with `margin` samples of its track on either side (silence beyond the ends),
so that transforms and filters see no edge.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.audio import SoundReader, open_sound
from soundstage.audio.resampling import resample, resampled_frames
from soundstage.errors import InputError
from soundstage.seeding import seeded_generator

COUNT_BLOCK = 1 << 18  # frames decoded at a time when a file does not state its length


class _Track(NamedTuple):
    sound: SoundReader
    frames: int
    samples: int
    """The same length at the rate of the clips."""


class StereoClips:
    """Random clips of `length` samples, each position in the tracks equally likely.

    Args:
        tracks: stereo files; those shorter than a clip are skipped.
        length: of a clip, in samples.
        margin: samples on either side that come with it.
        rate: of the clips, in Hz.
        batch_size: clips per batch.
        seed: of all random choices.

    Raises:
        InputError: all tracks are too short, or one cannot be read.
    """

    def __init__(
        self,
        tracks: Sequence[Path],
        *,
        length: int,
        margin: int,
        rate: int,
        batch_size: int,
        seed: int,
    ) -> None:
        self._length, self._margin, self._rate = length, margin, rate
        self._batch_size, self._seed = batch_size, seed
        opened = [_open_track(path, rate) for path in tracks]
        self._tracks = [track for track in opened if track.samples >= length]
        if not self._tracks:
            raise InputError(f"No track has the {length / rate:.1f} s of an example.")
        positions = [track.samples - length + 1 for track in self._tracks]
        self._ends = torch.tensor(positions).cumsum(0)
        samples = sum(track.samples for track in self._tracks)
        self.hours = samples / rate / 3600
        """Total length of the tracks that are long enough."""
        self.per_epoch = max(samples // (length * batch_size), 1)

    def __len__(self) -> int:
        """Number of tracks that are long enough."""
        return len(self._tracks)

    def draw(self, step: int) -> Float[Tensor, "batch 2 length_and_margins"]:
        """The clips of a step, the same for every call.

        Raises:
            InputError: a track cannot be read.
        """
        generator = seeded_generator(self._seed, step)
        positions = torch.randint(int(self._ends[-1]), (self._batch_size,), generator=generator)
        return torch.stack([self._clip(position) for position in positions.tolist()])

    def _clip(self, position: int) -> Float[Tensor, "2 length_and_margins"]:
        index = int(torch.searchsorted(self._ends, position, right=True))
        track, rate = self._tracks[index], self._rate
        start = position - int(self._ends[index]) + track.samples - self._length + 1
        # The resampling filter has a context of its own, as long again as the margin
        context = 2 * self._margin
        ratio = track.sound.rate / rate
        first = round((start - context) * ratio)
        frames = round((self._length + 2 * context) * ratio) + 1
        samples = resample(_read_padded(track, first, frames), track.sound.rate, rate)
        clip = samples[:, self._margin : self._length + 3 * self._margin]
        return torch.from_numpy(np.ascontiguousarray(clip))


def _open_track(path: Path, rate: int) -> _Track:
    sound = open_sound(path)
    frames = sound.frames
    if frames is None:
        frames = sum(block.shape[1] for block in sound.blocks(COUNT_BLOCK))
    return _Track(sound, frames, resampled_frames(frames, sound.rate, rate))


def _read_padded(track: _Track, first: int, frames: int) -> Float[np.ndarray, "2 frames"]:
    """Frames of a track from `first` on, with silence before its start and after its end."""
    start, stop = max(first, 0), min(first + frames, track.frames)
    samples = next(track.sound.blocks(stop - start, start)).astype(np.float32, copy=False)
    before = start - first
    return np.pad(samples, ((0, 0), (before, frames - before - samples.shape[1])))
