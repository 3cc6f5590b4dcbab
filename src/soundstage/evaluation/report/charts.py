"""Distributions over clips: one chart per column, with a box plot and all clips of every system.

Only the geometry, in SVG units; the template draws it. Boxes span the quartiles; whiskers extend to
the farthest clip within 1.5 times the box (Tukey).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from soundstage.evaluation.report.formatting import printed_tick, ticks
from soundstage.evaluation.report.score_tables import ColumnHeader, clip_columns, header_of
from soundstage.evaluation.report.series_styles import SeriesStyle
from soundstage.evaluation.results import TRUTH, Results
from soundstage.metrics.catalog import Column

WIDTH = 360.0  # SVG units, about one pixel each
PITCH, TOP, BOTTOM, MARGIN = 28.0, 6.0, 40.0, 14.0
GUTTER = (70.0, 146.0)  # minimum and maximum width of the names at the left
LETTER = 6.7  # width of a letter
DOTS, JITTER = -6.0, 4.0  # offset of the dots from the middle of a row, and their jitter
GOLDEN_RATIO = 0.6180339887  # its multiples modulo 1 are evenly spread


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

    style: SeriesStyle
    label: str
    """The name, shortened to fit."""
    y: float
    dots: str
    """SVG path with a point per clip."""
    box: Box | None
    """None without clips."""
    description: str
    """In words, for screen readers."""


@dataclass(frozen=True)
class Chart:
    """The distributions of one column."""

    header: ColumnHeader
    strips: list[Strip]
    left: float
    right: float
    bottom: float
    """Position of the axis."""
    height: float
    ticks: list[tuple[float, str]]
    missing: int
    """Number of scores that are not finite, and so not shown."""


def charts(results: Results, styles: Mapping[str, SeriesStyle]) -> list[Chart]:
    """One chart per column with scores of clips."""
    drawn = [_chart(column, results, styles) for column in clip_columns(results)]
    return [chart for chart in drawn if chart is not None]


def _chart(column: Column, results: Results, styles: Mapping[str, SeriesStyle]) -> Chart | None:
    systems = _systems(column, results)
    scores = {system: np.asarray(results.scores[system, column.key]) for system in systems}
    finite = {system: values[np.isfinite(values)] for system, values in scores.items()}
    every = np.concatenate([*finite.values(), np.zeros(0)])
    if not every.size:
        return None
    low, high = _range(every)
    left = min(max(24 + LETTER * max(map(len, systems)), GUTTER[0]), GUTTER[1])
    right = WIDTH - MARGIN
    letters = int((left - 24) / LETTER)

    def place(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        return left + 6 + (values - low) / (high - low) * (right - left - 12)

    strips = []
    for row, system in enumerate(systems):
        y = TOP + PITCH * (row + 0.5)
        label = system if len(system) <= letters else system[: letters - 1] + "…"
        strips.append(_strip(styles[system], label, y, finite[system], place(finite[system])))
    bottom = TOP + PITCH * len(systems)
    named = ticks(low, high)
    return Chart(
        header=header_of(column, results),
        strips=strips,
        left=left,
        right=right,
        bottom=bottom,
        height=bottom + BOTTOM,
        ticks=list(zip(place(np.array(named)).tolist(), map(printed_tick, named), strict=True)),
        missing=sum(len(scores[system]) - len(finite[system]) for system in systems),
    )


def _systems(column: Column, results: Results) -> list[str]:
    """Systems with scores; without the truth if it would be compared with itself."""
    trivial = column.metric.needs != "nothing" and column.metric.better != "truth"
    return [
        system
        for system in results.systems
        if (system, column.key) in results.scores and not (system == TRUTH and trivial)
    ]


def _range(values: Float[np.ndarray, " n"]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    least = max(abs(low), abs(high), 1e-6) * 1e-3  # an axis needs some range
    if high - low < least:
        return low - least, high + least
    return low, high


def _strip(
    style: SeriesStyle,
    label: str,
    y: float,
    values: Float[np.ndarray, " clips"],
    places: Float[np.ndarray, " clips"],
) -> Strip:
    if not values.size:
        return Strip(style, label, y, "", None, f"{style.name}: no values")
    shifts = ((np.arange(len(places)) * GOLDEN_RATIO) % 1 - 0.5) * 2 * JITTER
    dots = "".join(
        f"M{x:.1f} {y + DOTS + shift:.1f}h0" for x, shift in zip(places, shifts, strict=True)
    )
    first, median, third = np.quantile(places, (0.25, 0.5, 0.75)).tolist()
    whisker = 1.5 * (third - first)
    within = places[(places >= first - whisker) & (places <= third + whisker)]
    box = Box(float(within.min()), first, median, third, float(within.max()))
    return Strip(style, label, y, dots, box, f"{style.name}: {_in_words(values)}")


def _in_words(values: Sequence[float] | Float[np.ndarray, " clips"]) -> str:
    low, median, high = (printed_tick(float(f(values))) for f in (np.min, np.median, np.max))
    count = len(values)
    return f"median {median}, from {low} to {high}, {count} clip{'s' if count != 1 else ''}"
