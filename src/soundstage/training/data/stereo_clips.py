"""Batches of clips out of the records themselves: any place in any of them, at one rate.

A record is never held as a whole. Where its format allows (WAV, AIFF, FLAC and their kin), a clip
is sought; a lossy one is decoded up to the clip, since it gives other samples after a seek, and is
better turned into FLAC before a long training. A clip comes with what lies around it in the record,
silence before its beginning and after its end, so that a transform or a filter sees no edge.
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
from soundstage.corpora import open_corpus
from soundstage.errors import InputError
from soundstage.seeding import seeded_generator

LEARNED, HELD_OUT = "train", "valid"  # folders of a collection that has parts
COUNTED = 1 << 18  # frames decoded at a time of a record that does not tell its length


class _Record(NamedTuple):
    sound: SoundReader
    frames: int
    samples: int
    """The same length at the rate of the clips."""


class StereoClips:
    """Clips of `length` samples; every place in the records is as likely as any other.

    Args:
        records: of two channels; those shorter than a clip are passed over.
        length: of a clip, in samples.
        around: samples on either side that come with it.
        rate: of the clips, in Hz.
        size: clips a batch.
        seed: of the draws.

    Raises:
        InputError: no record is long enough, or one cannot be read.
    """

    def __init__(
        self,
        records: Sequence[Path],
        *,
        length: int,
        around: int,
        rate: int,
        size: int,
        seed: int,
    ) -> None:
        self._length, self._around, self._rate = length, around, rate
        self._size, self._seed = size, seed
        opened = [_opened(path, rate) for path in records]
        self._records = [record for record in opened if record.samples >= length]
        if not self._records:
            raise InputError(f"No record has the {length / rate:.1f} s of an example.")
        places = [record.samples - length + 1 for record in self._records]
        self._ends = torch.tensor(places).cumsum(0)
        samples = sum(record.samples for record in self._records)
        self.hours = samples / rate / 3600
        """Of the records that are long enough."""
        self.per_epoch = max(samples // (length * size), 1)

    def __len__(self) -> int:
        """Records that are long enough."""
        return len(self._records)

    def draw(self, step: int) -> Float[Tensor, "batch 2 length_and_around"]:
        """The clips of a step, the same whenever they are asked for.

        Raises:
            InputError: a record cannot be read.
        """
        generator = seeded_generator(self._seed, step)
        places = torch.randint(int(self._ends[-1]), (self._size,), generator=generator)
        return torch.stack([self._clip(place) for place in places.tolist()])

    def _clip(self, place: int) -> Float[Tensor, "2 length_and_around"]:
        index = int(torch.searchsorted(self._ends, place, right=True))
        record, rate = self._records[index], self._rate
        start = place - int(self._ends[index]) + record.samples - self._length + 1
        # The filter that resamples has its own context, as long again as what lies around
        begin, beside = start - 2 * self._around, 2 * self._around
        ratio = record.sound.rate / rate
        first, frames = round(begin * ratio), round((self._length + 2 * beside) * ratio) + 1
        read = resample(_stretch(record, first, frames), record.sound.rate, rate)
        clip = read[:, self._around : self._length + 3 * self._around]
        return torch.from_numpy(np.ascontiguousarray(clip))


def stereo_parts(data: Path) -> tuple[list[Path], list[Path], list[str]]:
    """The records to learn from, those held out, and a sentence for each that was left out.

    A collection in folders `train` and `valid` is learned from the first and held to the second;
    any other is learned from whole. Of MUSDB18-HQ the mixtures are taken, not the stems.

    Raises:
        InputError: there is no such folder, or no stereo record in it.
    """
    if not (data / LEARNED).is_dir():
        learned, left_out = _records(data)
        return learned, [], left_out
    learned, left_out = _records(data / LEARNED)
    if not (data / HELD_OUT).is_dir():
        return learned, [], left_out
    held_out, unused = _records(data / HELD_OUT)
    return learned, held_out, left_out + unused


def _records(folder: Path) -> tuple[list[Path], list[str]]:
    corpus = open_corpus(folder)
    records = [clip.record for clip in corpus.clips if clip.record]
    if not records:
        raise InputError(f"{folder}: holds {corpus.layout}, and no whole record to learn from.")
    return records, list(corpus.left_out)


def _opened(path: Path, rate: int) -> _Record:
    sound = open_sound(path)
    frames = sound.frames
    if frames is None:
        frames = sum(block.shape[1] for block in sound.blocks(COUNTED))
    return _Record(sound, frames, resampled_frames(frames, sound.rate, rate))


def _stretch(record: _Record, first: int, frames: int) -> Float[np.ndarray, "2 frames"]:
    """Frames of a record from `first` on, and silence where there is none."""
    start, stop = max(first, 0), min(first + frames, record.frames)
    read = next(record.sound.blocks(stop - start, start)).astype(np.float32, copy=False)
    before = start - first
    return np.pad(read, ((0, 0), (before, frames - before - read.shape[1])))
