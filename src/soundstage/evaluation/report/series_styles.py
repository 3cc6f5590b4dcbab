"""Colors (Okabe and Ito) and markers of the systems.

Eight colors and nine markers are coprime and give 72 different combinations; nine systems differ by
the marker alone, for print and color-blind readers. The colors are in `style.css`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

COLORS = 8
MARKERS = (  # paths within ±5 units
    "M0-4.2A4.2 4.2 0 1 1 0 4.2A4.2 4.2 0 1 1 0-4.2Z",
    "M-3.8-3.8H3.8V3.8H-3.8Z",
    "M0-4.8L4.8 3.8H-4.8Z",
    "M0-5L5 0L0 5L-5 0Z",
    "M0 4.8L4.8-3.8H-4.8Z",
    "M-1.6-4.8H1.6V-1.6H4.8V1.6H1.6V4.8H-1.6V1.6H-4.8V-1.6H-1.6Z",
    "M0-5L1.3-1.7L4.8-1.5L2.1.7L3 4.1L0 2.2L-3 4.1L-2.1.7L-4.8-1.5L-1.3-1.7Z",
    "M-5-2.4L-2.4-5L0-2.2L2.4-5L5-2.4L2.2 0L5 2.4L2.4 5L0 2.2L-2.4 5L-5 2.4L-2.2 0Z",
    "M-4.8 0L-2.4-4.2H2.4L4.8 0L2.4 4.2H-2.4Z",
)


@dataclass(frozen=True)
class SeriesStyle:
    """Color and marker of a system."""

    name: str
    color: int
    """Index, below `COLORS`."""
    marker: int
    """Index into `MARKERS`."""


def styles_of(systems: Sequence[str]) -> dict[str, SeriesStyle]:
    """The styles of all systems, in their order."""
    return {name: SeriesStyle(name, i % COLORS, i % len(MARKERS)) for i, name in enumerate(systems)}
