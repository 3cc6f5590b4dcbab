"""HTML report of an evaluation in one file: tables, distributions, pictures and players."""

from soundstage.evaluation.report.page import write_report

__all__ = ["write_report"]
