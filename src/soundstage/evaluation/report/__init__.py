"""One HTML file that shows an evaluation: tables, distributions, pictures, and players."""

from soundstage.evaluation.report.page import write_report

__all__ = ["write_report"]
