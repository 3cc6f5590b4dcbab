"""What `soundstage evaluate` does: measure, then write tables and report."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from soundstage.atomic_files import write_atomically
from soundstage.evaluation.export import write_tidy
from soundstage.evaluation.main_tables import figures_table, significance_lines
from soundstage.evaluation.paper_tables import paper_tables
from soundstage.evaluation.results import Results
from soundstage.evaluation.run import EvaluationOptions, evaluate

SHORT = (
    "d_f",
    "d_f_music",
    "e_min",
    "iid_fluctuation",
    "width",
    "artifact",
    "placement_bands",
    "fold_down",
)


class Outcome(NamedTuple):
    """What an evaluation leaves, and what to say about it."""

    results: Results
    text: str
    """The table for the terminal."""
    files: list[Path]


def run(
    data: Path,
    output: Path,
    options: EvaluationOptions,
    *,
    workers: int = 1,
    report: bool = True,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Outcome:
    """Measure, and write `table.csv`, `table.parquet`, `tables.md` and `report.html`.

    Errors are those of `evaluate`, and an OptionError where a library of `soundstage[eval]` is
    missing.
    """

    def tell(done: int, total: int) -> None:
        if progress:
            progress(0.95 * done / total if total else 0.95)

    results = evaluate(data, output, options, workers=workers, overwrite=overwrite, progress=tell)
    files = [*write_tidy(results, output), output / "tables.md"]
    write_atomically(files[-1], tables_page(results))
    if report:
        from soundstage.evaluation.report import write_report

        files.append(output / "report.html")
        write_report(
            results,
            files[-1],
            overwrite=True,
            progress=lambda part: progress(0.95 + 0.05 * part) if progress else None,
        )
    return Outcome(results, figures_table(results, SHORT, intervals=False), files)


def tables_page(results: Results) -> str:
    """Every figure in Markdown, then the papers' tables."""
    keys = [column.key for column in results.columns]
    facts = "\n".join(f"- {name}: {value}" for name, value in results.settings.items())
    parts = [f"# {results.title}", facts]
    parts += [figures_table(results, keys[start : start + 6]) for start in range(0, len(keys), 6)]
    differences = significance_lines(results, keys)
    if differences:
        head = "Better by more than chance over clips (Wilcoxon, Holm-Bonferroni, p < 0.05):"
        parts.append("\n".join([head, "", *differences]))
    if "e_min" in keys:
        parts.append(paper_tables(results))
    return "\n\n".join(parts) + "\n"
