"""Distributions over clips: for every column a chart with a box and all clips of every system.

Geometry only, in units of the drawing; the template draws it. Boxes span the quartiles, whiskers
reach the farthest clip within 1.5 times the box, after Tukey.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from soundstage.evaluation.report.formatting import printed_tick, ticks
from soundstage.evaluation.report.series_styles import Look
from soundstage.evaluation.report.tables import HrtfSet, clip_columns, head_of
from soundstage.evaluation.results import TRUTH, Results
from soundstage.metrics.catalog import Column

WIDTH = 360.0  # units of the drawing, about a pixel each
PITCH, TOP, BOTTOM, MARGIN = 28.0, 6.0, 40.0, 14.0
GUTTER = (70.0, 146.0)  # narrowest and widest space for the names at the left
LETTER = 6.7  # units of a name's letter
DOTS, JITTER = -6.0, 4.0  # units from a row's middle to that of its dots, and these about it
GOLDEN = 0.6180339887  # its multiples, less their whole part, spread evenly in any number


@dataclass(frozen=True)
class Box:
    """Positions along the axis."""

    low: float
    first: float
    median: float
    third: float
    high: float


@dataclass(frozen=True)
class Strip:
    """The clips of one system."""

    look: Look
    label: str
    """The name, cut to fit."""
    y: float
    dots: str
    """Path with a point for every clip."""
    box: Box | None
    """None without clips."""
    says: str
    """In words, for who cannot see it."""


@dataclass(frozen=True)
class Chart:
    """The distributions of one column."""

    head: HrtfSet
    strips: list[Strip]
    left: float
    right: float
    bottom: float
    """Where the axis is."""
    height: float
    ticks: list[tuple[float, str]]
    missing: int
    """Scores that are no finite number and have no place on the axis."""


def charts(results: Results, looks: Mapping[str, Look]) -> list[Chart]:
    """A chart for every column whose clips have scores."""
    drawn = [_chart(column, results, looks) for column in clip_columns(results)]
    return [chart for chart in drawn if chart is not None]


def _chart(column: Column, results: Results, looks: Mapping[str, Look]) -> Chart | None:
    systems = _systems(column, results)
    scores = {system: np.asarray(results.scores[system, column.key]) for system in systems}
    finite = {system: values[np.isfinite(values)] for system, values in scores.items()}
    held = np.concatenate([*finite.values(), np.zeros(0)])
    if not held.size:
        return None
    low, high = _range(held)
    left = min(max(24 + LETTER * max(map(len, systems)), GUTTER[0]), GUTTER[1])
    right = WIDTH - MARGIN
    letters = int((left - 24) / LETTER)

    def place(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        return left + 6 + (values - low) / (high - low) * (right - left - 12)

    strips = []
    for row, system in enumerate(systems):
        y = TOP + PITCH * (row + 0.5)
        label = system if len(system) <= letters else system[: letters - 1] + "…"
        strips.append(_strip(looks[system], label, y, finite[system], place(finite[system])))
    bottom = TOP + PITCH * len(systems)
    named = ticks(low, high)
    return Chart(
        head=head_of(column, results),
        strips=strips,
        left=left,
        right=right,
        bottom=bottom,
        height=bottom + BOTTOM,
        ticks=list(zip(place(np.array(named)).tolist(), map(printed_tick, named), strict=True)),
        missing=sum(len(scores[system]) - len(finite[system]) for system in systems),
    )


def _systems(column: Column, results: Results) -> list[str]:
    """Those with scores; not the truth where it could only be compared with itself."""
    trivial = column.metric.needs != "nothing" and column.metric.better != "truth"
    return [
        system
        for system in results.systems
        if (system, column.key) in results.scores and not (system == TRUTH and trivial)
    ]


def _range(values: Float[np.ndarray, " n"]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    least = max(abs(low), abs(high), 1e-6) * 1e-3  # a range of nothing has no axis
    if high - low < least:
        return low - least, high + least
    return low, high


def _strip(
    look: Look,
    label: str,
    y: float,
    values: Float[np.ndarray, " clips"],
    places: Float[np.ndarray, " clips"],
) -> Strip:
    if not values.size:
        return Strip(look, label, y, "", None, f"{look.name}: no values")
    shifts = ((np.arange(len(places)) * GOLDEN) % 1 - 0.5) * 2 * JITTER
    dots = "".join(
        f"M{x:.1f} {y + DOTS + shift:.1f}h0" for x, shift in zip(places, shifts, strict=True)
    )
    first, median, third = np.quantile(places, (0.25, 0.5, 0.75)).tolist()
    reach = 1.5 * (third - first)
    within = places[(places >= first - reach) & (places <= third + reach)]
    box = Box(float(within.min()), first, median, third, float(within.max()))
    return Strip(look, label, y, dots, box, f"{look.name}: {_in_words(values)}")


def _in_words(values: Sequence[float] | Float[np.ndarray, " clips"]) -> str:
    low, median, high = (printed_tick(float(f(values))) for f in (np.min, np.median, np.max))
    count = len(values)
    return f"median {median}, from {low} to {high}, {count} clip{'s' if count != 1 else ''}"
