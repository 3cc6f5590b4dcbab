from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from soundstage.corpora.joined_speech import SpeechFile
from soundstage.corpora.simulation_hrtfs import HrtfFile
from soundstage.corpora.simulation_plan import distribute, plan, random_room
from soundstage.errors import InputError

HRTFS = [
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
def test_splits_share_no_listener_no_speaker_and_no_room(seed: int) -> None:
    planned = plan(HRTFS, CLIPS, (8, 1, 2), seed)
    assert [each.split for each in planned] == ["train"] * 8 + ["valid"] + ["test"] * 2
    for one in planned:
        for other in planned:
            if one.split != other.split:
                assert one.hrtf.listener != other.hrtf.listener
                assert not {c.speaker for c in one.clips} & {c.speaker for c in other.clips}
            if one is not other:
                assert one.seed != other.seed
                assert one.room.size != other.room.size
    clips = [clip for each in planned for clip in each.clips]
    assert len(clips) == len(CLIPS)
    assert set(clips) == set(CLIPS)


def test_folders_have_the_names_of_the_published_archive() -> None:
    names = [each.name for each in plan(HRTFS, CLIPS, (2, 2, 1), 0)]
    assert names == [
        "trainset/subject1",
        "trainset/subject2",
        "testset/validation_sequence",
        "testset/validation_sequence2",
        "testset/subject1",
    ]


def test_all_hrtf_sets_of_a_split_are_used_and_few_speakers_are_reused() -> None:
    planned = plan(HRTFS, CLIPS[:4], (8, 0, 0), 0)
    assert {each.hrtf for each in planned} == set(HRTFS)
    assert all(each.clips for each in planned)


def test_one_listener_cannot_be_in_three_splits() -> None:
    with pytest.raises(InputError, match="1 different HRTF sets for 3 splits"):
        plan(HRTFS[:1], CLIPS, (8, 1, 2), 0)
    with pytest.raises(InputError, match="2 different speakers"):
        plan(HRTFS, CLIPS[:2], (8, 1, 2), 0)


@given(st.integers(0, 10_000))
def test_a_room_has_space_around_the_head(seed: int) -> None:
    room = random_room(np.random.default_rng(seed))
    assert np.abs(room.walls[:, :2]).min() > 1.29
    assert 0.1 < room.decay_times.min() <= room.decay_times.max() < 1


@given(st.integers(1, 60), st.tuples(*[st.integers(0, 20)] * 3), st.integers(0, 1000))
def test_every_group_is_in_one_part_and_no_part_of_any_size_is_empty(
    groups: int, sizes: tuple[int, ...], seed: int
) -> None:
    assume(sum(sizes) and groups >= sum(size > 0 for size in sizes))
    parts = distribute(range(groups), sizes, "speakers", np.random.default_rng(seed))
    assert sorted(group for part in parts for group in part) == list(range(groups))
    for part, size in zip(parts, sizes, strict=True):
        assert bool(part) == (size > 0)
        assert abs(len(part) - groups * size / sum(sizes)) < 3


def test_fewer_groups_than_parts_are_refused() -> None:
    with pytest.raises(InputError, match="2 different speakers for 3 splits"):
        distribute("ab", (8, 1, 2), "speakers", np.random.default_rng(0))


def test_seeds_give_different_distributions() -> None:
    found = {
        str(distribute(range(20), (8, 1, 2), "speakers", np.random.default_rng(seed)))
        for seed in range(5)
    }
    assert len(found) == 5
