"""The prompts of Zhao et al. (2025, Fig. 4): `EVENT: Organ & LOCATION: 12 o' clock direction`.

A location has one of three forms:

    doa        DOA 180
    clock      12 o' clock direction
    general    Right rear, slightly toward the back

The paper does not state the sense of its DOA; here it is counter-clockwise, as the azimuths of SOFA
(AES69) and of this package, so DOA 90 is on the left.
"""

import re
from typing import Literal, get_args

from soundstage.errors import OptionError, quoted
from soundstage.scene.description import SceneDescription, SceneEvent, Understood
from soundstage.scene.prompts.direction import (
    ContradictionError,
    azimuth_words,
    clock_words,
    direction_words,
    wrapped,
)
from soundstage.scene.prompts.directions import read_direction
from soundstage.scene.prompts.phrases import contradiction
from soundstage.scene.prompts.tokens import tokenize

Kind = Literal["doa", "clock", "general"]
KINDS: tuple[Kind, ...] = get_args(Kind)
STEP = 30  # degrees between the azimuths of the clock and of the general descriptions
_GENERAL = {
    0: "Directly in front",
    30: "{Side} front, slightly toward the front",
    60: "{Side} front, slightly toward the {side}",
    90: "Directly {side}",
    120: "{Side} rear, slightly toward the {side}",
    150: "{Side} rear, slightly toward the back",
    180: "Directly behind",
}
_TEMPLATE = re.compile(
    r"\s*EVENT\s*:\s*(?P<event>.*?)\s*(?:&|\band\b|,|;|\n)?\s*LOCATION\s*:\s*(?P<location>.*?)\s*",
    re.IGNORECASE | re.DOTALL,
)


def template_prompt(event: str, azimuth: float, kind: Kind) -> str:
    """The prompt of an event at an azimuth.

    >>> template_prompt("Walk and footsteps", 210, "general")
    'EVENT: Walk and footsteps & LOCATION: Right rear, slightly toward the back'
    >>> template_prompt("Organ", 0, "clock")
    "EVENT: Organ & LOCATION: 12 o' clock direction"

    Args:
        event: such as a class label.
        azimuth: in degrees counter-clockwise from ahead; a multiple of 30 but for "doa".
        kind: of the location.

    Raises:
        OptionError: the kind is unknown, or it has no words for the azimuth.
    """
    return f"EVENT: {event} & LOCATION: {location_words(azimuth, kind)}"


def location_words(azimuth: float, kind: Kind) -> str:
    """The location of `template_prompt`.

    Raises:
        OptionError: the kind is unknown, or it has no words for the azimuth.
    """
    if kind not in KINDS:
        raise OptionError(f"kind must be one of {', '.join(KINDS)}, not {quoted(kind)}.")
    if kind == "doa":
        return f"DOA {azimuth % 360:g}"
    if azimuth % STEP:
        raise OptionError(f"azimuth must be a multiple of {STEP} for {kind}, not {azimuth:g}.")
    if kind == "clock":
        return f"{round(-azimuth % 360) // STEP or 12} o' clock direction"
    away = round(wrapped(azimuth))
    side = "left" if away > 0 else "right"
    return _GENERAL[abs(away)].format(side=side, Side=side.title())


def parse_template(text: str) -> SceneDescription | None:
    """The description of a prompt in the form of the template; None for one in another form.

    Raises:
        OptionError: its event is empty, or its location is not understood.
    """
    match = _TEMPLATE.fullmatch(text)
    if match is None:
        return None
    words, prompt = match["location"], tokenize(match["location"])
    found = read_direction(prompt, 0)
    end = len(prompt.tokens)
    while end and prompt.word(end - 1) in (";", ","):
        end -= 1
    if found is None or found.end < end:
        rest = prompt.quote(found.end if found else 0, end)
        raise OptionError(
            f"{quoted(rest)} is not understood as a direction: LOCATION is such as 'DOA 90', "
            "\"9 o' clock direction\" or 'Left front, slightly toward the left'."
        )
    try:
        azimuth = found.value.to_azimuth()
    except ContradictionError:
        raise contradiction(prompt, 0, end) from None
    if azimuth is None:
        raise OptionError(f"{quoted(words)} states no azimuth: add one, such as 'DOA 90'.")
    elevation = found.value.to_elevation()
    meaning = direction_words(azimuth, elevation)
    if found.value.angle is not None or words.lower().startswith("doa"):
        meaning += counted(azimuth)
    event = SceneEvent(
        match["event"] or " ", azimuth, elevation=elevation, distance=found.value.distance
    )
    return SceneDescription((event,), text=text, understood=(Understood(words, meaning),))


def counted(azimuth: float) -> str:
    """The other reading of an angle without a side, for the user; "" where both are the same."""
    other = wrapped(-azimuth)
    if other == wrapped(azimuth):
        return ""
    where = ", ".join(filter(None, [azimuth_words(other), clock_words(other)]))
    return f"; counted counter-clockwise: clockwise would be {where}"
