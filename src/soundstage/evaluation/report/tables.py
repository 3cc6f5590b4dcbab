"""The numbers of a report in rows and cells, ready for the templates.

A column is of one family of questions, and every family has a table. The best system of a column
is marked, and with it those that no digit printed tells from it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from soundstage.evaluation.report.formatting import printed, printed_p
from soundstage.evaluation.report.series_styles import Look
from soundstage.evaluation.results import TRUTH, Comparison, Estimate, Results
from soundstage.metrics.catalog import Column

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
    ("listening", "Distances in listening networks", ("fad_",)),
    (
        "artifacts",
        "Artifacts, placement, level and fold-down",
        ("artifact", "placement_", "loudness", "true_peak", "fold_down"),
    ),
    ("other", "Speed and other measures", ("",)),
)
"""Anchor, heading, and names of metrics; one that ends in "_", or is empty, is a beginning."""


@dataclass(frozen=True)
class HrtfSet:
    """The head of a column."""

    column: Column
    arrow: str
    """Where the good end lies; "" where nobody can say."""
    direction: str
    """The same in words."""


@dataclass(frozen=True)
class Cell:
    """A number in a table."""

    text: str
    interval: str = ""
    rank: str = ""
    """What sorts it, the smaller the better; "" for no number."""
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A system and its numbers."""

    look: Look
    cells: list[Cell]


@dataclass(frozen=True)
class Table:
    """A table of systems by columns."""

    anchor: str
    title: str
    heads: list[HrtfSet]
    rows: list[Row]


@dataclass(frozen=True)
class Verdict:
    """A cell of a matrix of comparisons: the system of the row beside that of the column."""

    sign: str
    word: str
    p: str


@dataclass(frozen=True)
class Matrix:
    """All pairs of systems in one column."""

    head: HrtfSet
    clips: str
    """How many were compared, such as "33 clips"."""
    looks: list[Look]
    rows: list[tuple[Look, list[Verdict | None]]]
    """None for a pair that was not compared."""


def main_tables(results: Results, looks: Mapping[str, Look]) -> list[Table]:
    """A table for every family of columns that the results have."""
    return [
        Table(anchor, title, _heads(columns, results), _summary_rows(columns, results, looks))
        for anchor, title, columns in families(results.columns)
        if columns
    ]


def families(columns: Sequence[Column]) -> list[tuple[str, str, list[Column]]]:
    """Anchor, heading and columns of every family, each column in the first that takes it."""
    left = list(columns)
    found = []
    for anchor, title, names in FAMILIES:
        taken = [c for c in left if any(_named(c.metric.name, name) for name in names)]
        left = [c for c in left if c not in taken]
        found.append((anchor, title, taken))
    return found


def _named(metric: str, name: str) -> bool:
    return metric.startswith(name) if name.endswith("_") or not name else metric == name


def clip_table(results: Results, clip: int, looks: Mapping[str, Look]) -> Table:
    """Every score of one clip, by its index."""
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
        rows.append(Row(looks[system], cells))
    return Table(f"scores-{clip}", results.clips[clip], _heads(columns, results), rows)


def clip_columns(results: Results) -> list[Column]:
    """Those where every clip has its own score."""
    return [column for column in results.columns if column.metric.over == "clip"]


def head_of(column: Column, results: Results) -> HrtfSet:
    """The head of a column, with the arrow that these results allow."""
    if column.metric.better == "lower":
        return HrtfSet(column, "↓", "lower is better")
    if column.metric.better == "higher":
        return HrtfSet(column, "↑", "higher is better")
    if TRUTH in results.systems:
        return HrtfSet(column, "→ true", f"nearer to the value of “{TRUTH}” is better")
    return HrtfSet(column, "", "which value is right cannot be said without the true stereo")


def matrices(results: Results, looks: Mapping[str, Look]) -> list[Matrix]:
    """The comparisons of every column that has some."""
    by_column: dict[str, list[Comparison]] = {}
    for comparison in results.comparisons:
        by_column.setdefault(comparison.column, []).append(comparison)
    return [
        _matrix(head_of(column, results), by_column[column.key], results.systems, looks)
        for column in results.columns
        if column.key in by_column
    ]


def _matrix(
    head: HrtfSet, pairs: Sequence[Comparison], systems: Sequence[str], looks: Mapping[str, Look]
) -> Matrix:
    known = {(pair.first, pair.second): pair for pair in pairs}
    known |= {(pair.second, pair.first): pair for pair in pairs}
    named = {pair.first for pair in pairs} | {pair.second for pair in pairs}
    shown = [system for system in systems if system in named]
    fewest, most = min(pair.clips for pair in pairs), max(pair.clips for pair in pairs)
    rows = [
        (looks[row], [_verdict(known.get((row, other)), row) for other in shown]) for row in shown
    ]
    clips = f"{most} clips" if fewest == most else f"{fewest} to {most} clips"
    return Matrix(head, clips, [looks[system] for system in shown], rows)


def _verdict(pair: Comparison | None, row: str) -> Verdict | None:
    if pair is None:
        return None
    if not pair.better:
        return Verdict("=", "no difference", printed_p(pair.p))
    if pair.better == row:
        return Verdict("▲", "better", printed_p(pair.p))
    return Verdict("▽", "worse", printed_p(pair.p))


def _heads(columns: Sequence[Column], results: Results) -> list[HrtfSet]:
    return [head_of(column, results) for column in columns]


def _summary_rows(
    columns: Sequence[Column], results: Results, looks: Mapping[str, Look]
) -> list[Row]:
    makers = [_cell_maker(column, results) for column in columns]
    return [Row(looks[system], [make(system) for make in makers]) for system in results.systems]


def _cell_maker(column: Column, results: Results) -> Callable[[str], Cell]:
    """Makes the cell of a system in this column."""
    digits = column.metric.digits
    best = results.best(column)
    best_text = printed(results.summaries[best, column.key].value, digits) if best else ""
    nothing = Estimate(math.nan)
    truth = results.summaries.get((TRUTH, column.key), nothing).value

    def make(system: str) -> Cell:
        estimate = results.summaries.get((system, column.key), nothing)
        text = printed(estimate.value, digits)
        return Cell(
            text,
            _interval(estimate, digits),
            _rank(estimate.value, column, truth),
            best=bool(best) and system != TRUTH and text == best_text,
        )

    return make


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
