"""Directions from the listener's position and sides: "behind me", "on the left", "front right".

A side is a direction only where no noun follows it, so "the right whale" and "at the front door"
are sounds and their wording; a preposition such as "behind" is one only with the listener or
nothing after it, so "behind a fence" is wording as well.
"""

from dataclasses import replace

from soundstage.errors import OptionError, quoted
from soundstage.scene.prompts import lexicon
from soundstage.scene.prompts.direction import Direction
from soundstage.scene.prompts.phrases import (
    LISTENER,
    NAMES,
    POSSESSIVES,
    Phrases,
    Read,
    ends,
    is_start,
    phrases,
)
from soundstage.scene.prompts.tokens import PUNCTUATION, Prompt

RAISED_LEAD = 30.0  # degrees of elevation of "high on the left"
AT_FEET = (-60.0, 1.7)  # elevation in degrees and distance in meters of a standing listener's feet
AT_EAR = 0.2  # m
AT_SIDE = 0.5  # m
PREPOSITIONS = phrases(
    [*lexicon.PREPOSITIONS, "near", "beside", "next to", "close to", "along", "past"]
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
_EMPHASIS = frozenset({"extreme", "immediate", "direct"})
TAILS = phrases(
    [f"of {listener}" for listener in lexicon.LISTENER]
    + [f"of {the}{space}" for the in ("the ", "my ") for space in lexicon.SPACES]
    + ["of center", "of the center", "of straight ahead", "of front", "of my head", "from center"]
    + ["from straight ahead", "off center", "from the center", "of midline", "of the sound field"]
    + ["from me", "of where i am", "of where i stand", "of the stereo image"]
)


def read_body(prompt: Prompt, at: int) -> Read[Direction] | None:
    """Such as "at my feet" and "over my left shoulder"."""
    return _BODY_PHRASES.read(prompt, at)


def read_listener(prompt: Prompt, at: int) -> Read[Direction] | None:
    """Such as "behind me", "in front", "overhead" and "from below"."""
    if prompt.word(at) in ("from", "to", "toward"):
        at += 1
        if body := _BODY_PHRASES.read(prompt, at):
            return body
    found = _WITH_LISTENER.read(prompt, at)
    if found and (listener := LISTENER.read(prompt, found.end)):
        return Read(found.value, listener.end)
    found = _HANGING.read(prompt, at)
    if found and ends(prompt, found.end) and prompt.word(found.end) not in lexicon.DETERMINERS:
        return found
    if (found := _ADVERBS.read(prompt, at)) and prompt.word(found.end) != "of":
        return found
    return None


def read_side(
    prompt: Prompt, at: int, start: int, *, led: bool, bare: bool = False
) -> Read[Direction] | None:
    """Such as "on the left", "to my far right side", "front left" and "left of me"."""
    preposition = PREPOSITIONS.read(prompt, at)
    is_short = preposition and preposition.value in ("near", "past", "along")
    if is_short and not POSSESSIVES.read(prompt, at + 1):
        preposition = None  # "near left" is a distance and a side
    here = preposition.end if preposition else at
    if preposition or prompt.word(here) == "the":
        owner = POSSESSIVES.read(prompt, here)
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
        elif word in ("far", "near") and not count and direction.distance is None:
            direction = replace(direction, distance=lexicon.DISTANCES[word])
        elif word in _EMPHASIS and not count and prompt.word(here - 1) not in _EMPHASIS:
            pass
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
    elif preposition and preposition.value in ("beside", "next to"):
        direction = replace(direction, distance=AT_SIDE)
    tail = TAILS.read(prompt, here)
    if tail:
        slight = "center" in tail.value and direction == Direction(side=direction.side)
        direction = replace(direction, slight_side=slight)
        here = tail.end
    elif prompt.word(here) == "of" and prompt.has(at, "in", "front"):
        return None  # "in front of a house"
    elif prompt.word(here) == "of" and preposition:
        raise OptionError(
            f"{quoted(prompt.quote(at, here + 3))} is not understood as a direction: directions "
            'are from the listener, as in "to the left of me".'
        )
    two = prompt.word(here) == "and" and prompt.word(here + 1) in lexicon.SIDES
    if direction.side and two and not bare:
        return None  # two sides at once, which the guard names
    if not (preposition or bare or tail):
        after_unit = prompt.word(start - 1) in lexicon.METERS  # "3 m left"
        free = led or after_unit or is_start(prompt, start)
        if not (count > 1 or free or direction.distance):
            return None
        if count == 1 and not direction.side and not _is_alone(prompt, start, here):
            return None
    if tail or ends(prompt, here):
        return Read(direction, here)
    is_verb = prompt.word(here).endswith(("s", "ing"))  # "the dog on the left barks"
    is_noun = prompt.word(here + 1) in lexicon.DETERMINERS  # "on the right chair a man"
    free = bool(preposition and direction.side) and (is_verb or is_start(prompt, start))
    return Read(direction, here) if free and not is_noun else None


def _is_side_noun(prompt: Prompt, at: int) -> bool:
    """Whether "left hand" is a side and not a hand: "on the left hand side", "on my left hand"."""
    if prompt.word(at + 1) != "hand":
        return False
    return prompt.word(at + 2) == "side" or prompt.word(at - 1) in ("my", "your")


def _is_alone(prompt: Prompt, start: int, end: int) -> bool:
    after = prompt.word(end)
    return is_start(prompt, start) and (not after or after in PUNCTUATION)
