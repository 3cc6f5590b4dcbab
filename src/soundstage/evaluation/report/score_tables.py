"""Tables of the report, as rows and cells for the templates.

A table of the headline measures comes first; then the columns are grouped into families, one table
each. The best system of a column that turns mono into stereo is marked, together with all such
systems that print the same value.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from soundstage.evaluation.report.formatting import printed, printed_p
from soundstage.evaluation.report.series_styles import SeriesStyle
from soundstage.evaluation.results import CONTROLS, TRUTH, Comparison, Estimate, Results
from soundstage.metrics.catalog import HEADLINE, Column

FAMILIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "image",
        "Stereo parameters and image",
        (
            "d_f",
            "d_f_",
            "e_min",
            "iid_fluctuation",
            "width",
            "correlation",
            "phase_correlation",
            "side_balance_error",
        ),
    ),
    ("spectra", "Spectra and waveform", ("lsd", "si_snr", "mrstft")),
    ("fad", "Fréchet audio distances", ("fad_",)),
    (
        "artifacts",
        "Artifacts, placement, level and fold-down",
        (
            "artifact",
            "placement_",
            "torn",
            "lead_center",
            "loudness",
            "true_peak",
            "fold_down",
        ),
    ),
    ("other", "Speed and other measures", ("",)),
)
"""Anchor, heading, and names of metrics; one that is empty or ends with "_" is a prefix."""


@dataclass(frozen=True)
class ColumnHeader:
    """Header of a column."""

    column: Column
    arrow: str
    """Better direction; "" if undefined."""
    direction: str
    """Better direction in words."""


@dataclass(frozen=True)
class Cell:
    """A value in a table."""

    text: str
    interval: str = ""
    rank: str = ""
    """Sort key, smaller is better; "" without a value."""
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A system and its values."""

    style: SeriesStyle
    cells: list[Cell]


@dataclass(frozen=True)
class Table:
    """A table of systems by columns."""

    anchor: str
    title: str
    headers: list[ColumnHeader]
    rows: list[Row]


@dataclass(frozen=True)
class Verdict:
    """A cell of a comparison matrix: the system of the row against that of the column."""

    sign: str
    word: str
    p: str


@dataclass(frozen=True)
class Matrix:
    """All pairs of systems in one column."""

    header: ColumnHeader
    clips: str
    """Number of compared clips, such as "33 clips"."""
    styles: list[SeriesStyle]
    rows: list[tuple[SeriesStyle, list[Verdict | None]]]
    """None for pairs without comparison."""


def main_tables(results: Results, styles: Mapping[str, SeriesStyle]) -> list[Table]:
    """The headline table, and one table per family with columns."""
    headline = [column for name in HEADLINE for column in results.columns if column.key == name]
    return [
        Table(anchor, title, _headers(columns, results), _summary_rows(columns, results, styles))
        for anchor, title, columns in [
            ("headline", "At a glance", headline),
            *families(results.columns),
        ]
        if columns
    ]


def families(columns: Sequence[Column]) -> list[tuple[str, str, list[Column]]]:
    """Anchor, heading and columns of every family; a column is in the first that matches."""
    remaining = list(columns)
    found = []
    for anchor, title, names in FAMILIES:
        taken = [c for c in remaining if any(_named(c.metric.name, name) for name in names)]
        remaining = [c for c in remaining if c not in taken]
        found.append((anchor, title, taken))
    return found


def _named(metric: str, name: str) -> bool:
    return metric.startswith(name) if name.endswith("_") or not name else metric == name


def clip_table(results: Results, clip: int, styles: Mapping[str, SeriesStyle]) -> Table:
    """All scores of one clip, by its index."""
    columns = clip_columns(results)

    def value(system: str, column: Column) -> float:
        scores = results.scores.get((system, column.key))
        return math.nan if scores is None else float(scores[clip])

    rows = []
    for system in results.systems:
        cells = []
        for column in columns:
            truth = value(TRUTH, column)
            number = value(system, column)
            text = printed(number, column.metric.digits)
            cells.append(Cell(text, rank=_rank(number, column, truth)))
        rows.append(Row(styles[system], cells))
    return Table(f"scores-{clip}", results.clips[clip], _headers(columns, results), rows)


