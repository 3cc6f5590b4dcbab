"""What upmixing does, in words and pictures; nothing here is needed to upmix."""

from soundstage.evaluation.figures import plot_analysis, plot_comparison
from soundstage.evaluation.tables import BAND_COLUMNS, band_rows, describe, figure_rows

__all__ = [
    "BAND_COLUMNS",
    "band_rows",
    "describe",
    "figure_rows",
    "plot_analysis",
    "plot_comparison",
]
