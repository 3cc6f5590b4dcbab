"""Who hears whom, and where, in a simulated data set.

Each listener and each speaker is in one split alone, and no two rooms are alike: their dimensions,
reverberation times and places of the head are drawn from seeds of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soundstage.binaural import ShoeBox
from soundstage.binaural.room.absorption import OCTAVE_BANDS
from soundstage.corpora.binaural_speech import TESTSET, TRAINSET, VALIDATION
from soundstage.corpora.joined_speech import SpeechFile
from soundstage.corpora.simulation_heads import HeadFile
from soundstage.corpora.splits import shared_out

SPLITS = ("train", "valid", "test")
SIZES = np.array([[3.6, 8.0], [3.4, 6.5], [2.4, 3.4]])  # m along x, y and z
FROM_WALLS = 1.3  # m of the head, so that there is room to walk around it
EAR_HEIGHTS = (1.1, 1.6)  # m, of who sits and who stands
RT60S = (0.18, 0.45)  # s at 1 kHz: furnished rooms
TILTS = (-0.15, 0.05)  # of log RT60 an octave: treble dies sooner
ALIKE = 0.05  # m: rooms that differ by no more along every axis


@dataclass(frozen=True)
class Subject:
    """One recording, before it is made.

    Attributes:
        split: "train", "valid" or "test".
        name: its folder in the data set.
        head: that hears.
        clips: that are spoken, of speakers of its split.
        room: with the place of the head.
        seed: of the order of clips, the walk and the late reverberation.
    """

    split: str
    name: str
    head: HeadFile
    clips: tuple[SpeechFile, ...]
    room: ShoeBox
    seed: tuple[int, ...]


def plan(
    heads: Sequence[HeadFile], clips: Sequence[SpeechFile], subjects: Sequence[int], seed: int
) -> tuple[Subject, ...]:
    """All recordings, in the order of the splits.

    Args:
        heads: of which those of one listener stay together.
        clips: of which those of one speaker stay together; subjects of a split have other speakers
            where there are enough.
        subjects: of train, valid and test.
        seed: of all that is drawn.

    Raises:
        InputError: there are fewer listeners or speakers than splits.
    """
    deal = np.random.default_rng((seed, 0))
    listeners = shared_out(sorted({head.listener for head in heads}), subjects, "heads", deal)
    speakers = shared_out(sorted({clip.speaker for clip in clips}), subjects, "speakers", deal)
    planned: list[Subject] = []
    for number, split in enumerate(SPLITS):
        ears = _in_turn(listeners[number], heads)
        for subject in range(subjects[number]):
            spoken = speakers[number][subject :: subjects[number]] or speakers[number]
            seeds = (seed, 1 + number, subject)
            planned.append(
                Subject(
                    split,
                    _name(split, subject),
                    ears[subject % len(ears)],
                    tuple(clip for clip in clips if clip.speaker in spoken),
                    _unlike([each.room for each in planned], seeds),
                    seeds,
                )
            )
    return tuple(planned)


def draw_room(generator: np.random.Generator) -> ShoeBox:
    """A furnished room with a listener who can be walked around."""
    size = generator.uniform(*SIZES.T)
    octaves = np.log2(OCTAVE_BANDS / 1000)
    rt60 = generator.uniform(*RT60S) * np.exp(generator.uniform(*TILTS) * octaves)
    floor = generator.uniform(FROM_WALLS, size[:2] - FROM_WALLS)
    listener = [*floor, generator.uniform(*EAR_HEIGHTS)]
    return ShoeBox(*(tuple(np.round(each, 3).tolist()) for each in (size, rt60, listener)))


def _in_turn(listeners: Sequence[str], heads: Sequence[HeadFile]) -> list[HeadFile]:
    """Heads of some listeners: first one of each, then the second ones."""
    rows = [[head for head in heads if head.listener == listener] for listener in listeners]
    most = max(map(len, rows), default=0)
    return [row[turn] for turn in range(most) for row in rows if turn < len(row)]


def _unlike(others: Sequence[ShoeBox], seeds: tuple[int, ...]) -> ShoeBox:
    generator = np.random.default_rng((*seeds, 0))
    while True:
        room = draw_room(generator)
        if all(np.abs(np.subtract(room.size, other.size)).max() > ALIKE for other in others):
            return room


def _name(split: str, subject: int) -> str:
    if split == "valid":
        return f"{TESTSET}/{VALIDATION}{subject + 1 if subject else ''}"
    return f"{TRAINSET if split == 'train' else TESTSET}/subject{subject + 1}"
