"""The tables of docs/prompts.md hold, and so does what it says is an error."""

import re
from pathlib import Path

import pytest

from soundstage.errors import OptionError
from soundstage.scene.prompts import parse_prompt

PAGE = (Path(__file__).parents[3] / "docs" / "prompts.md").read_text(encoding="utf-8")


def rows(section: str) -> list[tuple[str, str]]:
    """Each of the phrases of a table, and the other cell of its row."""
    text = PAGE.split(f"## {section}\n")[1].split("\n## ")[0]
    lines = re.findall(r"^\| (.*) \| (.*) \|$", text, re.M)[2:]
    return [(phrase, cell) for phrases, cell in lines for phrase in phrases.split(", ")]


PLACES, MOTIONS = rows("Places"), rows("Motion")


def joined(phrases: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Phrases whose second half begins with "slightly", which have a comma of their own, whole."""
    found: list[tuple[str, str]] = []
    for phrase, cell in phrases:
        if phrase.startswith("slightly") and found and found[-1][0].startswith("in front"):
            found[-1] = (f"{found[-1][0]}, {phrase}", cell)
        else:
            found.append((phrase, cell))
    return found


@pytest.mark.parametrize(("phrase", "azimuth"), joined(PLACES))
def test_a_phrase_has_the_azimuth_of_its_row(phrase, azimuth):
    (event,) = parse_prompt(f"a bell, {phrase}").events
    assert (event.text, event.azimuth) == ("bell", float(azimuth))


@pytest.mark.parametrize("phrase", [phrase for phrase, _ in MOTIONS])
def test_a_phrase_of_motion_gives_a_trajectory(phrase):
    verb = "" if re.match("from|left|back|moving", phrase) else " "
    (event,) = parse_prompt(f"a bird flying {phrase}" if not verb else f"a bird {phrase}").events
    assert len(event.trajectory) >= 2


@pytest.mark.parametrize("words", re.findall(r'"([^"]*)"', PAGE.split("is an error")[1][:300]))
def test_what_the_page_calls_an_error_is_one(words):
    prompt = words if words.startswith("a ") else f"a dog {words}"
    with pytest.raises(OptionError):
        parse_prompt(prompt)