def clip_columns(results: Results) -> list[Column]:
    """Columns with scores per clip."""
    return [column for column in results.columns if column.metric.over == "clip"]


def header_of(column: Column, results: Results) -> ColumnHeader:
    """The header of a column."""
    if column.metric.better == "lower":
        return ColumnHeader(column, "↓", "lower is better")
    if column.metric.better == "higher":
        return ColumnHeader(column, "↑", "higher is better")
    if column.metric.better == "neither":
        return ColumnHeader(column, "", "no value is better than another")
    if TRUTH in results.systems:
        return ColumnHeader(column, "→ true", f"closer to the value of “{TRUTH}” is better")
    return ColumnHeader(column, "", "the better direction is unknown without true stereo")


def matrices(results: Results, styles: Mapping[str, SeriesStyle]) -> list[Matrix]:
    """The comparison matrices of all compared columns."""
    by_column: dict[str, list[Comparison]] = {}
    for comparison in results.comparisons:
        by_column.setdefault(comparison.column, []).append(comparison)
    return [
        _matrix(header_of(column, results), by_column[column.key], results.systems, styles)
        for column in results.columns
        if column.key in by_column
    ]


def _matrix(
    header: ColumnHeader,
    pairs: Sequence[Comparison],
    systems: Sequence[str],
    styles: Mapping[str, SeriesStyle],
) -> Matrix:
    known = {(pair.first, pair.second): pair for pair in pairs}
    known |= {(pair.second, pair.first): pair for pair in pairs}
    named = {pair.first for pair in pairs} | {pair.second for pair in pairs}
    shown = [system for system in systems if system in named]
    fewest, most = min(pair.clips for pair in pairs), max(pair.clips for pair in pairs)
    rows = [
        (styles[row], [_verdict(known.get((row, other)), row) for other in shown]) for row in shown
    ]
    clips = f"{most} clips" if fewest == most else f"{fewest} to {most} clips"
    return Matrix(header, clips, [styles[system] for system in shown], rows)


def _verdict(pair: Comparison | None, row: str) -> Verdict | None:
    if pair is None:
        return None
    if not pair.better:
        return Verdict("=", "no difference", printed_p(pair.p))
    if pair.better == row:
        return Verdict("▲", "better", printed_p(pair.p))
    return Verdict("▽", "worse", printed_p(pair.p))


def _headers(columns: Sequence[Column], results: Results) -> list[ColumnHeader]:
    return [header_of(column, results) for column in columns]


def _summary_rows(
    columns: Sequence[Column], results: Results, styles: Mapping[str, SeriesStyle]
) -> list[Row]:
    cells = [_cells(column, results) for column in columns]
    return [Row(styles[system], [cell(system) for cell in cells]) for system in results.systems]


def _cells(column: Column, results: Results) -> Callable[[str], Cell]:
    """A function from a system to its cell in this column."""
    digits = column.metric.digits
    best = results.best(column)
    best_text = printed(results.summaries[best, column.key].value, digits) if best else ""
    nothing = Estimate(math.nan)
    truth = results.summaries.get((TRUTH, column.key), nothing).value

    def cell(system: str) -> Cell:
        estimate = results.summaries.get((system, column.key), nothing)
        text = printed(estimate.value, digits)
        return Cell(
            text,
            _interval(estimate, digits),
            _rank(estimate.value, column, truth),
            best=bool(best) and system not in CONTROLS and text == best_text,
        )

    return cell


def _interval(estimate: Estimate, digits: int) -> str:
    if math.isnan(estimate.low) or math.isnan(estimate.high) or math.isnan(estimate.value):
        return ""
    return f"{printed(estimate.low, digits)} to {printed(estimate.high, digits)}"


def _rank(value: float, column: Column, truth: float) -> str:
    if math.isnan(value):
        return ""
    if column.metric.better == "higher":
        return repr(-value)
    if column.metric.better == "truth" and not math.isnan(truth) and math.isfinite(value):
        return repr(abs(value - truth))
    return repr(value)
