"""Results of an evaluation: values by system and column, intervals, comparisons, excerpts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from soundstage.metrics.catalog import Column

TRUTH = "true stereo"  # a system as well, measured against itself
FLOOR = "floor"  # the row of real music, for D_F
MONO, CODER, CODER_MIXING = "mono", "coder", "coder-mixing"
CONTROLS = frozenset({TRUTH, FLOOR, MONO, CODER, CODER_MIXING})
"""Systems that show the ends of a scale: nothing done, or the true stereo used. None of them turns
mono into stereo, so none of them can be the best in a table."""


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % bootstrap interval over clips; NaN if undefined."""

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Comparison:
    """Two systems in one column, clip by clip: Wilcoxon signed-rank, Holm-Bonferroni adjusted.

    If the best value of the column is the true one, distances to it are compared.
    """

    column: str
    """Key of the column."""
    first: str
    second: str
    p: float
    """Adjusted for all pairs of the column; NaN if the two never differ."""
    better: str
    """Name of the better system, or "" if the difference is not significant (p ≥ 0.05)."""
    clips: int
    """Number of clips for which both have a value."""


@dataclass(frozen=True)
class Results:
    """All results of an evaluation."""

    title: str
    settings: Mapping[str, str]
    """Settings in words, such as {"data": "music/test", "seed": "0"}."""
    systems: Sequence[str]
    """In the order of the tables, with `TRUTH` if there is one."""
    clips: Sequence[str]
    columns: Sequence[Column]
    """In the order of the tables; columns with `over="set"` have no scores."""
    scores: Mapping[tuple[str, str], Float[np.ndarray, " clips"]]
    """By (system, column key), in the order of `clips`; NaN if a metric is undefined."""
    summaries: Mapping[tuple[str, str], Estimate]
    """By (system, column key): the mean over clips, or the value of the set."""
    comparisons: Sequence[Comparison] = ()
    excerpts: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    """Stereo FLAC files by clip and system; all of a clip have equal length and alignment."""
    skipped: Sequence[str] = ()
    """A message for every unusable file."""
    files: Sequence[Path] = ()
    """The written tables, and the report."""

    def best(self, column: Column) -> str:
        """The best system of a column that turns mono into stereo; "" if there is none."""
        found = {
            system: self.summaries[system, column.key].value
            for system in self.systems
            if system not in CONTROLS and (system, column.key) in self.summaries
        }
        found = {system: value for system, value in found.items() if not math.isnan(value)}
        if not found or column.metric.better == "neither":
            return ""
        if column.metric.better == "truth":
            truth = self.summaries.get((TRUTH, column.key))
            if truth is None or math.isnan(truth.value):
                return ""
            return min(found, key=lambda system: abs(found[system] - truth.value))
        pick = min if column.metric.better == "lower" else max
        return pick(found, key=lambda system: found[system])
