"""Directions of one or more parts: "behind me, slightly to the left".

A part is a position or a side (`sides`), or an angle, an hour or a point of the compass (`angles`),
with the adverbs before it. Parts that follow each other, or are joined by a comma or "and", are one
direction as long as they go together.
"""

from collections.abc import Callable
from dataclasses import replace

from soundstage.scene.prompts import lexicon
from soundstage.scene.prompts.angles import read_angle, read_compass, read_hour
from soundstage.scene.prompts.direction import ContradictionError, Direction
from soundstage.scene.prompts.phrases import Phrases, Read, contradiction, is_start
from soundstage.scene.prompts.sides import (
    PREPOSITIONS,
    RAISED_LEAD,
    read_body,
    read_listener,
    read_side,
)
from soundstage.scene.prompts.tokens import COMMA, PUNCTUATION, Prompt

MAX_LEADS = 4  # adverbs before a part
_LEADS = Phrases(lexicon.LEADS)
_AFTER_RIGHT = frozenset(  # where "right" is no side
    {"behind", "next", "beside", "above", "below", "over", "overhead", "under", "underneath"}
    | {"beneath", "at", "by", "near", "ahead", "up", "close"}
)
_PLACES_OF_DISTANCE = Phrases(
    {
        **{
            words: lexicon.DISTANCES[words]
            for words in ("far", "far away", "near", "close", "nearby")
        },
        "the distance": lexicon.DISTANCES["in the distance"],
        "a distance": lexicon.DISTANCES["at a distance"],
        "afar": lexicon.DISTANCES["from afar"],
    }
)


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
        is_origin = prompt.word(begin) == "from" and prompt.word(at) != "from"
        if (
            following is None
            or is_origin
            or (begin > here and not _goes_on(prompt, begin, following.end))
        ):
            return found
        try:
            merged = Read(found.value.merged(following.value), following.end)
        except ContradictionError:
            if begin > here:
                return found
            raise contradiction(prompt, at, following.end) from None
        found = _checked(prompt, at, merged)
    return None


def read_endpoint(
    prompt: Prompt, at: int, joins: Callable[[Direction, Direction], bool] | None = None
) -> Read[Direction] | None:
    """An end of a path: "left", "behind me", "far away", "the front right".

    Args:
        prompt: the prompt.
        at: an index of its tokens.
        joins: whether a direction goes with the next one; None joins every two.

    Raises:
        OptionError: its parts contradict each other.
    """
    found = read_part(prompt, at, bare=True)
    place = _PLACES_OF_DISTANCE.read(prompt, at)
    if found is None or (place and place.end > found.end):
        return place and Read(Direction(distance=place.value), place.end)
    following = read_part(prompt, found.end)
    while following is not None and prompt.word(found.end) not in ("to", "toward", "into", "from"):
        if not (joins is None or joins(found.value, following.value)):
            break
        try:
            found = Read(found.value.merged(following.value), following.end)
        except ContradictionError:
            raise contradiction(prompt, at, following.end) from None
        following = read_part(prompt, found.end)
    return found


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


def read_part(prompt: Prompt, at: int, *, bare: bool = False) -> Read[Direction] | None:
    """One part of a direction, with the adverbs before it: "slightly to the left".

    Args:
        prompt: the prompt.
        at: an index of its tokens.
        bare: whether "left" alone is a direction, as it is after "from".

    Raises:
        OptionError: an angle or an hour is out of its range.
    """
    end, effects = at, list[tuple[str, str]]()
    found = [_part_after(prompt, at, end, effects, bare)]
    phrasal = prompt.word(at) in ("up", "down") and prompt.word(at - 1) in lexicon.PHRASAL
    while not phrasal and (lead := _LEADS.read(prompt, end)) and len(effects) < MAX_LEADS:
        is_goal = bare and prompt.word(at - 1) in ("to", "toward", "and")
        if prompt.word(end) == "right" and (is_goal or not _is_adverb(prompt, lead.end)):
            break
        effects.append((prompt.word(end), lead.value))
        end = lead.end
        found.append(_part_after(prompt, at, end, effects, bare))
    return max((each for each in found if each), key=lambda each: each.end, default=None)


def _is_adverb(prompt: Prompt, after: int) -> bool:
    """Whether "right" before an index is no side: "right behind me"."""
    in_front = prompt.word(after) == "in" and prompt.word(after + 1) in ("front", "back")
    return in_front or prompt.word(after) in _AFTER_RIGHT


def _part_after(
    prompt: Prompt, at: int, end: int, effects: list[tuple[str, str]], bare: bool
) -> Read[Direction] | None:
    led = bool(effects) or bare
    if effects and effects[-1][0] in lexicon.LEADS_BEFORE_PREPOSITIONS:
        after = prompt.word(end)
        if PREPOSITIONS.read(prompt, end) is None and after not in ("behind", "above", "below"):
            return None
    body = read_body(prompt, end)
    readers = (
        (body,)
        if body
        else (
            read_listener(prompt, end),
            read_side(prompt, end, at, led=led, bare=bare),
            read_angle(prompt, end),
            read_hour(prompt, end, bare=bare or is_start(prompt, at)),
            read_compass(prompt, end, bare=bare or is_start(prompt, at)),
        )
    )
    found = max((each for each in readers if each), key=lambda each: each.end, default=None)
    if found is None:
        return None
    direction = found.value
    if any(word in ("hard", "all", "far", "completely") for word, _ in effects):
        direction = replace(direction, slight_side=False)
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
