"""What an evaluation found out: numbers by system and column, intervals, comparisons, excerpts.

The tables, the paper-shaped pages and the report are all made from this one object.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from soundstage.metrics.catalog import Column

TRUTH = "true stereo"  # the system that is measured against itself
FLOOR = "floor"  # the row of real music as it is, which no system has made


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % bootstrap interval over clips; NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Comparison:
    """Two systems in one column, clip by clip: Wilcoxon signed-rank, Holm-Bonferroni adjusted.

    Where the column's good end is the truth, the distances to the truth are compared.
    """

    column: str
    """Key of the column."""
    first: str
    second: str
    p: float
    """Adjusted for all pairs of the column; NaN where the two never differ."""
    better: str
    """The name of the better one, or "" where the difference may be chance (p ≥ 0.05)."""
    clips: int
    """Compared: those where both have a value."""


@dataclass(frozen=True)
class Results:
    """Everything that an evaluation leaves behind."""

    title: str
    settings: Mapping[str, str]
    """What was asked, in words, such as {"data": "music/test", "seed": "0"}."""
    systems: Sequence[str]
    """In the order of the tables; `TRUTH` is one of them, unless there is none."""
    clips: Sequence[str]
    columns: Sequence[Column]
    """In the order of the tables; those of `over="set"` have no scores."""
    scores: Mapping[tuple[str, str], Float[np.ndarray, " clips"]]
    """By (system, column key), in the order of `clips`; NaN where a metric says nothing."""
    summaries: Mapping[tuple[str, str], Estimate]
    """By (system, column key): the mean over clips, or the value of the set."""
    comparisons: Sequence[Comparison] = ()
    excerpts: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    """Stereo FLAC files by clip and system, all of a clip aligned and equally long."""
    left_out: Sequence[str] = ()
    """A sentence for every file that could not be used."""

    def best(self, column: Column) -> str:
        """The system at the good end of a column, the truth itself left aside; "" if none."""
        found = {
            system: self.summaries[system, column.key].value
            for system in self.systems
            if system != TRUTH and (system, column.key) in self.summaries
        }
        found = {system: value for system, value in found.items() if not math.isnan(value)}
        if not found:
            return ""
        if column.metric.better == "truth":
            truth = self.summaries.get((TRUTH, column.key))
            if truth is None or math.isnan(truth.value):
                return ""
            return min(found, key=lambda system: abs(found[system] - truth.value))
        pick = min if column.metric.better == "lower" else max
        return pick(found, key=lambda system: found[system])
