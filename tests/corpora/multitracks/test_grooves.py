"""From beats to seconds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from soundstage.corpora.multitracks.arrangement import Groove, Note

TEMPOS = st.floats(50, 190)
SWINGS = st.floats(0.5, 0.67)


@given(TEMPOS, SWINGS, st.sampled_from([0.5, 1.0]), st.integers(0, 64))
def test_swing_moves_no_beat(tempo: float, swing: float, pair: float, beat: int) -> None:
    groove = Groove(tempo, swing, pair, 0.0)
    assert np.isclose(groove.seconds(beat), beat * 60 / tempo)


@given(TEMPOS, SWINGS, st.lists(st.floats(0, 100), min_size=2, max_size=20, unique=True))
def test_time_never_runs_backwards(tempo: float, swing: float, beats: list[float]) -> None:
    groove = Groove(tempo, swing, 1.0, 0.0)
    times = [groove.seconds(beat) for beat in sorted(beats)]
    assert times == sorted(times)


def test_the_off_beat_of_triplets_is_late() -> None:
    assert np.isclose(Groove(60, 2 / 3, 1.0, 0.0).seconds(0.5), 2 / 3)


def test_a_machine_plays_on_time_and_a_player_nearly() -> None:
    notes = [Note(float(beat), 0.5, 60, 100) for beat in range(200)]
    machine = Groove(60, 0.5, 1.0, 0.0).played(notes, np.random.default_rng(0))
    player = Groove(60, 0.5, 1.0, 0.01).played(notes, np.random.default_rng(0))
    assert [note.start for note in machine] == [float(beat) for beat in range(200)]
    late = np.array([note.start - beat for beat, note in enumerate(player)][1:])
    assert 0.007 < late.std() < 0.013
    assert all(1 <= note.velocity <= 127 for note in player)
