"""Tokens of prompts: numbers, units and spellings have one form, and keep the user's words."""

import pytest

from soundstage.errors import OptionError
from soundstage.scene.prompts.spelling import corrected, nearest_word
from soundstage.scene.prompts.tokens import tokenize


def values(text: str) -> list[str | float]:
    return [token.word if token.number is None else token.number for token in tokenize(text).tokens]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("nine o’clock, 9 o' clock", [9, "o'clock", ",", 9, "o'clock"]),
        ("two hundred and ten degrees", [210, "degrees"]),
        ("forty-five", [45]),
        ("minus thirty°", [-30, "degrees"]),
        ("−30 deg", [-30, "degrees"]),
        ("two and a half meters", [2.5, "meters"]),
        ("1,500 ms; 2,5 m", [1500, "ms", ";", 2.5, "m"]),
        ("3m away", [3, "m", "away"]),
        ("a 5-second beep", ["a", 5, "second", "beep"]),
        ("4x4 v8", ["4x4", "v8"]),
        ("front-left, left-handed", ["front", "left", ",", "left-handed"]),
        ("anti-clockwise", ["counterclockwise"]),
        ("north-east", ["north", "east"]),
        ("two metres", [2, "meters"]),
        ("a dog\nof mine\nthe cat", ["a", "dog", "of", "mine", ";", "the", "cat"]),
    ],
)
def test_spellings_have_one_form(text, tokens):
    assert values(text) == tokens


def test_words_of_the_user_are_quoted():
    prompt = tokenize("a Bell,  at Minus thirty°")
    assert prompt.quote(3, 6) == "at Minus thirty°"


@pytest.mark.parametrize(
    ("text", "words"), [("", "no words"), ("...", "no words"), ("x " * 1001, "2,002 characters")]
)
def test_a_prompt_without_words_or_too_long_is_an_error(text, words):
    with pytest.raises(OptionError, match=words):
        tokenize(text)


@pytest.mark.parametrize(
    ("word", "target"),
    [("lft", "left"), ("rigth", "right"), ("behnd", "behind"), ("abvoe", "above"),
     ("degres", "degrees"), ("frnt", "front")],
)  # fmt: skip
def test_a_typing_error_has_one_nearest_word(word, target):
    assert nearest_word(word) == target


@pytest.mark.parametrize(
    "word", ["left", "light", "night", "lift", "ground", "hear", "bear", "font", "wound", "dog"]
)
def test_english_words_are_no_typing_errors(word):
    assert nearest_word(word) is None


def test_typing_errors_are_corrected_only_where_a_direction_is_expected():
    prompt, notes = corrected(tokenize("a dog on the lft"))
    assert prompt.words[-1] == "left"
    assert notes == (("lft", 'spelled "left"'),)
    assert corrected(tokenize("a lft dog"))[1] == ()
