"""Whole arrangements."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.corpora.multitracks.arrangement import Arrangement
from soundstage.corpora.multitracks.composing import LEAST_SHARE, PLAYERS, compose
from soundstage.corpora.multitracks.players import KITS, PROGRAM_NAMES, ROLES
from soundstage.corpora.multitracks.styles import STYLES

SONGS = st.builds(
    lambda seed, style: compose((seed,), 45, style=style),
    st.integers(0, 100_000),
    st.sampled_from(sorted(STYLES)),
)


def seconds_of(arrangement: Arrangement, beats: float) -> float:
    return beats * 60 / arrangement.tempo


@settings(max_examples=20, deadline=None)
@given(SONGS)
def test_every_player_has_notes_in_the_song_and_in_range(song: Arrangement) -> None:
    assert PLAYERS[0] <= len(song.parts) <= PLAYERS[1]
    assert len({part.name for part in song.parts}) == len(song.parts)
    for part in song.parts:
        assert part.notes
        assert list(part.notes) == sorted(part.notes, key=lambda note: (note.start, note.pitch))
        assert all(0 <= note.start < song.seconds + 0.1 for note in part.notes)
        assert all(1 <= note.velocity <= 127 and note.duration > 0 for note in part.notes)
        assert part.sound.program in (KITS if part.sound.kit else range(128))
        role = ROLES[part.name]
        if not part.sound.kit and part.sound.electronic != "sweeps":
            assert all(role.low <= note.pitch <= role.high for note in part.notes)


@settings(max_examples=20, deadline=None)
@given(SONGS)
def test_sections_follow_each_other(song: Arrangement) -> None:
    ends = [section.start + section.bars * song.meter for section in song.sections]
    assert [section.start for section in song.sections] == [0, *ends[:-1]]
    assert abs(seconds_of(song, ends[-1]) - song.seconds) < 0.5
    assert abs(song.seconds - 45) <= seconds_of(song, song.meter) / 2 + 0.5


@settings(max_examples=20, deadline=None)
@given(SONGS)
def test_no_section_is_a_solo_and_no_player_has_a_short_song(song: Arrangement) -> None:
    for section in song.sections:
        start = seconds_of(song, section.start) - 0.1
        end = seconds_of(song, section.start + section.bars * song.meter) - 0.1
        players = [p for p in song.parts if any(start <= n.start < end for n in p.notes)]
        assert len(players) >= 2
    for part in song.parts:
        if ROLES[part.name].writer in ("bass", "comp", "guide"):
            span = part.notes[-1].start - part.notes[0].start
            assert span > 0.5 * LEAST_SHARE * song.seconds


def test_a_seed_is_a_song() -> None:
    songs = [compose((seed,)) for seed in range(8)]
    assert songs == [compose((seed,)) for seed in range(8)]
    assert len({song.parts for song in songs}) == 8
    assert len({song.style for song in songs}) > 3


def test_a_section_comes_back_with_its_chords() -> None:
    compared = 0
    for seed in range(12):
        song = compose((seed,), 60, style="rock")
        guitar = next(part for part in song.parts if part.name == "power guitar")
        choruses = []
        for section in song.sections:
            start = seconds_of(song, section.start) - 0.1
            end = seconds_of(song, section.start + 4 * song.meter) - 0.1
            pitches = {note.pitch for note in guitar.notes if start <= note.start < end}
            if section.name == "chorus" and section.bars >= 4 and pitches:
                choruses.append(pitches)
        compared += len(choruses) > 1
        assert all(pitches == choruses[0] for pitches in choruses)
    assert compared > 3


@pytest.mark.parametrize("name", STYLES)
def test_styles_name_players_that_exist(name: str) -> None:
    style = STYLES[name]
    assert {*style.required, *style.optional, *style.comps} <= set(ROLES)
    assert len({*style.required, *style.optional}) >= PLAYERS[0]
    assert set(style.kits) <= set(KITS)


def test_every_program_has_a_name() -> None:
    assert len(PROGRAM_NAMES) == len(set(PROGRAM_NAMES)) == 128
    assert (PROGRAM_NAMES[30], PROGRAM_NAMES[73]) == ("distorted guitar", "flute")


def test_drums_bass_voices_and_objects_all_occur() -> None:
    kinds = {part.kind for seed in range(15) for part in compose((seed,)).parts}
    assert kinds == {"drums", "bass", "voice", "object"}
