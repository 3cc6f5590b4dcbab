"""Styles: targets for the stage of a generative method, in words or numbers.

A style has target values for some of the descriptors of `stereo/descriptors.py`; the method samples
the rest, given the music. A word stands for values from the distribution over real music: `MUSIC`
has percentiles over segments of 12 s, and "wide" is the 90th of width, "narrow" the 10th. `WORDS`
is the table, from which docs/style.md is generated.

Words about instruments are no values of the stage but requests for places (`upmixing/places.py`),
which only a method that separates them can serve. "Bass" is both: the instrument for such a method,
the range below 250 Hz for the others.
"""

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxtyping import Float

from soundstage.errors import OptionError, quoted
from soundstage.upmixing.place_words import is_source, parse_place
from soundstage.upmixing.places import NamedRequest, Places, checked_places, find_request

if TYPE_CHECKING:
    from torch import Tensor

PERCENTILES = (5, 10, 25, 50, 75, 90, 95)
MUSIC = {
    "width": (0.35, 0.50, 0.76, 1.09, 1.53, 1.91, 2.11),
    "width_low": (0.22, 0.30, 0.54, 0.97, 1.43, 1.86, 2.03),
    "width_mid": (0.61, 0.75, 0.98, 1.33, 1.73, 2.00, 2.17),
    "width_high": (0.25, 0.33, 0.49, 0.73, 1.09, 1.62, 1.82),
    "balance": (-1.6, -0.9, -0.3, 0.05, 0.52, 1.4, 2.0),
    "diffuseness": (0.49, 0.56, 0.64, 0.70, 0.75, 0.79, 0.81),
    "offset": (0.15, 0.19, 0.26, 0.35, 0.48, 0.58, 0.63),
}  # percentiles of segments of 12 s of the training music
RANGES = {
    "width": (0.1, 3.0),
    "width_low": (0.1, 3.0),
    "width_mid": (0.1, 3.0),
    "width_high": (0.1, 3.0),
    "balance": (-6.0, 6.0),
    "diffuseness": (0.2, 0.95),
    "offset": (0.05, 1.0),
}  # as in training, which goes a little beyond real music; `Controls` reaches mono
_SPELLINGS = {
    "centre": "center",
    "centred": "centered",
    "lows": "bass",
    "treble": "highs",
    "a little": "slightly",
    "a bit": "slightly",
    "the": "",
}  # synonyms of the terms of the table


@dataclass(frozen=True)
class Style:
    """Target values of a stage; None leaves one to the method.

    >>> print(Style(width=1.4, balance=-2))
    width=1.4, balance=-2

    Raises:
        OptionError: a value is not a number, or out of its range.
    """

    width: float | None = None
    """2·rms(S)/rms(M), 0.1 to 3; two uncorrelated channels have 2."""
    width_low: float | None = None
    """The same below 250 Hz."""
    width_mid: float | None = None
    """The same from 250 Hz to 4 kHz."""
    width_high: float | None = None
    """The same above 4 kHz."""
    balance: float | None = None
    """Level of left over right, −6 to 6 dB."""
    diffuseness: float | None = None
    """Share of the side's energy without direction, 0.2 to 0.95."""
    offset: float | None = None
    """Distance from the center between 250 Hz and 4 kHz, 0.05 to 1 (hard-panned)."""
    places: Places = ()
    """Requested places of instruments, of `parse_places`; for methods that place sources."""

    def __post_init__(self) -> None:
        for name, value in self.requested().items():
            if isinstance(value, bool) or not isinstance(value, Real):
                raise OptionError(f"{name} must be a number, not {value!r}.")
            low, high = RANGES[name]
            if not low <= value <= high:
                raise OptionError(f"{name} must be from {low:g} to {high:g}, not {value:g}.")
            object.__setattr__(self, name, float(value))

    def requested(self) -> dict[str, float]:
        """The target values by name."""
        pairs = ((name, getattr(self, name)) for name in NAMES)
        return {name: value for name, value in pairs if value is not None}

    def without_places(self) -> "Style | None":
        """The target values alone; None if there are none."""
        return replace(self, places=()) if self.requested() else None

    def to_tensor(self) -> "Float[Tensor, ' descriptors']":
        """The target values in the order of `DESCRIPTORS`; NaN for None."""
        import torch

        values = [getattr(self, name) for name in NAMES]
        return torch.tensor([torch.nan if value is None else value for value in values])

    def __str__(self) -> str:
        values = [f"{name}={value:g}" for name, value in self.requested().items()]
        return ", ".join([*values, *map(str, self.places)])


NAMES = tuple(field.name for field in fields(Style) if field.name != "places")  # `DESCRIPTORS`


class Word(NamedTuple):
    """An entry of the table."""

    values: Mapping[str, float]
    meaning: str
    also: tuple[str, ...] = ()
    """Synonyms."""


