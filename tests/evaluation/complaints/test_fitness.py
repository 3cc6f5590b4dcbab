"""The fitness table: rows that hold for the methods, fail for bad stereo, and print."""

import json

import numpy as np
import pytest
import soundfile

from sounds import RATE
from soundstage.errors import InputError, OptionError
from soundstage.evaluation.complaints.api import fitness
from soundstage.evaluation.complaints.file_rows import METHOD_ROWS, PROGRAM_ROWS
from soundstage.evaluation.complaints.restyle_rows import RESTYLE_ROWS
from soundstage.evaluation.complaints.rows import SOUND_ROWS, Outcome
from soundstage.evaluation.complaints.sounds import SECONDS, Material, click, drum_hits
from soundstage.evaluation.complaints.subjects import Subject, find_subjects
from soundstage.evaluation.complaints.table import FitnessTable

ROWS = {row.number: row for row in (*SOUND_ROWS, *METHOD_ROWS, *PROGRAM_ROWS, *RESTYLE_ROWS)}
FAST = (1, 2, 3, 4, 5, 7, 8, 10, 12, 13, 17, 18, 24)
"""Rows about sound that hold for the methods; the others are slow, or fail honestly."""
MATERIAL = Material()


@pytest.fixture(scope="module")
def comb() -> Subject:
    return find_subjects(["comb"], MATERIAL)[0]


@pytest.fixture(scope="module")
def default() -> Subject:
    return find_subjects(["masked"], MATERIAL)[0]


def made_by(change) -> Subject:
    """A system that makes left and right with a function, without controls."""
    subject = Subject("bad", MATERIAL)
    subject._made = lambda mono, controls: change(mono.astype(np.float64))
    return subject


def test_the_rows_are_those_that_are_promised() -> None:
    assert sorted(ROWS) == [*range(1, 23), 24, 25, 26]
    assert len({row.complaint for row in ROWS.values()}) == len(ROWS)


@pytest.mark.parametrize("number", FAST)
def test_a_row_holds_for_a_light_method(comb: Subject, number: int) -> None:
    outcome = ROWS[number].measure(comb)
    assert outcome.passed, outcome.text


@pytest.mark.slow
@pytest.mark.parametrize("number", [*FAST, 19, 20, 26])
def test_a_row_holds_for_the_default_method(default: Subject, number: int) -> None:
    outcome = ROWS[number].measure(default)
    assert outcome.passed, outcome.text


@pytest.mark.slow
@pytest.mark.parametrize("number", [row.number for row in (*PROGRAM_ROWS, *RESTYLE_ROWS)])
def test_a_row_about_the_program_holds(comb: Subject, number: int) -> None:
    outcome = ROWS[number].measure(comb)
    assert outcome.passed, outcome.text


def inverted(mono):
    return np.stack([mono, -mono])


def delayed(mono):
    return np.stack([mono, np.roll(mono, 600)])


def tilted(mono):
    low = 0.5 * np.convolve(mono, np.ones(21) / 21, "same")
    return np.stack([mono + low, mono - low])


def reverberant(mono):
    tail = np.random.default_rng(0).standard_normal(20_000) * np.exp(-np.arange(20_000) / 6000)
    wet = np.convolve(mono, 0.05 * tail)[: mono.size] if mono.size < 3 * RATE else mono
    return np.stack([mono + wet, mono - wet])


def smeared(mono):
    soft = np.convolve(mono, np.ones(900) / 900)[: mono.size]
    return np.stack([mono + 2 * soft, mono])


def plain(mono):
    return np.stack([mono, mono])


def wide(mono):
    return np.stack([mono + np.roll(mono, 99), mono - np.roll(mono, 99)])


def noisy(mono):
    return plain(mono) + 1e-3 * np.random.default_rng(0).standard_normal(mono.size)


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (1, delayed), (2, inverted), (3, tilted), (4, delayed), (5, reverberant), (6, smeared),
        (8, plain), (10, delayed), (11, wide), (12, wide), (17, noisy), (18, delayed), (24, wide),
        (26, wide),
    ],
)  # fmt: skip
def test_a_row_fails_for_the_fault_it_stands_for(number: int, change) -> None:
    assert ROWS[number].measure(made_by(change)).passed is False


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 10, 11, 12, 17, 18, 24, 26])
def test_dual_mono_has_no_fault_but_its_width(number: int) -> None:
    assert ROWS[number].measure(made_by(plain)).passed


def test_rows_about_options_have_no_verdict_for_filters() -> None:
    (haas,) = find_subjects(["ffmpeg-haas"], MATERIAL)
    for number in (7, 9, 13, 20):
        assert ROWS[number].measure(haas).passed is None


