"""Phrases of words in a prompt, and what may stand around them."""

import re
from collections.abc import Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from soundstage.errors import OptionError, quoted
from soundstage.scene.prompts import lexicon
from soundstage.scene.prompts.tokens import PUNCTUATION, Prompt

T = TypeVar("T")


class Read(NamedTuple, Generic[T]):
    """A value that was read, and the index after its tokens."""

    value: T
    end: int


class Phrases(Generic[T]):
    """Phrases of words, each with a value; the longest that stands at an index is read."""

    def __init__(self, values: Mapping[str, T]) -> None:
        self._by_first: dict[str, list[tuple[tuple[str, ...], T]]] = {}
        for phrase in sorted(values, key=lambda each: -len(each.split(" "))):
            words = tuple(phrase.split(" "))
            self._by_first.setdefault(words[0], []).append((words, values[phrase]))

    def read(self, prompt: Prompt, at: int) -> Read[T] | None:
        """The value of the longest phrase at an index."""
        for words, value in self._by_first.get(prompt.word(at), ()):
            if end := prompt.has(at, *words):
                return Read(value, end)
        return None


def listed(text: str) -> list[str]:
    """The phrases of a text, which are separated by bars and line ends."""
    return [phrase.strip() for phrase in re.split(r"[|\n]", text) if phrase.strip()]


def phrases(words: Iterable[str]) -> Phrases[str]:
    """Phrases whose values are themselves."""
    return Phrases({phrase: phrase for phrase in words})


LISTENER = phrases(lexicon.LISTENER)
NAMES = phrases(lexicon.NAMES)
POSSESSIVES = phrases([*lexicon.POSSESSIVES, "a", "an"])


def ends(prompt: Prompt, at: int) -> bool:
    """Whether no noun follows, so that a side before this index is no adjective."""
    word = prompt.word(at)
    return (
        not word
        or word in PUNCTUATION
        or word in lexicon.FOLLOWERS
        or prompt.number(at) is not None
        or word in lexicon.LEVELS
    )


def is_start(prompt: Prompt, at: int) -> bool:
    """Whether a part of the prompt begins at the index."""
    return prompt.word(at - 1) in {*PUNCTUATION, "", "and", "then", "while", "meanwhile"}


def takes_object(prompt: Prompt, at: int) -> bool:
    """Whether something else follows, as in "near the river"."""
    return prompt.word(at) in lexicon.DETERMINERS or prompt.word(at) in ("to", "from", "of", "by")


def contradiction(prompt: Prompt, start: int, end: int) -> OptionError:
    """The error for words whose directions do not go together."""
    return OptionError(
        f"{quoted(prompt.quote(start, end))} is not understood as one direction: its words "
        "contradict each other, or leave the side open; state one direction, such as "
        '"behind me to the left".'
    )