WORDS = {
    "very narrow": Word({"width": 0.3}, "almost mono", ("very intimate", "almost mono")),
    "narrow": Word({"width": 0.5}, "close to the center", ("tight", "small")),
    "slightly narrow": Word({"width": 0.76}, "narrower than most tracks"),
    "natural": Word({"width": 1.09}, "typical width of music", ("normal",)),
    "slightly wide": Word({"width": 1.53}, "wider than most tracks"),
    "wide": Word(
        {"width": 1.91}, "almost as wide as uncorrelated channels", ("broad", "big", "large")
    ),
    "very wide": Word({"width": 2.2}, "wider than almost any track", ("huge", "enormous")),
    "mono bass": Word({"width_low": 0.15}, "bass in the center", ("centered bass",)),
    "narrow bass": Word({"width_low": 0.3}, "bass close to the center", ("tight bass",)),
    "wide bass": Word({"width_low": 1.86}, "bass on both sides"),
    "narrow mids": Word({"width_mid": 0.75}, "250 Hz to 4 kHz close to the center"),
    "wide mids": Word({"width_mid": 2.0}, "250 Hz to 4 kHz on both sides"),
    "narrow highs": Word({"width_high": 0.33}, "above 4 kHz close to the center"),
    "wide highs": Word({"width_high": 1.62}, "above 4 kHz on both sides"),
    "centered": Word({"offset": 0.19}, "250 Hz to 4 kHz less panned"),
    "spread out": Word(
        {"offset": 0.58}, "250 Hz to 4 kHz more panned", ("spread", "panned", "separated")
    ),
    "diffuse": Word({"diffuseness": 0.79}, "width from reverberation", ("ambient", "roomy")),
    "dry": Word({"diffuseness": 0.56}, "width from panning", ("direct",)),
    "left": Word({"balance": 2.0}, "the left louder by 2 dB", ("to left", "leaning left")),
    "slightly left": Word({"balance": 1.0}, "the left louder by 1 dB"),
    "balanced": Word({"balance": 0.0}, "left and right equally loud", ("even",)),
    "slightly right": Word({"balance": -1.0}, "the right louder by 1 dB"),
    "right": Word({"balance": -2.0}, "the right louder by 2 dB", ("to right", "leaning right")),
    "intimate": Word({"width": 0.5, "diffuseness": 0.56}, "narrow and dry", ("close", "close up")),
    "airy": Word({"width_high": 1.62, "diffuseness": 0.79}, "wide highs, diffuse", ("open",)),
}
_LINES = {name: word for line, word in WORDS.items() for name in (line, *word.also)}
_IN_ANY_ORDER = {tuple(sorted(name.split())): word for name, word in _LINES.items()}


def list_styles() -> dict[str, Word]:
    """The words of styles, with their values, meanings and synonyms."""
    return dict(WORDS)


def parse_style(text: str, *, places: bool = False, names: Collection[str] = ()) -> Style:
    """A style from words of the table and numbers, separated by commas or "and".

    Case, hyphens, the order of words, and British or American spelling make no difference. Words
    about an instrument, such as "voice centered", become requests for places; `check_method`
    refuses them for methods that place none.

    >>> print(parse_style("Wide, narrow-bass and centred"))
    width=1.91, width_low=0.3, offset=0.19
    >>> print(parse_style("airy, width=1.4, wide drums"))
    width=1.4, width_high=1.62, diffuseness=0.79, drums=wide

    Args:
        text: the style.
        places: whether the method separates instruments, so that "bass" means the instrument.
        names: of further sources, such as stems of one's own.

    Raises:
        OptionError: a word is unknown, a value is out of its range, or two parts contradict each
            other.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}  # the part that set each value
    requests: list[NamedRequest] = []
    for part in re.split(r"[,;]|\band\b", text):
        if not (written := part.strip()):
            continue
        read = _read(written, places, names)
        if isinstance(read, NamedRequest):
            requests.append(read)
            continue
        for name, value in read.items():
            if values.setdefault(name, value) != value:
                raise OptionError(
                    f"The style contradicts itself: {quoted(sources[name])} is "
                    f"{name}={values[name]:g}, {quoted(written)} is {name}={value:g}; leave one "
                    "out."
                )
            sources.setdefault(name, written)
    return Style(**values, places=checked_places(requests))


def _read(part: str, places: bool, names: Collection[str]) -> Mapping[str, float] | NamedRequest:
    """The values of a word or of `name=number`, or the request of words about an instrument."""
    left, equals, right = (each.strip() for each in part.partition("="))
    if equals and is_source(left, names):
        return NamedRequest(left, right, parse_place(right, left))
    if equals:
        return _number(left, right, part)
    phrase = _normalized(part)
    word = _IN_ANY_ORDER.get(tuple(sorted(phrase.split())))
    if word and not places:
        return word.values
    if request := find_request(part, names):
        return request
    if word:
        return word.values
    if phrase.replace(" ", "_") in NAMES:
        raise OptionError(f"{quoted(part)} in a style needs a number, as in width=1.4.")
    near = difflib.get_close_matches(phrase, _LINES, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    raise OptionError(f"There is no style {quoted(part)}{hint} All words: soundstage styles.")


def _number(left: str, right: str, part: str) -> Mapping[str, float]:
    name = re.sub(r"[\s-]+", "_", left.lower())
    if name not in NAMES:
        raise OptionError(
            f"A style has no parameter {quoted(left)}: choose among {', '.join(NAMES)}."
        )
    try:
        value = float(right.replace("−", "-"))
    except ValueError:
        raise OptionError(
            f"In the style, {quoted(part)} needs a number after the equals sign."
        ) from None
    values: dict[str, Any] = {name: value}
    return Style(**values).requested()  # checks the range


def _normalized(phrase: str) -> str:
    """Lower case, without hyphens, in the spelling and the terms of the table."""
    plain = " ".join(re.split(r"[\s_-]+", phrase.lower()))
    for other, ours in _SPELLINGS.items():
        plain = re.sub(rf"\b{other}\b", ours, plain)
    return " ".join(plain.split())
