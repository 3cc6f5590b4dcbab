"""A recording in a library: the record that the library shares with its index of a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LOUDEST = ""
"""In place of a class: the loudest places of a file."""


@dataclass(frozen=True)
class Recording:
    """A sound file of a library."""

    path: Path
    labels: Mapping[str, float]
    """From its names, tags and classes, with weights up to 1."""
    title: str
    credit: dict[str, str]
    loopable: bool
    seconds: float
    places: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Of a long file: in s, the best first, where a class is most likely; see `LOUDEST`."""
