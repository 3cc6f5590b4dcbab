"""Reading directions from tokens: "behind me, slightly to the left", "at 30 degrees to the right".

A direction is one part or several that go together. A part is a listener's preposition ("behind
me", "overhead"), a noun of a side ("on the left", "front right"), an angle, an hour of the clock or
a point of the compass. A side is a direction only where no noun follows it, so "the right whale"
and "at the front door" are sounds and their wording.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Generic, NamedTuple, TypeVar

from soundstage.errors import OptionError, quoted
from soundstage.scene.prompts import lexicon
from soundstage.scene.prompts.direction import ContradictionError, Direction
from soundstage.scene.prompts.tokens import COMMA, PUNCTUATION, Prompt

T = TypeVar("T")
RAISED_LEAD = 30.0  # degrees of elevation of "high on the left"
AT_FEET = (-60.0, 1.7)  # elevation in degrees and distance in meters of a standing listener's feet
AT_EAR = 0.2  # m
AT_SIDE = 0.5  # m
MAX_LEADS = 4  # adverbs before a part


class Read(NamedTuple, Generic[T]):
    """A value that was read, and the index after its tokens."""

    value: T
    end: int


class Phrases(Generic[T]):
    """Phrases of words, each with a value; the longest that stands at an index is read."""

    def __init__(self, values: Mapping[str, T]) -> None:
        self._by_first: dict[str, list[tuple[str, T]]] = {}
        for phrase in sorted(values, key=len, reverse=True):
            self._by_first.setdefault(phrase.split(" ")[0], []).append((phrase, values[phrase]))

    def read(self, prompt: Prompt, at: int) -> Read[T] | None:
        """The value of the longest phrase at an index."""
        for phrase, value in self._by_first.get(prompt.word(at), ()):
            if end := prompt.has(at, phrase):
                return Read(value, end)
        return None


def phrases(words: Iterable[str]) -> Phrases[str]:
    """Phrases whose values are themselves."""
    return Phrases({phrase: phrase for phrase in words})


LISTENER = phrases(lexicon.LISTENER)
_POSSESSIVES = phrases([*lexicon.POSSESSIVES, "a", "an"])
_LEADS = Phrases(lexicon.LEADS)
_PREPOSITIONS = phrases([*lexicon.PREPOSITIONS, "near", "beside", "next to", "close to", "along"])
NAMES = phrases(lexicon.NAMES)
_COMPASS = Phrases(
    {
        **lexicon.COMPASS,
        **{
            f"{word[:5]} {word[5:]}": value
            for word, value in lexicon.COMPASS.items()
            if len(word) > 5
        },
    }
)
_AHEAD, _BEHIND = Direction(depth=1), Direction(depth=-1)
_ABOVE, _BELOW = Direction(vertical=1), Direction(vertical=-1)
_FEET = Direction(height=AT_FEET[0], depth=1, distance=AT_FEET[1])
_WITH_LISTENER = Phrases(  # prepositions that need a listener after them
    {
        "in front of": _AHEAD,
        "ahead of": _AHEAD,
        "in back of": _BEHIND,
        "over": _ABOVE,
        "on top of": _ABOVE,
        "under": _BELOW,
        "behind": _BEHIND,
        "above": _ABOVE,
        "below": _BELOW,
        "beneath": _BELOW,
        "underneath": _BELOW,
        "north of": Direction(azimuth=0.0),
        "south of": Direction(azimuth=180.0),
        "west of": Direction(azimuth=90.0),
        "east of": Direction(azimuth=-90.0),
    }
)
_ADVERBS = Phrases({"ahead": _AHEAD, "in front": _AHEAD, "overhead": _ABOVE, "up front": _AHEAD})
_HANGING = Phrases(  # prepositions that may end a phrase, but not before a noun
    {
        "behind": _BEHIND,
        "in back": _BEHIND,
        "above": _ABOVE,
        "below": _BELOW,
        "beneath": _BELOW,
        "underneath": _BELOW,
        "underfoot": _BELOW,
    }
)
_BODY_PHRASES = Phrases(
    {
        f"{preposition} {owner} {noun}": direction
        for owner in ("my", "your", "our", "the listener's")
        for preposition, noun, direction in (
            ("at", "feet", _FEET),
            ("near", "feet", _FEET),
            ("by", "feet", _FEET),
            ("around", "feet", _FEET),
            ("under", "feet", _BELOW),
            ("beneath", "feet", _BELOW),
            ("below", "feet", _BELOW),
            ("over", "head", _ABOVE),
            ("above", "head", _ABOVE),
            ("above", "heads", _ABOVE),
            ("over", "heads", _ABOVE),
            ("behind", "back", _BEHIND),
            ("behind", "head", _BEHIND),
            ("at", "back", _BEHIND),
            ("in front of", "face", replace(_AHEAD, distance=0.3)),
            ("in front of", "nose", replace(_AHEAD, distance=0.3)),
            ("over", "left shoulder", Direction(side=1, depth=-1)),
            ("over", "right shoulder", Direction(side=-1, depth=-1)),
            ("behind", "left shoulder", Direction(side=1, depth=-1)),
            ("behind", "right shoulder", Direction(side=-1, depth=-1)),
            ("behind", "left ear", Direction(side=1, depth=-1, distance=AT_EAR)),
            ("behind", "right ear", Direction(side=-1, depth=-1, distance=AT_EAR)),
        )
    }
)
_TAILS = phrases(
    [f"of {listener}" for listener in lexicon.LISTENER]
    + [f"of {the}{space}" for the in ("the ", "my ") for space in lexicon.SPACES]
    + ["of center", "of the center", "of straight ahead", "of front", "of my head", "from center"]
    + ["from straight ahead", "off center", "from the center", "of midline", "of the sound field"]
    + ["from me", "of where i am", "of where i stand", "of the stereo image"]
)
_BEFORE_OBJECTS = frozenset(
    {"a", "an", "the", "his", "her", "their", "its", "some", "another", "my", "your", "our"}
)


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


def read_direction(prompt: Prompt, at: int) -> Read[Direction] | None:
    """A direction of one or more parts.

    Raises:
        OptionError: its parts contradict each other, or an angle is out of its range.
    """
    found = _checked(prompt, at, read_part(prompt, at))
    while found is not None:
        here = found.end
        begin = _separated(prompt, here)
        following = read_part(prompt, begin)
        if following is None or (begin > here and not _goes_on(prompt, begin, following.end)):
            return found
        try:
            found = Read(found.value.merged(following.value), following.end)
        except ContradictionError:
            if begin > here:
                return found
            raise contradiction(prompt, at, following.end) from None
    return None


def contradiction(prompt: Prompt, start: int, end: int) -> OptionError:
    """The error for words whose directions do not go together."""
    return OptionError(
        f"{quoted(prompt.quote(start, end))} is not understood as one direction: its words "
        "contradict each other, or leave the side open; state one direction, such as "
        '"behind me to the left".'
    )


def _checked(prompt: Prompt, at: int, found: Read[Direction] | None) -> Read[Direction] | None:
    """The direction, if it means one azimuth by itself or with the words after it."""
    if found is None or read_part(prompt, _separated(prompt, found.end)) is not None:
        return found
    try:
        found.value.to_azimuth()
    except ContradictionError:
        raise contradiction(prompt, at, found.end) from None
    return found


def _separated(prompt: Prompt, at: int) -> int:
    """The index after a comma, "and" or both."""
    if prompt.word(at) in (COMMA, "-"):
        at += 1
    return at + (prompt.word(at) in ("and", "but"))


def _goes_on(prompt: Prompt, begin: int, end: int) -> bool:
    """Whether a part after a separator belongs to the direction before it: no sound follows it."""
    next_word = prompt.word(end)
    return not next_word or next_word in PUNCTUATION or next_word in {
        "and", "then", "while", "in", "at", "for", "with", "from", "on", "to", "near", "close",
        "far", "meanwhile", "starting", "after", "followed", "slightly", "very",
    }  # fmt: skip


def read_part(prompt: Prompt, at: int) -> Read[Direction] | None:
    """One part of a direction, with the adverbs before it: "slightly to the left".

    Raises:
        OptionError: an angle or an hour is out of its range.
    """
    end, effects = at, list[tuple[str, str]]()
    found = [_part_after(prompt, at, end, effects)]
    while (lead := _LEADS.read(prompt, end)) and len(effects) < MAX_LEADS:
        effects.append((prompt.word(end), lead.value))
        end = lead.end
        found.append(_part_after(prompt, at, end, effects))
    return max((each for each in found if each), key=lambda each: each.end, default=None)


def _part_after(
    prompt: Prompt, at: int, end: int, effects: list[tuple[str, str]]
) -> Read[Direction] | None:
    led = bool(effects)
    if led and effects[-1][0] in lexicon.LEADS_BEFORE_PREPOSITIONS:
        after = prompt.word(end)
        if _PREPOSITIONS.read(prompt, end) is None and after not in ("behind", "above", "below"):
            return None
    readers = (
        _read_body(prompt, end),
        _read_listener(prompt, end),
        _read_side(prompt, end, at, led),
        _read_angle(prompt, end),
        _read_hour(prompt, end, at),
        _read_compass(prompt, end, at, led),
    )
    found = max((each for each in readers if each), key=lambda each: each.end, default=None)
    if found is None:
        return None
    direction = found.value
    for _, effect in effects:
        direction = _with_effect(direction, effect)
    return Read(direction, found.end)


def _with_effect(direction: Direction, effect: str) -> Direction:
    if effect == "slight":
        return replace(
            direction,
            slight_side=bool(direction.side),
            slight_depth=bool(direction.depth) and not direction.side,
            slight_vertical=bool(direction.vertical),
        )
    if effect in ("far", "near", "closest") and direction.distance is None:
        meters = {"far": "far", "near": "near", "closest": "very close"}[effect]
        return replace(direction, distance=lexicon.DISTANCES[meters])
    is_level = not direction.vertical and direction.height is None
    if effect in ("up", "down") and direction.depth > 0 and not direction.side:
        return direction  # "up ahead" and "down in front" are idioms
    if effect in ("high", "up", "low", "down") and is_level:
        return replace(direction, height=RAISED_LEAD * (1 if effect in ("high", "up") else -1))
    return direction


def _read_body(prompt: Prompt, at: int) -> Read[Direction] | None:
    return _BODY_PHRASES.read(prompt, at)


def _read_listener(prompt: Prompt, at: int) -> Read[Direction] | None:
    if prompt.word(at) in ("from", "to", "toward"):
        at += 1
        if body := _BODY_PHRASES.read(prompt, at):
            return body
    found = _WITH_LISTENER.read(prompt, at)
    if found and (listener := LISTENER.read(prompt, found.end)):
        return Read(found.value, listener.end)
    found = _HANGING.read(prompt, at)
    if found and ends(prompt, found.end) and prompt.word(found.end) not in _BEFORE_OBJECTS:
        return found
    if (found := _ADVERBS.read(prompt, at)) and prompt.word(found.end) != "of":
        return found
    return None


def _read_side(prompt: Prompt, at: int, start: int, led: bool) -> Read[Direction] | None:
    """Such as "on the left", "to my far right side", "front left" and "left of me"."""
    preposition = _PREPOSITIONS.read(prompt, at)
    here = preposition.end if preposition else at
    if preposition or prompt.word(here) == "the":
        owner = _POSSESSIVES.read(prompt, here)
        here = owner.end if owner else here
    direction, count, noun = Direction(), 0, ""
    while True:
        word = prompt.word(here)
        if NAMES.read(prompt, here) and not _is_side_noun(prompt, here):
            return None
        if word in lexicon.SIDES and not direction.side:
            direction, count = replace(direction, side=lexicon.SIDES[word]), count + 1
        elif word in lexicon.DEPTHS and not direction.depth:
            direction, count = replace(direction, depth=lexicon.DEPTHS[word]), count + 1
        elif word in ("leftward", "rightward", "leftmost", "rightmost") and not direction.side:
            side = lexicon.SIDES[word[: -len("ward")]]
            direction, count = replace(direction, side=side), count + 2
        elif word in ("upper", "top", "lower", "bottom") and not count:
            raised = RAISED_LEAD if word in ("upper", "top") else -RAISED_LEAD
            direction = replace(direction, height=raised)
        elif word in ("far", "near", "extreme") and not count and word != "extreme":
            direction = replace(direction, distance=lexicon.DISTANCES[word])
        else:
            break
        here += 1
    if not count or (direction.height is not None and not direction.side):
        return None
    if prompt.word(here) == "-" and prompt.word(here + 1) == "hand":
        here += 1
    while prompt.word(here) in lexicon.NOUNS_OF_SIDES:
        noun = prompt.word(here)
        here += 1
    if noun == "ear":
        direction = replace(direction, distance=AT_EAR)
    elif preposition and prompt.quote(at, preposition.end) in ("beside", "next to"):
        direction = replace(direction, distance=AT_SIDE)
    tail = _TAILS.read(prompt, here)
    if tail:
        here = tail.end
    elif prompt.word(here) in ("of", "from") and preposition and prompt.word(here) == "of":
        raise OptionError(
            f"{quoted(prompt.quote(at, here + 3))} is not understood as a direction: directions "
            'are from the listener, as in "to the left of me".'
        )
    if direction.side and prompt.word(here) == "and" and prompt.word(here + 1) in lexicon.SIDES:
        return None  # two sides at once, which the guard names
    bare = not preposition
    if bare and not (tail or count > 1 or led or direction.distance or is_start(prompt, start)):
        return None
    if bare and count == 1 and not direction.side and not tail:
        return None if not _is_alone(prompt, start, here) else Read(direction, here)
    if tail or ends(prompt, here):
        return Read(direction, here)
    leading = preposition and is_start(prompt, start) and direction.side
    return Read(direction, here) if leading else None


def _is_side_noun(prompt: Prompt, at: int) -> bool:
    """Whether "left hand" is a side and not a hand: "on the left hand side", "on my left hand"."""
    if prompt.word(at + 1) != "hand":
        return False
    return prompt.word(at + 2) == "side" or prompt.word(at - 1) in ("my", "your")


def _is_alone(prompt: Prompt, start: int, end: int) -> bool:
    after = prompt.word(end)
    return is_start(prompt, start) and (not after or after in PUNCTUATION)


def _read_angle(prompt: Prompt, at: int) -> Read[Direction] | None:
    here = at + 1 if prompt.word(at) in ("at", "from", "to", "by", "around") else at
    here = prompt.has(here, "an angle of") or here
    label = prompt.word(here) if prompt.word(here) in ("azimuth", "elevation", "doa") else ""
    if label:
        here += 1
        while prompt.word(here) in ("of", ":", "=", "at", "angle"):
            here += 1
    value = prompt.number(here)
    if value is None:
        return None
    end = here + 1
    if prompt.word(end) == "degrees":
        end += 1
    elif not label:
        return None
    if prompt.word(end) in ("celsius", "fahrenheit", "of"):
        return None
    if prompt.word(end) in ("azimuth", "elevation") and not label:
        following = prompt.word(end + 1)
        if following not in ("of", ":", "=") and prompt.number(end + 1) is None:
            label, end = prompt.word(end), end + 1
    return _with_sense(prompt, at, end, value, label)


def _with_sense(
    prompt: Prompt, start: int, end: int, value: float, label: str
) -> Read[Direction] | None:
    """The angle in the sense of the words after it: "clockwise", "to the left", "up"."""
    limit = 90 if label == "elevation" else 360
    if abs(value) > limit:
        raise OptionError(
            f"{quoted(prompt.quote(start, end))} is not understood as a direction: angles are from "
            f"-{limit} to {limit} degrees."
        )
    if label == "elevation":
        return Read(Direction(height=value), end)
    signed = value < 0 or label != "" or prompt.quote(start, end).count("+") > 0
    sense, after = prompt.word(end), end + 1
    if sense in ("clockwise", "counterclockwise"):
        if value < 0:
            raise contradiction(prompt, start, after)
        return Read(Direction(azimuth=-value if sense == "clockwise" else value), after)
    if sense in ("up", "upward", "upwards", "high", "above", "down", "downward", "below"):
        horizon = phrases(
            ["the horizon", "horizon", "the horizontal", "ear level", *lexicon.LISTENER]
        )
        level = horizon.read(prompt, after)
        if not signed and abs(value) <= 90 and (level or ends(prompt, after)):
            raised = value if sense[0] in "uha" else -value
            return Read(Direction(height=raised), level.end if level else after)
        raise contradiction(prompt, start, after)
    if side := _sense_of_side(prompt, end):
        if signed and label == "":
            raise contradiction(prompt, start, side.end)
        if signed:
            return Read(Direction(azimuth=value), end)
        return Read(Direction(angle=value, side=side.value), side.end)
    return Read(Direction(azimuth=value) if signed else Direction(angle=value), end)


def _sense_of_side(prompt: Prompt, at: int) -> Read[int] | None:
    """The side after an angle: "to the left", "left of center", "off to my right"."""
    while prompt.word(at) in ("off", "over", "out"):
        at += 1
    bare = prompt.word(at) in ("left", "right", "leftward", "rightward")
    found = _read_side(prompt, at, 0 if bare else at, led=bare)
    if found is None or found.value != Direction(side=found.value.side):
        return None
    return Read(found.value.side, found.end)


def _read_hour(prompt: Prompt, at: int, start: int) -> Read[Direction] | None:
    """Such as "at 9 o'clock", "in the 2 o'clock direction", "at half past ten o'clock"."""
    here = at
    preposition = prompt.word(here) in lexicon.PREPOSITIONS
    here += preposition
    owner = _POSSESSIVES.read(prompt, here)
    here = owner.end if owner and preposition else here
    half = prompt.has(here, "half past")
    here = half or here
    hour, minutes = prompt.number(here), 30.0 if half else 0.0
    if hour is None and ":" in prompt.word(here) and len(prompt.word(here)) > 1:
        hours, _, rest = prompt.word(here).partition(":")
        hour, minutes = float(hours), float(rest)
    if hour is None or prompt.word(here + 1) != "o'clock":
        return None
    end = here + 2
    if not 1 <= hour <= 12 or hour % 1 or minutes not in (0, 30):
        raise OptionError(
            f"{quoted(prompt.quote(at, end))} is not understood as a direction: the clock has 1 to "
            "12 o'clock, and half hours."
        )
    said = prompt.word(end) in ("direction", "position")
    end += said
    if not (said or ends(prompt, end)) or not (preposition or said or is_start(prompt, start)):
        return None
    hour = hour % 12 + minutes / 60
    return Read(Direction(azimuth=-30.0 * hour), end)


def _read_compass(prompt: Prompt, at: int, start: int, led: bool) -> Read[Direction] | None:
    preposition = prompt.word(at) in lexicon.PREPOSITIONS
    here = at + preposition
    owner = _POSSESSIVES.read(prompt, here) if preposition else None
    here = owner.end if owner else here
    if NAMES.read(prompt, here):
        return None
    found = _COMPASS.read(prompt, here)
    if found is None:
        return None
    end = found.end + (prompt.word(found.end) in ("side", "direction"))
    if tail := _TAILS.read(prompt, end):
        end = tail.end
    elif not ends(prompt, end) or prompt.word(end) in ("by", "of"):
        return None
    if not (preposition or tail or prompt.word(at - 1) == "due" or _is_alone(prompt, start, end)):
        return None
    return Read(Direction(azimuth=found.value), end)
