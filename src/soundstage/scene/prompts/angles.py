"""Directions by angle, clock and compass: "at 30 degrees to the left", "9 o'clock", "due west".

An angle without a side counts counter-clockwise, as azimuths do (AES69); the clock and the compass
have 12 and north ahead of the listener.
"""

from soundstage.errors import OptionError, quoted
from soundstage.scene.prompts import lexicon
from soundstage.scene.prompts.direction import Direction
from soundstage.scene.prompts.phrases import (
    NAMES,
    POSSESSIVES,
    Phrases,
    Read,
    contradiction,
    ends,
    phrases,
)
from soundstage.scene.prompts.sides import RAISED_LEAD, TAILS, read_side
from soundstage.scene.prompts.tokens import Prompt

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


_LABELS = {"azimuth": "azimuth", "doa": "azimuth"} | dict.fromkeys(
    ("elevation", "raised", "elevated"), "elevation"
)


def read_angle(prompt: Prompt, at: int) -> Read[Direction] | None:
    """Such as "at 30 degrees to the left", "azimuth -30" and "20 degrees up".

    Raises:
        OptionError: the angle is out of its range, or its words contradict each other.
    """
    here = at + 1 if prompt.word(at) in ("at", "from", "to", "by", "around") else at
    here = prompt.has(here, "an", "angle", "of") or here
    label = _LABELS.get(prompt.word(here), "")
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
    off = prompt.has(end, "off", "center") or prompt.has(end, "off", "axis")
    if side := _sense_of_side(prompt, off or end):
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
    found = read_side(prompt, at, at, led=bare, bare=bare)
    if found is None or not found.value.side or found.value.depth:
        return None
    return Read(found.value.side, found.end)


def read_hour(prompt: Prompt, at: int, *, bare: bool) -> Read[Direction] | None:
    """Such as "at 9 o'clock", "in the 2 o'clock direction", "at half past ten o'clock"."""
    here = at
    preposition = prompt.word(here) in lexicon.PREPOSITIONS
    here += preposition
    owner = POSSESSIVES.read(prompt, here)
    here = owner.end if owner and preposition else here
    half = prompt.has(here, "half", "past")
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
    if not (said or ends(prompt, end)) or not (preposition or said or bare):
        return None
    azimuth = -30.0 * (hour % 12 + minutes / 60)
    raised = {"high": RAISED_LEAD, "low": -RAISED_LEAD}.get(prompt.word(end))
    return Read(Direction(azimuth=azimuth, height=raised), end + (raised is not None))


def read_compass(prompt: Prompt, at: int, *, bare: bool) -> Read[Direction] | None:
    """Such as "to the north-east", "due west" and "from the south"."""
    preposition = prompt.word(at) in lexicon.PREPOSITIONS
    here = at + preposition
    owner = POSSESSIVES.read(prompt, here) if preposition else None
    here = owner.end if owner else here
    if NAMES.read(prompt, here):
        return None
    found = _COMPASS.read(prompt, here)
    if found is None:
        return None
    end = found.end + (prompt.word(found.end) in ("side", "direction"))
    if tail := TAILS.read(prompt, end):
        end = tail.end
    elif not ends(prompt, end) or prompt.word(end) in ("by", "of"):
        return None
    if not (preposition or tail or prompt.word(at - 1) == "due" or bare):
        return None
    return Read(Direction(azimuth=found.value), end)
