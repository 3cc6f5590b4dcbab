"""The words for places and for sources; nothing here imports torch.

A word for a source names a kind that separators tell apart, or an instrument that none of them
does. A word for a place is a side, a width, or both: "half left", "wide", "wide left".
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from soundstage.errors import OptionError, quoted, shortened
from soundstage.separation.placement import MAX_PAN_DB, PlaceRequest

if TYPE_CHECKING:
    from soundstage.separation.separator import Kind

SOURCE_WORDS: "Mapping[str, tuple[Kind, ...]]" = {
    **dict.fromkeys(
        ("lead", "lead voice", "lead vocal", "lead vocals", "voice", "vocal", "vocals", "singer"),
        ("lead",),
    ),
    **dict.fromkeys(("voices", "all voices", "all vocals"), ("lead", "voice")),
    **dict.fromkeys(
        ("backing", "backing voice", "backing voices", "backing vocal", "backing vocals", "choir"),
        ("voice",),
    ),
    **dict.fromkeys(("drums", "drum kit", "percussion"), ("drums",)),
    **dict.fromkeys(("bass", "bass guitar"), ("bass",)),
    **dict.fromkeys(("other", "others", "other instruments", "instruments", "rest"), ("object",)),
    **dict.fromkeys(("ambience", "reverb"), ("ambience",)),
    "residual": ("residual",),
}
"""Kinds of sources by word; the first word of a kind is its name in sentences."""

_INSTRUMENTS = """
accordion banjo bassoon bell bras cello clap clarinet conga cowbell crash cymbal fiddle flute guitar
harp harpsichord hat hihat horn key keyboard kick mandolin marimba oboe organ pad piano ride sax
saxophone shaker snare string synth synthesizer tambourine tom trombone trumpet ukulele vibraphone
viola violin woodwind
"""
INSTRUMENTS = frozenset([*_INSTRUMENTS.split(), "hi hat"])
"""Instruments that no separator of the package tells apart, but stems of one's own, as `singular`
writes them."""


class PlaceWord(NamedTuple):
    """A word for a place."""

    request: PlaceRequest
    meaning: str
    also: tuple[str, ...] = ()
    """Synonyms."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self.request), "meaning": self.meaning, "also": self.also}


SIDE_WORDS: Mapping[str, PlaceWord] = {
    "hard left": PlaceWord(PlaceRequest(12.0), "left louder by 12 dB", ("far left",)),
    "left": PlaceWord(PlaceRequest(8.0), "left louder by 8 dB"),
    "half left": PlaceWord(PlaceRequest(4.0), "left louder by 4 dB", ("slightly left",)),
    "center": PlaceWord(
        PlaceRequest(0.0, width=0.5), "in the center, half as diffuse", ("centered", "middle")
    ),
    "half right": PlaceWord(PlaceRequest(-4.0), "right louder by 4 dB", ("slightly right",)),
    "right": PlaceWord(PlaceRequest(-8.0), "right louder by 8 dB"),
    "hard right": PlaceWord(PlaceRequest(-12.0), "right louder by 12 dB", ("far right",)),
    "mono": PlaceWord(PlaceRequest(0.0, diffuseness=0.0), "in the center, nothing diffuse"),
}
WIDTH_WORDS: Mapping[str, PlaceWord] = {
    "very narrow": PlaceWord(PlaceRequest(width=0.2), "a fifth as far out and as diffuse"),
    "narrow": PlaceWord(
        PlaceRequest(width=0.4), "0.4 times as far out and as diffuse", ("tight", "small")
    ),
    "wide": PlaceWord(
        PlaceRequest(width=1.6), "1.6 times as far out and as diffuse", ("broad", "big", "large")
    ),
    "very wide": PlaceWord(PlaceRequest(width=2.2), "2.2 times as far out and as diffuse"),
}
PLACE_WORDS: Mapping[str, PlaceWord] = {**SIDE_WORDS, **WIDTH_WORDS}
"""Words for places; one of the sides and one of the widths go together."""

_FILLERS = frozenset({"a", "at", "in", "of", "on", "out", "side", "the", "to"})
_SPELLINGS = {"centre": "center", "centred": "centered"}
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))\s*(?:db)?")
NUMBERED = re.compile(r"(?:other|backing|voice|source) \d{1,3}")  # one of several of a kind


def parse_place(text: str, name: str) -> PlaceRequest:
    """What a place requests: a number of dB, or a side, a width, or both.

    >>> parse_place("wide left", "other")
    PlaceRequest(pan_db=8.0, diffuseness=None, width=1.6)

    Args:
        text: such as "-4", "left" or "half left wide".
        name: of the source, for the sentence.

    Raises:
        OptionError: it is no place.
    """
    plain = text.lower().replace("−", "-").strip()
    if match := _NUMBER.fullmatch(plain):
        pan_db = float(match[1])
        if abs(pan_db) > MAX_PAN_DB:
            raise OptionError(
                f"The place of {quoted(name)} must be from -{MAX_PAN_DB:g} (right) to "
                f"{MAX_PAN_DB:g} dB (left), not {shortened(match[1], 20)}."
            )
        return PlaceRequest(pan_db + 0.0)
    request = words_of_place(normalized(text))
    if request is None:
        known = ", ".join(PLACE_WORDS)
        raise OptionError(
            f"There is no place {quoted(text)} for {quoted(name)}: give the level of left over "
            f"right in dB, or of the words {known}."
        )
    return request


def is_source(name: str, further: Collection[str] = ()) -> bool:
    """Whether a name is that of an instrument or of a source, not of a parameter of a style."""
    plain = normalized(name)
    is_word = plain in SOURCE_WORDS or bool(NUMBERED.fullmatch(plain))
    is_word = is_word or singular(plain) in INSTRUMENTS
    return is_word or singular(plain) in {singular(each) for each in further}


def normalized(text: str) -> str:
    """Lower case, with single spaces for hyphens and underscores, in American spelling."""
    words = re.split(r"[\s_-]+", text.lower().replace("−", "-"))
    return " ".join(_SPELLINGS.get(word, word) for word in words if word)


def singular(name: str) -> str:
    """A name for comparison: "Guitars" is "guitar"."""
    return normalized(name).removesuffix("s")


def words_of_place(phrase: str) -> PlaceRequest | None:
    """The request of a side, a width, or both; None if there is anything else."""
    words = " ".join(word for word in phrase.split() if word not in _FILLERS)
    if not words:
        return None
    found = [
        PlaceRequest(side.pan_db, side.diffuseness, width.width or side.width)
        for side_words, side in _SIDES.items()
        for width_words, width in _WIDTHS.items()
        if words in (f"{side_words} {width_words}".strip(), f"{width_words} {side_words}".strip())
    ]
    return found[0] if found else None


def _spelled(words: Mapping[str, PlaceWord]) -> dict[str, PlaceRequest]:
    """Requests by word and synonym, and by none."""
    entries = [
        (name, entry.request) for line, entry in words.items() for name in (line, *entry.also)
    ]
    return {"": PlaceRequest(), **dict(entries)}


_SIDES, _WIDTHS = _spelled(SIDE_WORDS), _spelled(WIDTH_WORDS)
