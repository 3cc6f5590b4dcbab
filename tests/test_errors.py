"""Foreign text in the sentences of errors: printable, short, and still the text."""

import os
import pickle

import pytest

from soundstage import errors
from soundstage.errors import InputError, OptionError, printable, quoted, reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain name.wav", "plain name.wav"),
        ("日本 Žižek 🎻 e\u0301", "日本 Žižek 🎻 e\u0301"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("C:\\music\\a.wav", "C:\\music\\a.wav"),
        ("\x1b]0;title\x07.wav", r"\x1b]0;title\x07.wav"),
        ("a\nb\rc\td", r"a\nb\rc\td"),
        ("\x9b2J", r"\x9b2J"),
        ("song\u202evaw.exe", r"song\u202evaw.exe"),
        ("\u2066a\u2069\u200f\ufeff", r"\u2066a\u2069\u200f\ufeff"),
        ("\u2028", r"\u2028"),
        ("\U000e0041", r"\U000e0041"),
        (os.fsdecode(b"caf\xe9.wav"), r"caf\xe9.wav"),
        ("\ud800", r"\ud800"),
    ],
)
def test_text_is_printable_and_stays_readable(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert printable(expected) == expected
    expected.encode("utf-8")


def test_messages_are_printable_by_construction() -> None:
    error = InputError("\x1b[2J.wav: file not found.")
    assert str(error) == r"\x1b[2J.wav: file not found."
    again = pickle.loads(pickle.dumps(OptionError(str(error))))
    assert type(again) is OptionError
    assert str(again) == str(error)


def test_quotes_are_short() -> None:
    assert quoted("width") == "'width'"
    assert len(quoted("x" * 70_000)) == errors.QUOTED + 2
    assert len(quoted("\x1b" * 70_000)) <= errors.QUOTED + 2
    assert len(quoted(list(range(70_000)))) == errors.QUOTED
    assert quoted(1.5) == "1.5"
    assert quoted(10**10_000) == "a number of too many digits"
    assert quoted(None) == "None"


def test_a_reason_is_the_first_sentence() -> None:
    assert reason(ValueError("No such key. Try another.\nMore")) == "No such key"
    assert reason(ValueError("\x1b" * 70_000))[:8] == r"\x1b\x1b"
    assert len(reason(ValueError("x" * 70_000))) == errors.QUOTED
    assert reason(KeyError()) == "KeyError"
