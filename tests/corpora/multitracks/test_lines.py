"""Bass lines, comping, arpeggios, melodies and drums, a section at a time."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.corpora.multitracks import drum_patterns, lines
from soundstage.corpora.multitracks.arrangement import Note, Section
from soundstage.corpora.multitracks.harmony import Chord, Key, progression

KEY = Key(2, "dorian")
SEEDS = st.integers(0, 10_000)
METERS = st.sampled_from([3, 4])


def section_chords(meter: int, bars: int = 4, start: int = 24) -> list[Chord]:
    chords = progression(KEY, bars, meter, np.random.default_rng(1), sevenths=0.5)
    return [Chord(c.start + start, c.beats, c.classes, meter) for c in chords]


def generators(seed: int):
    return np.random.default_rng((seed, 1)), np.random.default_rng((seed, 2))


def inside(notes: list[Note], chords: list[Chord]) -> bool:
    end = chords[-1].start + chords[-1].beats
    return all(chords[0].start <= note.start < end and note.duration > 0 for note in notes)


def sounding(note: Note, chords: list[Chord]) -> Chord:
    return next(chord for chord in reversed(chords) if chord.start <= note.start + 1e-6)


@settings(max_examples=10)
@given(SEEDS, METERS)
@pytest.mark.parametrize("pattern", [*lines.BASS_RHYTHMS, "walking"])
def test_a_bass_line_has_notes_in_its_section_only(pattern: str, seed: int, meter: int) -> None:
    chords = section_chords(meter)
    notes = lines.bass_line(pattern, chords, 36, *generators(seed))
    assert notes
    assert inside(notes, chords)
    assert all(20 <= note.pitch <= 62 for note in notes)


@pytest.mark.parametrize("pattern", ["held", "pulse", "walking", "slow"])
def test_a_bass_line_states_the_root_of_each_chord(pattern: str) -> None:
    chords = section_chords(4)
    notes = lines.bass_line(pattern, chords, 36, *generators(0))
    for chord in chords:
        first = next(note for note in notes if note.start >= chord.start)
        assert first.pitch % 12 == chord.classes[0]


@settings(max_examples=10)
@given(SEEDS, METERS, st.integers(2, 5), st.booleans())
@pytest.mark.parametrize("pattern", lines.COMP_RHYTHMS)
def test_comping_plays_tones_of_the_chord(
    pattern: str, seed: int, meter: int, size: int, strummed: bool
) -> None:
    chords = section_chords(meter)
    notes = lines.comping(pattern, chords, 60, *generators(seed), size=size, strummed=strummed)
    assert notes
    assert inside(notes, chords)
    assert all(note.pitch % 12 in sounding(note, chords).classes for note in notes)


def test_power_chords_are_fifths() -> None:
    chords = section_chords(4)
    notes = lines.comping("halves", chords, 45, *generators(0), power=True)
    for start in {note.start for note in notes}:
        low, fifth, octave = sorted(note.pitch for note in notes if note.start == start)
        assert (fifth - low, octave - low) == (7, 12)


def test_strings_of_a_strum_start_one_after_the_other() -> None:
    notes = lines.comping("held", section_chords(4), 57, *generators(0), size=5, strummed=True)
    assert len({note.start for note in notes[:5]}) == 5


@settings(max_examples=30)
@given(SEEDS, METERS, st.booleans())
def test_an_arpeggio_plays_tones_of_the_chord(seed: int, meter: int, ringing: bool) -> None:
    chords = section_chords(meter)
    notes = lines.arpeggio(chords, 66, *generators(seed), ringing=ringing)
    assert inside(notes, chords)
    assert all(note.pitch % 12 in sounding(note, chords).classes for note in notes)


@settings(max_examples=10)
@given(SEEDS, METERS)
@pytest.mark.parametrize("cells", lines.CELLS)
def test_a_melody_stays_near_its_register(cells: str, seed: int, meter: int) -> None:
    chords = section_chords(meter, bars=8)
    notes = lines.melody(cells, chords, KEY.classes, 70, *generators(seed))
    assert notes
    assert inside(notes, chords)
    assert all(58 <= note.pitch <= 82 for note in notes)
    assert all(a.start + a.duration <= b.start + 1e-6 for a, b in pairwise(notes))


def test_a_motif_comes_back() -> None:
    notes = lines.melody("moving", section_chords(4, 4), KEY.classes, 70, *generators(3))
    first = [note.start for note in notes if 24 <= note.start < 28]
    second = [note.start - 4 for note in notes if 28 <= note.start < 32]
    assert set(first) & set(second)


@given(SEEDS, st.integers(1, 3))
def test_long_notes_cover_the_section(seed: int, size: int) -> None:
    chords = section_chords(4)
    notes = lines.guide_tones(chords, 65, *generators(seed), size=size)
    assert inside(notes, chords)
    assert sum(note.duration for note in notes) >= 0.97 * 16


@given(st.lists(st.integers(0, 127), max_size=10), st.integers(20, 50), st.integers(12, 40))
def test_notes_are_moved_by_octaves(pitches: list[int], low: int, width: int) -> None:
    notes = [Note(0, 1, pitch, 80) for pitch in pitches]
    moved = lines.in_range(notes, low, low + width)
    assert all(low <= note.pitch <= low + width for note in moved)
    assert [note.pitch % 12 for note in moved] == [pitch % 12 for pitch in pitches]


@pytest.mark.parametrize("family", drum_patterns.GROOVES)
def test_grooves_are_bars_of_known_symbols(family: str) -> None:
    for groove in drum_patterns.GROOVES[family]:
        for instrument, line in groove.items():
            assert 35 <= instrument <= 82
            assert len(line) == (12 if family == "waltz" else 16)
            assert set(line) <= {*drum_patterns.VELOCITIES, "."}


@settings(max_examples=10)
@given(SEEDS, METERS, st.floats(0.2, 1.0))
@pytest.mark.parametrize("family", drum_patterns.GROOVES)
def test_drums_play_in_their_section(family: str, seed: int, meter: int, energy: float) -> None:
    section = Section("verse", 24.0, 4, energy)
    notes = drum_patterns.drum_kit(family, section, meter, *generators(seed))
    end = 24 + 4 * meter
    assert notes
    assert all(24 <= note.start < end and 1 <= note.velocity <= 127 for note in notes)


def test_equal_choices_make_equal_grooves_and_other_fills() -> None:
    section = Section("chorus", 0.0, 8, 1.0)
    first, second = (
        drum_patterns.drum_kit(
            "rock", section, 4, np.random.default_rng(5), np.random.default_rng(seed)
        )
        for seed in (1, 2)
    )
    kicks = [
        {note.start for note in notes if note.pitch == drum_patterns.KICK and note.start < 28}
        for notes in (first, second)
    ]
    assert len(kicks[0] & kicks[1]) >= 0.8 * max(map(len, kicks))
    assert first != second
