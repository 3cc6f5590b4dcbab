"""Tokens of a prompt: words, numbers and punctuation, each with its place in the text.

A token keeps the span of the text it was read from, so that every sentence to the user quotes the
user's own words. Spellings are unified here, once: "nine", "forty-five" and "1,000" are numbers,
"3m" is a number and a unit, "front-left" is two words, "left-handed" stays one, and "o clock",
"anti-clockwise" and "metres" have one form each.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from soundstage.errors import OptionError
from soundstage.scene.description import MAX_TEXT

STOP = ";"
"""The word of a full stop, semicolon or line end."""
COMMA = ","
PUNCTUATION = frozenset({STOP, COMMA, ":", "(", ")", "-", "/", "&", "=", '"', "+"})


class Token(NamedTuple):
    """A word, a number or a punctuation mark."""

    word: str
    """In its unified spelling."""
    start: int
    end: int
    """Of its span in the text."""
    number: float | None = None


@dataclass(frozen=True)
class Prompt:
    """The text of a prompt and its tokens."""

    text: str
    tokens: tuple[Token, ...]

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of the tokens."""
        return tuple(token.word for token in self.tokens)

    def quote(self, start: int, end: int) -> str:
        """The user's words of some tokens."""
        tokens = self.tokens[start:end]
        return " ".join(self.text[tokens[0].start : tokens[-1].end].split()) if tokens else ""

    def word(self, at: int) -> str:
        """The word at an index; "" outside."""
        return self.words[at] if 0 <= at < len(self.words) else ""

    def number(self, at: int) -> float | None:
        """The number at an index; None if there is none."""
        return self.tokens[at].number if 0 <= at < len(self.tokens) else None

    def has(self, at: int, *words: str) -> int:
        """The index after words that stand at an index, or 0."""
        end = at + len(words)
        return end if self.words[at:end] == words else 0


def _split(text: str) -> list[str]:
    return text.split()


