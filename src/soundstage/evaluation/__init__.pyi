from .analysis_text import BAND_COLUMNS, band_rows, describe, summary_rows
from .api import evaluate
from .plots.contact_sheet import ContactSheet
from .plots.figures import plot_analysis, plot_comparison, plot_side_by_side
from .results import Comparison, Estimate, Results

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
    "plot_side_by_side",
    "summary_rows",
]
