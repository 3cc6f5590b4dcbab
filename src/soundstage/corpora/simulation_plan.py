"""Plan of a simulated data set: HRTF set, speakers and room of each recording.

Listeners and speakers are in one split only. Each room has random dimensions, reverberation times
and position of the head, from a seed of its own, and differs from all others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from soundstage.binaural import ShoeBox
from soundstage.binaural.room.absorption import OCTAVE_BANDS
from soundstage.corpora.binaural_speech import TESTSET, TRAINSET, VALIDATION
from soundstage.corpora.joined_speech import SpeechFile
from soundstage.corpora.simulation_hrtfs import HrtfFile
from soundstage.errors import InputError

T = TypeVar("T")

SPLITS = ("train", "valid", "test")
SIZES = np.array([[3.6, 8.0], [3.4, 6.5], [2.4, 3.4]])  # m along x, y and z
FROM_WALLS = 1.3  # m from the head to a wall, for a talker to walk around it
EAR_HEIGHTS = (1.1, 1.6)  # m, seated to standing
RT60S = (0.18, 0.45)  # s at 1 kHz: furnished rooms
TILTS = (-0.15, 0.05)  # of log RT60 per octave: treble decays faster
ALIKE = 0.05  # m; rooms must differ by more along some axis


@dataclass(frozen=True)
class Subject:
    """Plan of one recording.

    Attributes:
        split: "train", "valid" or "test".
        name: folder in the data set.
        hrtf: of the listener.
        clips: of speakers of the split.
        room: with the position of the head.
        seed: of the order of clips, the trajectory and the late reverberation.
    """

    split: str
    name: str
    hrtf: HrtfFile
    clips: tuple[SpeechFile, ...]
    room: ShoeBox
    seed: tuple[int, ...]


def plan(
    hrtfs: Sequence[HrtfFile], clips: Sequence[SpeechFile], subjects: Sequence[int], seed: int
) -> tuple[Subject, ...]:
    """Plan all recordings, in the order of the splits.

    Args:
        hrtfs: distributed to the splits by listener.
        clips: distributed to the splits by speaker, and to the subjects of a split if there are
            enough speakers.
        subjects: number for train, valid and test.
        seed: of the plan.

    Raises:
        InputError: there are fewer listeners or speakers than splits.
    """
    deal = np.random.default_rng((seed, 0))
    listeners = distribute(sorted({hrtf.listener for hrtf in hrtfs}), subjects, "HRTF sets", deal)
    speakers = distribute(sorted({clip.speaker for clip in clips}), subjects, "speakers", deal)
    planned: list[Subject] = []
    for number, split in enumerate(SPLITS):
        ears = _round_robin(listeners[number], hrtfs)
        for subject in range(subjects[number]):
            chosen = speakers[number][subject :: subjects[number]] or speakers[number]
            seeds = (seed, 1 + number, subject)
            planned.append(
                Subject(
                    split,
                    _name(split, subject),
                    ears[subject % len(ears)],
                    tuple(clip for clip in clips if clip.speaker in chosen),
                    _distinct_room([each.room for each in planned], seeds),
                    seeds,
                )
            )
    return tuple(planned)


def random_room(generator: np.random.Generator) -> ShoeBox:
    """A random furnished room with space around the listener."""
    size = generator.uniform(*SIZES.T)
    octaves = np.log2(OCTAVE_BANDS / 1000)
    rt60 = generator.uniform(*RT60S) * np.exp(generator.uniform(*TILTS) * octaves)
    floor = generator.uniform(FROM_WALLS, size[:2] - FROM_WALLS)
    listener = [*floor, generator.uniform(*EAR_HEIGHTS)]
    return ShoeBox(*(tuple(np.round(each, 3).tolist()) for each in (size, rt60, listener)))


def _round_robin(listeners: Sequence[str], hrtfs: Sequence[HrtfFile]) -> list[HrtfFile]:
    """HRTF sets of some listeners: one of each, then the second of each, and so on."""
    sets = [[hrtf for hrtf in hrtfs if hrtf.listener == listener] for listener in listeners]
    rounds = max(map(len, sets), default=0)
    return [each[turn] for turn in range(rounds) for each in sets if turn < len(each)]


def _distinct_room(others: Sequence[ShoeBox], seeds: tuple[int, ...]) -> ShoeBox:
    generator = np.random.default_rng((*seeds, 0))
    while True:
        room = random_room(generator)
        if all(np.abs(np.subtract(room.size, other.size)).max() > ALIKE for other in others):
            return room


def _name(split: str, subject: int) -> str:
    if split == "valid":
        return f"{TESTSET}/{VALIDATION}{subject + 1 if subject else ''}"
    return f"{TRAINSET if split == 'train' else TESTSET}/subject{subject + 1}"


def distribute(
    groups: Sequence[T], sizes: Sequence[int], kind: str, generator: np.random.Generator
) -> list[list[T]]:
    """Distribute groups over parts at random, in proportion to the sizes, at least one each.

    Args:
        groups: such as speakers, each in one part only.
        sizes: relative sizes of the parts; a part of size 0 stays empty.
        kind: of the groups, for the error message.
        generator: for the order.

    Raises:
        InputError: there are fewer groups than parts that are not empty.

    >>> [len(part) for part in distribute(range(12), (8, 0, 2), "ears", np.random.default_rng(0))]
    [10, 0, 2]
    """
    parts = sum(size > 0 for size in sizes)
    if len(groups) < parts:
        raise InputError(
            f"There are {len(groups)} different {kind} for {parts} splits, which must not share "
            "any: add more, or use fewer splits."
        )
    shuffled = [groups[index] for index in generator.permutation(len(groups))]
    counts = [int(size > 0) for size in sizes]
    while sum(counts) < len(groups):  # the next one goes where most is missing
        missing = [
            len(groups) * size / sum(sizes) - count
            for size, count in zip(sizes, counts, strict=True)
        ]
        counts[int(np.argmax(missing))] += 1
    ends = np.cumsum(counts)
    return [shuffled[end - count : end] for count, end in zip(counts, ends, strict=True)]