_QUOTES = str.maketrans("’‘´`ʼ“”„−–—‐‑", "'''''\"\"\"-----")
_SPELLINGS = {
    "centre": "center",
    "metre": "meter",
    "metres": "meters",
    "kilometre": "kilometer",
    "kilometres": "kilometers",
    "centimetre": "centimeter",
    "centimetres": "centimeters",
    "towards": "toward",
    "oclock": "o'clock",
    "°": "degrees",
    "º": "degrees",
    "deg": "degrees",
    "degs": "degrees",
    "degree": "degrees",
    "cw": "clockwise",
    "ccw": "counterclockwise",
    "clock-wise": "clockwise",
    "clockwisely": "clockwise",
    "counter-clockwise": "counterclockwise",
    "counter-clock-wise": "counterclockwise",
    "anti-clockwise": "counterclockwise",
    "anticlockwise": "counterclockwise",
    "infront": "in front",
    "l": "left",
    "r": "right",
    "rearwards": "rear",
    "leftwards": "leftward",
    "rightwards": "rightward",
}
_JOINED = {
    ("o'", "clock"): "o'clock",
    ("o", "clock"): "o'clock",
    ("o", "'", "clock"): "o'clock",
    ("counter", "clockwise"): "counterclockwise",
    ("anti", "clockwise"): "counterclockwise",
    ("counter", "-", "clockwise"): "counterclockwise",
    ("anti", "-", "clockwise"): "counterclockwise",
}
_SPLIT_AT_HYPHENS = _split(
    "front back rear left right center middle north south east west northeast northwest southeast "
    "southwest upper lower top bottom far near half mid hand side behind ahead hard above below "
    "slightly"
)
_UNITS_AFTER_DIGITS = _split(
    "m cm mm km ft yd mi s ms sec secs min mins h db deg degs meter meters foot feet degrees "
    "degree second seconds minute minutes inch inches o'clock oclock rad x"
)
_ONES = _split(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TENS = _split("twenty thirty forty fifty sixty seventy eighty ninety")
_NUMBER_WORDS = {
    **{word: value for value, word in enumerate(_ONES)},
    **{word: 10 * (value + 2) for value, word in enumerate(_TENS)},
    "fourty": 40,
}
_MULTIPLIERS = {"hundred": 100, "thousand": 1000}

_TOKEN = re.compile(
    r"""
    (?P<clock>\d{1,2}:\d\d(?!\d))
    |(?P<number>(?:(?<![\w.,])[+-])?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:[.,]\d+)?|(?<!\w)\.\d+)
        (?:-?(?P<unit>[^\W\d_]+(?:'[^\W\d_]+)?))?(?![\w'])
    |(?P<word>[^\W_]+(?:['-][^\W_]+)*'?)
    |(?P<mark>[^\w\s]|_)
    |(?P<space>\s+)
    """,
    re.VERBOSE,
)


_NEW_LINE = re.compile(r"\s*\n\s*(?:\n|[-*•\d(]|(?:a|an|the|some|then)\b|$)")
"""A line end that begins a further sound; other ones only wrap a sentence."""


def tokenize(text: str) -> Prompt:
    """The tokens of a prompt.

    Raises:
        OptionError: the text is empty or too long.
    """
    if len(text) > MAX_TEXT:
        raise OptionError(
            f"The prompt has {len(text):,} characters and can have {MAX_TEXT:,}: shorten it."
        )
    plain = "".join(low if len(low := each.lower()) == 1 else each for each in text)
    tokens = [part for token in _raw(plain.translate(_QUOTES)) for part in _parts(token)]
    tokens = _merge_numbers(_join(tokens))
    if not any(token.word not in PUNCTUATION for token in tokens):
        raise OptionError('The prompt has no words: describe a sound, as in "rain on the left".')
    return Prompt(text, tuple(tokens))


def _raw(text: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(text):
        kind, start, end = match.lastgroup, match.start(), match.end()
        if kind == "space":
            if "\n" in match[0] and _NEW_LINE.match(text, start):
                yield Token(STOP, start, end)
        elif match["number"] is not None:
            yield from _number_and_unit(match)
        elif kind == "mark":
            yield Token(_mark(match[0]), start, end)
        else:
            yield Token(match[0], start, end)


def _mark(mark: str) -> str:
    if mark in ".;!?|":
        return STOP
    return {"[": "(", "]": ")", "{": "(", "}": ")"}.get(mark, mark)


def _number_and_unit(match: "re.Match[str]") -> Iterator[Token]:
    """A number, and the letters directly after it if they are a unit; else one word."""
    digits, unit, middle = match["number"], match["unit"], match.end("number")
    glued = unit is not None and match.start("unit") == middle
    if glued and unit not in _UNITS_AFTER_DIGITS:
        yield Token(match[0], match.start(), match.end())
        return
    thousands = re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", digits)
    plain = digits.replace(",", "" if thousands else ".")
    yield Token(digits, match.start(), middle, float(plain))
    if unit is not None:
        yield Token(unit, match.start("unit"), match.end())


def _parts(token: Token) -> list[Token]:
    """The token in its unified spelling, split at hyphens where each part is a direction."""
    if token.number is not None:
        return [token]
    word = _SPELLINGS.get(token.word, token.word)
    if "-" in word and len(word) > 1:
        pieces = word.split("-")
        number = all(piece in _NUMBER_WORDS for piece in pieces)
        unit = pieces[0] in _NUMBER_WORDS and pieces[-1] in _UNITS_AFTER_DIGITS
        if number or unit or all(piece in _SPLIT_AT_HYPHENS for piece in pieces):
            return _at_spaces(word.replace("-", " "), token)
    if word.endswith("'") and word != "o'":
        word = word.rstrip("'")
    return _at_spaces(word, token)


def _at_spaces(words: str, token: Token) -> list[Token]:
    if " " not in words:
        return [token._replace(word=words)]
    found, at = [], token.start
    for piece in words.split(" "):
        end = at + len(piece)
        piece = _SPELLINGS.get(piece, piece)
        found.append(Token(piece, at, end))
        at = end + (token.end - token.start == len(words))
    return [*found[:-1], found[-1]._replace(end=token.end)]


def _join(tokens: Sequence[Token]) -> list[Token]:
    joined: list[Token] = []
    for token in tokens:
        joined.append(token)
        for words, word in _JOINED.items():
            tail = joined[-len(words) :]
            if tuple(each.word for each in tail) == words:
                joined[-len(words) :] = [Token(word, tail[0].start, token.end)]
    return joined


def _merge_numbers(tokens: Sequence[Token]) -> list[Token]:
    """Number words as numbers: "two hundred and ten", "minus 30", "two and a half"."""
    merged: list[Token] = []
    at = 0
    while at < len(tokens):
        value, end = _number_words(tokens, at)
        token = tokens[at]
        if value is not None:
            token = Token(token.word, token.start, tokens[end - 1].end, value)
        elif token.number is not None:
            end = at + 1
        value = token.number
        if value is not None and _words(tokens, end, 3) == ("and", "a", "half"):
            token = Token(token.word, token.start, tokens[end + 2].end, value + 0.5)
            end += 3
        sign = merged[-1] if merged else None
        if token.number is not None and sign and sign.word in ("minus", "negative"):
            merged.pop()
            token = Token("-" + token.word, sign.start, token.end, -token.number)
        merged.append(token)
        at = max(end, at + 1)
    return merged


def _words(tokens: Sequence[Token], at: int, count: int) -> tuple[str, ...]:
    return tuple(token.word for token in tokens[at : at + count])


def _number_words(tokens: Sequence[Token], at: int) -> tuple[float | None, int]:
    """A number in words from an index, and the index after it."""
    total, part, end = 0.0, None, at
    if _words(tokens, at, 2) in (("a", "hundred"), ("a", "thousand")):
        part, end = 1.0, at + 1
    while end < len(tokens):
        word = tokens[end].word
        if word in _NUMBER_WORDS and (part is None or (part % 100 >= 20 and part % 10 == 0)):
            part = (part or 0) + _NUMBER_WORDS[word]
        elif word in _NUMBER_WORDS and part is not None and part >= 100 and part % 100 == 0:
            part += _NUMBER_WORDS[word]
        elif word == "hundred" and part is not None and part < 100:
            part *= 100
        elif word == "thousand" and part is not None:
            total, part = total + 1000 * part, 0.0
        elif word == "and" and part and part % 100 == 0 and _is_number_word(tokens, end + 1):
            pass
        else:
            break
        end += 1
    return (None, at) if part is None else (total + part, end)


def _is_number_word(tokens: Sequence[Token], at: int) -> bool:
    return at < len(tokens) and tokens[at].word in _NUMBER_WORDS


def with_word(prompt: Prompt, at: int, word: str) -> Prompt:
    """The prompt with another spelling of one word."""
    tokens = list(prompt.tokens)
    tokens[at] = tokens[at]._replace(word=word)
    return replace(prompt, tokens=tuple(tokens))
