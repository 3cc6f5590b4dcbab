"""What upmixing does, in figures, words and pictures; nothing here is needed to upmix.

Names are loaded when they are first used: FFmpeg's filters, for one, are measured without torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soundstage.evaluation.plots.contact_sheet import ContactSheet
    from soundstage.evaluation.plots.figures import plot_analysis, plot_comparison
    from soundstage.evaluation.results import Comparison, Estimate, Results
    from soundstage.evaluation.run import EvaluationOptions, evaluate
    from soundstage.evaluation.tables import BAND_COLUMNS, band_rows, describe, figure_rows

_HOMES = {
    "BAND_COLUMNS": "tables",
    "Comparison": "results",
    "ContactSheet": "contact_sheet",
    "Estimate": "results",
    "EvaluationOptions": "run",
    "Results": "results",
    "band_rows": "tables",
    "describe": "tables",
    "evaluate": "run",
    "figure_rows": "tables",
    "plot_analysis": "figures",
    "plot_comparison": "figures",
}

__all__ = [
    "BAND_COLUMNS",
    "Comparison",
    "ContactSheet",
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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
