"""What upmixing does, in figures, words and pictures; nothing here is needed to upmix."""

from soundstage.evaluation.figures import plot_analysis, plot_comparison
from soundstage.evaluation.results import Comparison, Estimate, Results
from soundstage.evaluation.run import EvaluationOptions, evaluate
from soundstage.evaluation.tables import BAND_COLUMNS, band_rows, describe, figure_rows

__all__ = [
    "BAND_COLUMNS",
    "Comparison",
    "Estimate",
    "EvaluationOptions",
    "Results",
    "band_rows",
    "describe",
    "evaluate",
    "figure_rows",
    "plot_analysis",
    "plot_comparison",
]
