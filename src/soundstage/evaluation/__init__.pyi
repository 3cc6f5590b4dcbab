from .analysis_text import BAND_COLUMNS, band_rows, describe, summary_rows, verdict
from .api import evaluate
from .complaints.api import fitness
from .complaints.table import FitnessTable
from .plots.contact_sheet import ContactSheet
from .plots.figures import plot_analysis, plot_comparison, plot_side_by_side
from .plots.places import plot_places
from .results import Comparison, Estimate, Results

__all__ = [
    "BAND_COLUMNS",
    "Comparison",
    "ContactSheet",
    "Estimate",
    "FitnessTable",
    "Results",
    "band_rows",
    "describe",
    "evaluate",
    "fitness",
    "plot_analysis",
    "plot_comparison",
    "plot_places",
    "plot_side_by_side",
    "summary_rows",
    "verdict",
]
