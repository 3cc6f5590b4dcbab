"""The main tables in plain text: every system, every column, with intervals."""

import math
from collections.abc import Sequence

from soundstage.evaluation.markdown import NOTHING, markdown
from soundstage.evaluation.results import TRUTH, Comparison, Results
from soundstage.metrics.catalog import Column

ARROWS = {"lower": "↓", "higher": "↑", "truth": "→ true"}


def figures_table(results: Results, keys: Sequence[str], *, intervals: bool = True) -> str:
    """Systems down, the columns of these keys across; the best of a column is marked with *.

    Args:
        results: of an evaluation.
        keys: of columns; those that were not measured are left out.
        intervals: whether 95 % intervals stand behind the figures.
    """
    by_key = {column.key: column for column in results.columns}
    columns = [by_key[key] for key in keys if key in by_key]
    truth = TRUTH in results.systems
    lines = [["system", *(heading(column, truth=truth) for column in columns)]]
    best = {column.key: results.best(column) for column in columns}
    for system in results.systems:
        cells = [_cell(results, system, column, best[column.key], intervals) for column in columns]
        if any(cell != NOTHING for cell in cells):
            lines.append([system, *cells])
    return markdown(lines)


def heading(column: Column, *, truth: bool) -> str:
    """Title, unit and which way is better; without a truth, nothing is nearer to it."""
    unit = f", {column.metric.unit}" if column.metric.unit else ""
    arrow = f" {ARROWS[column.metric.better]}" if truth or column.metric.better != "truth" else ""
    return f"{column.title}{unit}{arrow}"


def _cell(results: Results, system: str, column: Column, best: str, intervals: bool) -> str:
    estimate = results.summaries.get((system, column.key))
    if estimate is None or math.isnan(estimate.value):
        return NOTHING
    digits = column.metric.digits
    text = f"{estimate.value:.{digits}f}"
    if intervals and not math.isnan(estimate.low):
        text += f" [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"
    return f"{text} *" if system == best else text


def significance_lines(results: Results, keys: Sequence[str]) -> list[str]:
    """For each column, which system is better than which by more than chance (p < 0.05)."""
    titles = {column.key: column.title for column in results.columns}
    lines = []
    for key in keys:
        found = [one for one in results.comparisons if one.column == key and one.better]
        if key in titles and found:
            lines.append(f"- {titles[key]}: " + "; ".join(_beaten(found, results.systems)) + ".")
    return lines


def _beaten(found: Sequence[Comparison], systems: Sequence[str]) -> list[str]:
    """For every system that beats others: it, "over", and those."""
    sentences = []
    for system in systems:
        worse = [one.second if one.better == one.first else one.first for one in found]
        beaten = [name for name, one in zip(worse, found, strict=True) if one.better == system]
        if beaten and system != TRUTH:
            sentences.append(f"{system} over {', '.join(beaten)}")
    return sentences
