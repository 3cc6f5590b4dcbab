"""Chords and their positions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.corpora.multitracks.harmony import (
    SCALES,
    Key,
    nearest_pitch,
    progression,
    voicing,
)

KEYS = st.builds(Key, st.integers(0, 11), st.sampled_from(sorted(SCALES)))


@given(KEYS, st.integers(1, 16), st.sampled_from([3, 4]), st.integers(0, 1000))
def test_chords_follow_each_other_to_the_end_of_the_section(
    key: Key, bars: int, meter: int, seed: int
) -> None:
    chords = progression(key, bars, meter, np.random.default_rng(seed))
    ends = [chord.start + chord.beats for chord in chords]
    assert [chord.start for chord in chords] == [0, *ends[:-1]]
    assert ends[-1] == bars * meter


@given(KEYS, st.integers(0, 6))
def test_chords_lie_in_the_scale_but_for_the_leading_note(key: Key, degree: int) -> None:
    leading = (key.tonic - 1) % 12
    outside = set(key.chord(degree)) - set(key.classes)
    assert outside <= ({leading} if key.mode == "minor" and degree == 4 else set())


@given(st.integers(0, 11), st.floats(20, 100))
def test_the_nearest_pitch_is_at_most_a_tritone_away(pitch_class: int, target: float) -> None:
    pitch = nearest_pitch(pitch_class, target)
    assert pitch % 12 == pitch_class
    assert abs(pitch - target) <= 6


@given(KEYS, st.integers(0, 6), st.floats(45, 80), st.integers(2, 5))
def test_a_voicing_rises_through_tones_of_its_chord(
    key: Key, degree: int, center: float, size: int
) -> None:
    chord = key.chord(degree)
    pitches = voicing(chord, center, size=size)
    assert len(pitches) == size
    assert pitches == sorted(set(pitches))
    assert {pitch % 12 for pitch in pitches} <= set(chord)
    assert abs(np.mean(pitches) - center) < 7


def test_voices_move_little() -> None:
    first = voicing((0, 4, 7), 60)
    second = voicing((9, 0, 4), 60, first)
    assert len(set(first) & set(second)) == 2


@pytest.mark.parametrize(("degree", "expected"), [(0, {0, 4, 7}), (4, {7, 11, 2})])
def test_degrees_of_c_major(degree: int, expected: set[int]) -> None:
    assert set(Key(0, "major").chord(degree)) == expected
