"""`soundstage fitness`."""

import json

import pytest

from soundstage.evaluation.complaints import api
from soundstage.evaluation.complaints.rows import SOUND_ROWS


@pytest.fixture(autouse=True)
def two_rows(monkeypatch):
    monkeypatch.setattr(api, "SOUND_ROWS", (SOUND_ROWS[3], SOUND_ROWS[4]))
    monkeypatch.setattr(api, "METHOD_ROWS", ())
    monkeypatch.setattr(api, "PROGRAM_ROWS", ())
    monkeypatch.setattr(api, "RESTYLE_ROWS", ())


def test_one_command_prints_the_table(command) -> None:
    code, out, err = command("fitness", "--methods", "comb,ffmpeg-haas")
    assert (code, err) == (0, "")
    assert "the delay makes the fold-down a mess" in out
    assert "    ✓ comb         0.0 dB" in out
    assert "    ✗ ffmpeg-haas  " in out
    assert "comb         2 of 2 rows hold" in out


def test_the_table_is_printed_in_markdown_and_json(command) -> None:
    arguments = ("fitness", "--methods", "ffmpeg-extrastereo")
    assert "| # | complaint or wish |" in command(*arguments, "--markdown")[1]
    found = json.loads(command(*arguments, "--json")[1])
    assert [row["number"] for row in found["rows"]] == [4, 5]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--methods", "nobody"), "There is no method 'nobody'"),
        (("--methods", "none.py:Wide"), "none.py: there is no such file"),
        (("--methods", "comb", "--stems", "nowhere"), "nowhere"),
    ],
)
def test_a_wrong_option_is_one_sentence(refused, monkeypatch, arguments, sentence: str) -> None:
    monkeypatch.setattr(api, "SOUND_ROWS", SOUND_ROWS[:1])
    assert sentence in refused("fitness", *arguments)
