"""Binaural speech with tracked talkers, in the layout of the published data set.

Richard et al. (ICLR 2021, "Neural synthesis of binaural speech from mono audio"): one folder for
each recording, with `mono.wav` (the talker), `binaural.wav` (the ears of a dummy head), and the
poses of talker and head, `tx_positions.txt` and `rx_positions.txt`, one for every 400 samples at
48 kHz. The archive has the folders `trainset` with `subject1` to `subject8`, and `testset` with the
same names and `validation_sequence`. `binaural_simulation` writes the same layout.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float32

from soundstage.audio import SoundReader, open_sound
from soundstage.binaural import Poses, Trajectory, read_tracked, seen_by_receiver
from soundstage.binaural.binaural_speech_poses import POSE_RATE
from soundstage.binaural.pose_trajectory import PointError
from soundstage.errors import InputError, OptionError

RATE = 48_000  # Hz
HOP = RATE // POSE_RATE  # samples between poses
TRAINSET, TESTSET, VALIDATION = "trainset", "testset", "validation_sequence"
MONO, BINAURAL = "mono.wav", "binaural.wav"
TRANSMITTER, RECEIVER = "tx_positions.txt", "rx_positions.txt"
Split = Literal["train", "valid", "test"]


class Recording:
    """A recording; its sound is read on demand.

    Args:
        folder: with the four files.

    Attributes:
        name: of the folder.
        frames: common length of sound and poses, in samples.
        trajectory: of the mouth relative to the head (`binaural.geometry`).

    Raises:
        InputError: a file is missing, damaged, of another rate or number of channels, or their
            lengths differ by more than a pose.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        self._mono = _opened(folder / MONO, 1)
        self._binaural = _opened(folder / BINAURAL, 2)
        talker = read_tracked(folder / TRANSMITTER)
        head = read_tracked(folder / RECEIVER)
        lengths = {
            MONO: self._mono.frames or 0,
            BINAURAL: self._binaural.frames or 0,
            TRANSMITTER: HOP * len(talker),
            RECEIVER: HOP * len(head),
        }
        if max(lengths.values()) - min(lengths.values()) > HOP:
            listed = ", ".join(f"{name} {frames / RATE:.3f} s" for name, frames in lengths.items())
            raise InputError(
                f"{folder}: the files have different lengths ({listed}); at {RATE:,} Hz and "
                f"{POSE_RATE} poses a second they may differ by one pose: get a complete copy."
            )
        self.frames = min(self._mono.frames or 0, self._binaural.frames or 0)
        count = min(len(talker), len(head))
        poses = seen_by_receiver(talker[:count], head[:count])
        try:
            self.trajectory = Trajectory(np.arange(count) / POSE_RATE, *poses)
        except PointError as error:
            raise InputError(
                f"{folder / TRANSMITTER}, line {error.point + 1}: {error.reason}"
            ) from error

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.frames / RATE

    def mono(self, start: int, frames: int) -> Float32[np.ndarray, " frames"]:
        """The talker's sound from a sample on; shorter at the end.

        Raises:
            InputError: the file has been damaged since it was opened.
        """
        return self._read(self._mono, start, frames)[0]

    def binaural(self, start: int, frames: int) -> Float32[np.ndarray, "2 frames"]:
        """The ear signals, left first; as `mono`."""
        return self._read(self._binaural, start, frames)

    def poses(self, start: int, frames: int) -> Poses:
        """Poses of the mouth at every `HOP`th sample from `start` on."""
        count = -(-frames // HOP)
        return self.trajectory.at(start / RATE + np.arange(count) / POSE_RATE)

    def _read(self, sound: SoundReader, start: int, frames: int) -> Float32[np.ndarray, "c frames"]:
        available = min(frames, self.frames - start)
        if not 0 < available <= frames or start < 0:
            raise ValueError(f"{frames} frames from {start} on are not within {self.frames}")
        return next(sound.blocks(available, start)).astype(np.float32, copy=False)


class Chunk(NamedTuple):
    """A segment of a recording."""

    recording: Recording
    start: int
    """First sample."""
    mono: Float32[np.ndarray, " frames"]
    binaural: Float32[np.ndarray, "2 frames"]
    poses: Poses
    """One for every `HOP` samples, from the first sample on."""


class Chunks:
    """Segments of recordings, for training and tests.

    Args:
        recordings: `draw` skips those that are shorter than a segment.
        frames: of a segment.

    Raises:
        OptionError: a segment has no frame.
    """

    def __init__(self, recordings: Sequence[Recording], frames: int) -> None:
        if frames < 1:
            raise OptionError(f"A segment needs at least one frame, not {frames}.")
        self._recordings, self._frames = list(recordings), frames

    def draw(self, seed: int, step: int) -> Chunk:
        """A random segment, uniform over all positions; the same for the same arguments.

        Raises:
            InputError: no recording is long enough, or one has been damaged.
        """
        if not self._ends[-1]:
            raise InputError(f"No recording has the {self._frames / RATE:.2f} s of a segment.")
        position = int(np.random.default_rng((seed, step)).integers(self._ends[-1]))
        number = int(np.searchsorted(self._ends, position, side="right"))
        start = position - int(self._ends[number - 1] if number else 0)
        return self._chunk(self._recordings[number], start)

    def in_order(self) -> Iterator[Chunk]:
        """All segments of all recordings; the last one of each may be shorter."""
        for recording in self._recordings:
            for start in range(0, recording.frames, self._frames):
                yield self._chunk(recording, start)

    @cached_property
    def _ends(self) -> np.ndarray:
        """Cumulative number of start positions."""
        starts = [max(each.frames - self._frames + 1, 0) for each in self._recordings]
        return np.cumsum([*starts, 0])

    def _chunk(self, recording: Recording, start: int) -> Chunk:
        mono = recording.mono(start, self._frames)
        binaural = recording.binaural(start, self._frames)
        return Chunk(recording, start, mono, binaural, recording.poses(start, len(mono)))


def open_binaural_speech(folder: Path, split: Split | None = None) -> list[Recording]:
    """Open the recordings below a folder, sorted by name.

    Args:
        folder: of the data set, of a part of it, or of one recording.
        split: "train" is `trainset`, "valid" the `validation_sequence` in `testset`, and "test" the
            rest of `testset`; None is all.

    Raises:
        InputError: the folder does not exist, has no recording of this split, or one is invalid.
        OptionError: the split is unknown.
    """
    if split not in (None, "train", "valid", "test"):
        raise OptionError(f"`split` must be train, valid or test, not {split!r}.")
    if not folder.is_dir():
        raise InputError(f"{folder}: folder not found.")
    found = [path.parent for path in folder.rglob(BINAURAL)]
    chosen = sorted((each for each in found if split in (None, _split_of(each))), key=_by_number)
    if not chosen:
        part = f" of the split {split!r}" if split else ""
        raise InputError(
            f"{folder}: has no recording{part}; a recording is a folder with {MONO}, {BINAURAL}, "
            f"{TRANSMITTER} and {RECEIVER}, for a split inside {TRAINSET} or {TESTSET}."
        )
    return [Recording(each) for each in chosen]


def _split_of(recording: Path) -> str:
    if recording.parent.name == TRAINSET:
        return "train"
    if recording.parent.name != TESTSET:
        return ""
    return "valid" if recording.name.startswith(VALIDATION) else "test"


def _by_number(path: Path) -> tuple[Path, str, int]:
    """Sort key with `subject10` after `subject9`."""
    letters = path.name.rstrip("0123456789")
    return path.parent, letters, int(path.name[len(letters) :] or 0)


def _opened(path: Path, channels: int) -> SoundReader:
    sound = open_sound(path)
    if sound.channels != channels:
        raise InputError(f"{path}: has {sound.channels} channels, not {channels}.")
    if sound.rate != RATE:
        raise InputError(f"{path}: has a sample rate of {sound.rate:,} Hz, not {RATE:,} Hz.")
    return sound
