from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.corpora.joined_speech import SpeechFile
from soundstage.corpora.simulation_hrtfs import HrtfFile
from soundstage.corpora.simulation_plan import random_room, plan
from soundstage.errors import InputError

HEADS = [
    HrtfFile(Path(f"{listener}{ears}.sofa"), f"listener {listener}", "CC0")
    for listener in range(7)
    for ears in range(1 + (listener == 3))
]
CLIPS = [
    SpeechFile(Path(f"{speaker}-{clip}.flac"), f"speaker {speaker}", "CC0")
    for speaker in range(30)
    for clip in range(1 + speaker % 3)
]


@given(st.integers(0, 10_000))
def test_nothing_of_one_split_is_in_another(seed: int) -> None:
    planned = plan(HEADS, CLIPS, (8, 1, 2), seed)
    assert [each.split for each in planned] == ["train"] * 8 + ["valid"] + ["test"] * 2
    for one in planned:
        for other in planned:
            if one.split != other.split:
                assert one.head.listener != other.head.listener
                assert not {c.speaker for c in one.clips} & {c.speaker for c in other.clips}
            if one is not other:
                assert one.seed != other.seed
                assert one.room.size != other.room.size
    spoken = [clip for each in planned for clip in each.clips]
    assert len(spoken) == len(CLIPS)
    assert set(spoken) == set(CLIPS)


def test_folders_are_those_of_the_published_archive() -> None:
    names = [each.name for each in plan(HEADS, CLIPS, (2, 2, 1), 0)]
    assert names == [
        "trainset/subject1",
        "trainset/subject2",
        "testset/validation_sequence",
        "testset/validation_sequence2",
        "testset/subject1",
    ]


def test_all_heads_of_a_split_are_used_and_few_speakers_are_shared() -> None:
    planned = plan(HEADS, CLIPS[:4], (8, 0, 0), 0)
    assert {each.head for each in planned} == set(HEADS)
    assert all(each.clips for each in planned)


def test_one_listener_cannot_be_in_three_splits() -> None:
    with pytest.raises(InputError, match="1 different heads, and 3 splits"):
        plan(HEADS[:1], CLIPS, (8, 1, 2), 0)
    with pytest.raises(InputError, match="2 different speakers"):
        plan(HEADS, CLIPS[:2], (8, 1, 2), 0)


@given(st.integers(0, 10_000))
def test_a_room_has_space_around_the_head(seed: int) -> None:
    room = random_room(np.random.default_rng(seed))
    assert np.abs(room.walls[:, :2]).min() > 1.29
    assert 0.1 < room.decay_times.min() <= room.decay_times.max() < 1
