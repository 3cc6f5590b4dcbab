"""Prompts of DualSpec: "EVENT: dog & LOCATION: DOA 90" (§V-C, Fig. 4).

The location is one of three kinds, DOA, clock or general description; `scene.prompts.template` has
their words. A prompt without a location is that of a model without a direction, or the condition
that guidance towards the direction starts from.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from soundstage.corpora.spatial_events import AZIMUTHS
from soundstage.scene.prompts.template import template_prompt
from soundstage.scene.sources.event_names import spoken

Location = Literal["doa", "clock", "general"]
LOCATIONS: tuple[Location, ...] = ("doa", "clock", "general")


def prompt_for(label: str, azimuth: float | None = None, location: Location = "doa") -> str:
    """The prompt of a class at an azimuth.

    Args:
        label: of the class.
        azimuth: one of `AZIMUTHS`, in degrees counter-clockwise from ahead; None for no location.
        location: kind of its description.

    >>> prompt_for("dog")
    'EVENT: dog'
    """
    if azimuth is None:
        return f"EVENT: {spoken(label)}"
    return template_prompt(spoken(label), azimuth, location)


def all_prompts(labels: Sequence[str], *, directions: bool = True) -> Iterator[str]:
    """Every prompt of a training, the empty one included."""
    yield ""
    for label in labels:
        yield prompt_for(label)
        if directions:
            for azimuth in AZIMUTHS:
                yield from (prompt_for(label, azimuth, location) for location in LOCATIONS)


def without_location(prompt: str) -> str:
    """The part of a prompt that names the event.

    >>> without_location("EVENT: dog & LOCATION: DOA 90")
    'EVENT: dog'
    """
    return prompt.split(" & LOCATION:")[0]
