"""Tables in Markdown: every system and every column, with intervals and significant differences."""

import math
from collections.abc import Sequence

from soundstage.evaluation.results import CONTROLS, TRUTH, Comparison, Results
from soundstage.metrics.catalog import HEADLINE, Column

NOTHING = "–"
ARROWS = {"lower": " ↓", "higher": " ↑", "truth": " → true", "neither": ""}
LEGEND = "* the best system that turns mono into stereo; {controls} {are} for comparison only."


def summary_table(results: Results) -> str:
    """The measures to read first, without intervals, and a line that explains the star."""
    return results_table(results, HEADLINE, intervals=False) + "\n\n" + legend(results)


def legend(results: Results) -> str:
    """What the star means, and which rows cannot have it."""
    controls = [system for system in results.systems if system in CONTROLS]
    listed = " and ".join([", ".join(controls[:-1]), controls[-1]] if controls[1:] else controls)
    return LEGEND.format(controls=listed, are="are" if controls[1:] else "is")


def results_table(results: Results, keys: Sequence[str], *, intervals: bool = True) -> str:
    """A table of systems (rows) by columns; * marks the best system of a column, see `legend`.

    Args:
        results: of an evaluation.
        keys: of columns; those without values are omitted.
        intervals: add 95 % intervals.
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


def markdown(lines: Sequence[Sequence[str]], *, texts: int = 1) -> str:
    """A table with text in the first columns and right-aligned values in the others."""
    rule = ["---"] * texts + ["---:"] * (len(lines[0]) - texts)
    rows = [lines[0], rule, *lines[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def heading(column: Column, *, truth: bool) -> str:
    """Title, unit and better direction; "→ true" only if there is a truth."""
    unit = f", {column.metric.unit}" if column.metric.unit else ""
    arrow = ARROWS[column.metric.better] if truth or column.metric.better != "truth" else ""
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
    """One line per column: the systems that are significantly better than others (p < 0.05)."""
    titles = {column.key: column.title for column in results.columns}
    lines = []
    for key in keys:
        found = [one for one in results.comparisons if one.column == key and one.better]
        if key in titles and found:
            lines.append(f"- {titles[key]}: " + "; ".join(_wins(found, results.systems)) + ".")
    return lines


def _wins(found: Sequence[Comparison], systems: Sequence[str]) -> list[str]:
    """For each system that is better than others: "SYSTEM over OTHER, OTHER"."""
    sentences = []
    for system in systems:
        losers = [one.second if one.better == one.first else one.first for one in found]
        beaten = [name for name, one in zip(losers, found, strict=True) if one.better == system]
        if beaten and system != TRUTH:
            sentences.append(f"{system} over {', '.join(beaten)}")
    return sentences
