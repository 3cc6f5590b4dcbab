"""Binaural speech with the talker tracked, in the layout of its published data set.

Richard et al. (ICLR 2021, "Neural synthesis of binaural speech from mono audio"): a folder a
recording, in it `mono.wav` (what the talker said), `binaural.wav` (what a dummy head heard), and
`tx_positions.txt` and `rx_positions.txt`, the poses of talker and head, a row for every 400 samples
of 48 kHz. The archive has folders `trainset` with `subject1` to `subject8` and `testset` with the
same names and `validation_sequence`. `binaural_simulation` writes the same.
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
from soundstage.binaural.trajectories import PointError
from soundstage.errors import InputError, OptionError

RATE = 48_000  # Hz
HOP = RATE // POSE_RATE  # samples from pose to pose
TRAINSET, TESTSET, VALIDATION = "trainset", "testset", "validation_sequence"
MONO, BINAURAL = "mono.wav", "binaural.wav"
TRANSMITTER, RECEIVER = "tx_positions.txt", "rx_positions.txt"
Split = Literal["train", "valid", "test"]


class Recording:
    """What was said, what was heard, and from where. Sound is read where it is asked for.

    Args:
        folder: with the four files.

    Attributes:
        name: of the folder.
        frames: that sound and poses have in common.
        trajectory: of the mouth, as the head sees it, in the frame of `binaural.geometry`.

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
            told = ", ".join(f"{name} {frames / RATE:.3f} s" for name, frames in lengths.items())
            raise InputError(
                f"{folder}: its files are of different lengths ({told}); at {RATE:,} Hz and "
                f"{POSE_RATE} poses a second they may differ by one pose: get a whole copy of it."
            )
        self.frames = min(self._mono.frames or 0, self._binaural.frames or 0)
        rows = min(len(talker), len(head))
        poses = seen_by_receiver(talker[:rows], head[:rows])
        try:
            self.trajectory = Trajectory(np.arange(rows) / POSE_RATE, *poses)
        except PointError as error:
            raise InputError(
                f"{folder / TRANSMITTER}, row {error.point + 1}: {error.reason}"
            ) from error

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.frames / RATE

    def mono(self, start: int, frames: int) -> Float32[np.ndarray, " frames"]:
        """What was said, from a sample on; less where it ends.

        Raises:
            InputError: the file has been damaged since it was opened.
        """
        return self._read(self._mono, start, frames)[0]

    def binaural(self, start: int, frames: int) -> Float32[np.ndarray, "2 frames"]:
        """What was heard, left ear first; as `mono`."""
        return self._read(self._binaural, start, frames)

    def poses(self, start: int, frames: int) -> Poses:
        """Of the mouth at every `HOP`th sample from `start` on, which need not be one of them."""
        count = -(-frames // HOP)
        return self.trajectory.at(start / RATE + np.arange(count) / POSE_RATE)

    def _read(self, sound: SoundReader, start: int, frames: int) -> Float32[np.ndarray, "c frames"]:
        wanted = min(frames, self.frames - start)
        if not 0 < wanted <= frames or start < 0:
            raise ValueError(f"{frames} frames from {start} on are not in {self.frames}")
        return next(sound.blocks(wanted, start)).astype(np.float32, copy=False)


class Chunk(NamedTuple):
    """A stretch of a recording."""

    recording: Recording
    start: int
    """Its first sample."""
    mono: Float32[np.ndarray, " frames"]
    binaural: Float32[np.ndarray, "2 frames"]
    poses: Poses
    """One for every `HOP` samples, the first that of the first sample."""


class Chunks:
    """Stretches of recordings to learn from, and to test on.

    Args:
        recordings: those that are shorter than a stretch are passed over by `draw`.
        frames: of a stretch.

    Raises:
        OptionError: a stretch has no frame.
    """

    def __init__(self, recordings: Sequence[Recording], frames: int) -> None:
        if frames < 1:
            raise OptionError(f"A stretch has one frame at least, not {frames}.")
        self._recordings, self._frames = list(recordings), frames

    def draw(self, seed: int, step: int) -> Chunk:
        """A stretch from anywhere, all places alike, the same whenever it is asked for.

        Raises:
            InputError: no recording is long enough, or one has been damaged.
        """
        if not self._ends[-1]:
            raise InputError(f"No recording has the {self._frames / RATE:.2f} s of an example.")
        place = int(np.random.default_rng((seed, step)).integers(self._ends[-1]))
        number = int(np.searchsorted(self._ends, place, side="right"))
        start = place - int(self._ends[number - 1] if number else 0)
        return self._chunk(self._recordings[number], start)

    def in_order(self) -> Iterator[Chunk]:
        """All of every recording, each sample once; the last stretch of each may be shorter."""
        for recording in self._recordings:
            for start in range(0, recording.frames, self._frames):
                yield self._chunk(recording, start)

    @cached_property
    def _ends(self) -> np.ndarray:
        """Places where a stretch can start, added up."""
        places = [max(each.frames - self._frames + 1, 0) for each in self._recordings]
        return np.cumsum([*places, 0])

    def _chunk(self, recording: Recording, start: int) -> Chunk:
        mono = recording.mono(start, self._frames)
        binaural = recording.binaural(start, self._frames)
        return Chunk(recording, start, mono, binaural, recording.poses(start, len(mono)))


def open_binaural_speech(folder: Path, split: Split | None = None) -> list[Recording]:
    """The recordings of a folder, by name.

    Args:
        folder: of the whole data set, of one of its parts, or of one recording.
        split: "train" is what lies in `trainset`, "valid" what in `testset` is named after
            validation, and "test" the rest of it; None is all.

    Raises:
        InputError: there is no such folder, no recording of this split, or one cannot be used.
        OptionError: there is no such split.
    """
    if split not in (None, "train", "valid", "test"):
        raise OptionError(f"A split is train, valid or test, not {split!r}.")
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder.")
    found = [path.parent for path in folder.rglob(BINAURAL)]
    chosen = sorted((each for each in found if split in (None, _split_of(each))), key=_by_number)
    if not chosen:
        part = f" of the split {split!r}" if split else ""
        raise InputError(
            f"{folder}: holds no recording{part}; one is a folder with {MONO}, {BINAURAL}, "
            f"{TRANSMITTER} and {RECEIVER}, within {TRAINSET} or {TESTSET} where it is of a split."
        )
    return [Recording(each) for each in chosen]


def _split_of(recording: Path) -> str:
    if recording.parent.name == TRAINSET:
        return "train"
    if recording.parent.name != TESTSET:
        return ""
    return "valid" if recording.name.startswith(VALIDATION) else "test"


def _by_number(path: Path) -> tuple[Path, str, int]:
    """So that `subject10` comes after `subject9`."""
    letters = path.name.rstrip("0123456789")
    return path.parent, letters, int(path.name[len(letters) :] or 0)


def _opened(path: Path, channels: int) -> SoundReader:
    sound = open_sound(path)
    if sound.channels != channels:
        raise InputError(f"{path}: has {sound.channels} channels, not {channels}.")
    if sound.rate != RATE:
        raise InputError(f"{path}: is at {sound.rate:,} Hz; the poses go with {RATE:,} Hz.")
    return sound
