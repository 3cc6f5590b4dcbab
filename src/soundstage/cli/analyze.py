"""`soundstage analyze`: level, stereo image and bands of files, as text, JSON and a picture."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from soundstage.cli.options import FileJobs, Inputs, Json, NoProgress, Overwrite

if TYPE_CHECKING:
    from soundstage.parallel import Progress, Work


class _Measured(NamedTuple):
    """The values of a file for JSON, and as table cells."""

    source: str
    values: dict[str, Any]
    verdict: list[str]
    figures: list[tuple[str, str]]
    bands: list[tuple[str, ...]]


def analyze(
    inputs: Inputs,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="PNG to draw: mid, side, goniometer and bands; of 2 to 8 files, one row each."
        ),
    ] = None,
    jobs: FileJobs = None,
    overwrite: Overwrite = False,
    json_output: Json = False,
    quiet: NoProgress = False,
) -> None:
    """Say what a file is and what to do with it; measure level, image and 34 bands."""
    from soundstage.audio.file_paths import expand_inputs
    from soundstage.cli.batch import processes_for, run_files

    sources = expand_inputs(inputs)
    if plot and len(sources) > 1:
        from soundstage.evaluation import plot_side_by_side

        plot_side_by_side({str(source): source for source in sources}, plot, overwrite=overwrite)
        plot = None
    run_files(
        partial(_load, plot, overwrite),
        sources,
        sources,
        records=lambda measured: [{"source": measured.source, **measured.values}],
        show=_print,
        jobs=processes_for(len(sources), jobs),
        json_output=json_output,
        quiet=False,
        progress=not quiet,
        summary=False,
        in_order=not json_output,
    )


def _load(plot: Path | None, overwrite: bool) -> "Work[Path, _Measured]":
    from soundstage.evaluation import band_rows, plot_analysis, summary_rows, verdict
    from soundstage.metrics import analyze as measure

    def work(source: Path, progress: "Progress") -> _Measured:
        if plot:
            result = plot_analysis(source, plot, overwrite=overwrite, progress=progress)
        else:
            result = measure(source, progress=progress)
        said = verdict(result, str(source))
        values = result.as_dict() | {"verdict": said}
        return _Measured(str(source), values, said, summary_rows(result), [*band_rows(result)])

    return work


def _print(measured: _Measured) -> None:
    from rich.console import Console
    from rich.table import Table

    from soundstage.errors import printable
    from soundstage.evaluation.analysis_text import BAND_COLUMNS

    figures = Table(box=None, show_header=False, pad_edge=False)
    for row in measured.figures:
        figures.add_row(*row)
    bands = Table(box=None, pad_edge=False)
    for column in BAND_COLUMNS:
        bands.add_column(column, justify="right", no_wrap=True)
    for cells in measured.bands:
        bands.add_row(*cells)
    console = Console(markup=False, highlight=False)
    console.print(printable(measured.source), style="bold", soft_wrap=True)
    for line in measured.verdict:
        console.print("  " + printable(line), soft_wrap=True)
    for part in ("", figures, "", bands, ""):
        console.print(part)
