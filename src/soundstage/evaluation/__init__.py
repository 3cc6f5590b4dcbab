"""Evaluation of methods against true stereo: metrics over a corpus, tables, plots and a report."""

from soundstage.evaluation.analysis_text import BAND_COLUMNS, band_rows, describe, summary_rows
from soundstage.evaluation.api import evaluate
from soundstage.evaluation.plots.contact_sheet import ContactSheet
from soundstage.evaluation.plots.figures import plot_analysis, plot_comparison
from soundstage.evaluation.results import Comparison, Estimate, Results

__all__ = [
    "BAND_COLUMNS",
    "Comparison",
    "ContactSheet",
    "Estimate",
    "Results",
    "band_rows",
    "describe",
    "evaluate",
    "plot_analysis",
    "plot_comparison",
    "summary_rows",
]