def test_an_unknown_or_double_system_is_refused() -> None:
    for names in (["nobody"], ["ffmpeg-nothing"], ["comb", "comb"]):
        with pytest.raises(OptionError, match=names[0]):
            find_subjects(names, MATERIAL)


def test_the_sounds_are_the_same_each_time_and_within_full_scale() -> None:
    one, other = MATERIAL, Material()
    np.testing.assert_array_equal(one.song, other.song)
    np.testing.assert_array_equal(one.voice, other.voice)
    assert one.song[0].size == one.voice.size == SECONDS * RATE
    for sound in (*one.song, one.voice, sum(one.disc), click()[0], drum_hits()[0]):
        assert np.isfinite(sound).all()
        assert 0 < np.abs(sound).max() <= 1


def test_real_stems_are_taken_where_the_lead_is_loudest(tmp_path) -> None:
    length = round((SECONDS + 8) * RATE)
    lead = np.zeros(length)
    lead[7 * RATE : 18 * RATE] = 0.2 * np.sin(np.arange(11 * RATE) / 10)
    bass = 0.1 * np.sin(np.arange(length) / 100)
    sounds = {"song/lead.wav": lead, "song/bass.wav": bass, "song/backing-vocals.wav": 0.5 * bass}
    lines = ["file,song,stem"]
    for name, samples in sounds.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, samples, RATE, "FLOAT")
        lines.append(f"{name},Song,{name}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    mix, found = Material(stems=tmp_path).song
    assert mix.size == SECONDS * RATE
    assert np.count_nonzero(np.abs(found) > 1e-6) > 10.9 * RATE
    (tmp_path / "manifest.csv").write_text("\n".join([lines[0], *lines[2:]]))
    with pytest.raises(InputError, match="no song has a stem with lead or vocals"):
        _ = Material(stems=tmp_path).song


def test_a_folder_without_a_voice_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="has no sound files in it"):
        _ = Material(speech=tmp_path).voice
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    with pytest.raises(InputError, match=r"a\.wav is silent"):
        _ = Material(speech=tmp_path).voice
    soundfile.write(tmp_path / "a.wav", 0.1 * np.ones(RATE), RATE)
    assert np.abs(Material(speech=tmp_path).voice).max() == 0.25


@pytest.fixture(scope="module")
def table() -> FitnessTable:
    rows = SOUND_ROWS[:2]
    outcomes = {
        (1, "a"): Outcome("-150 dB", True, {"null_db": -150.0}),
        (1, "b"): Outcome("-3 dB", False, {"null_db": -3.0}),
        (2, "a"): Outcome("100 %", True),
        (2, "b"): Outcome("no such option", None),
        (14, ""): Outcome("+3.0 dB", True),
    }
    return FitnessTable(["a", "b"], rows, PROGRAM_ROWS[:1], outcomes, "a band made by code")


def test_the_table_in_markdown(table: FitnessTable) -> None:
    lines = table.markdown().splitlines()
    assert lines[1] == "| --- | --- | --- | ---: | ---: |"
    assert lines[2].endswith("≤ −100 dB | −150 dB ✓ | −3 dB ✗ |")
    assert lines[4].endswith("| rows that hold | 2 of 2 | 0 of 1 |")
    assert "+3.0 dB ✓ |" in table.markdown()
    assert lines[-1].endswith("Sound: a band made by code.")


def test_the_table_as_text(table: FitnessTable) -> None:
    text = table.text()
    assert text.startswith(" 1  fake stereo cannot be combined back to mono\n")
    assert "    ✗ b           −3 dB\n" in text
    assert "    ✓ Soundstage  +3.0 dB\n" in text
    assert "b           0 of 1 rows hold" in text


def test_the_table_as_json(table: FitnessTable) -> None:
    found = json.loads(json.dumps(table.as_dict()))
    assert found["systems"] == ["a", "b"]
    assert found["rows"][0]["outcomes"]["b"] == {
        "text": "-3 dB",
        "verdict": "fail",
        "null_db": -3.0,
    }
    assert found["rows"][2]["outcomes"] == {"soundstage": {"text": "+3.0 dB", "verdict": "pass"}}


@pytest.mark.long
def test_one_call_measures_everything() -> None:
    reported: list[float] = []
    table = fitness(["comb", "ffmpeg-haas"], progress=reported.append)
    assert len(table.outcomes) == 2 * len(table.rows) + len(table.program_rows)
    assert reported == sorted(reported)
    assert reported[-1] == 1
    assert table.score("comb")[0] > table.score("ffmpeg-haas")[0]
