"""`soundstage analyze`: level, stereo image and bands of files, as text, JSON and a picture."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from soundstage.cli.console import in_flags
from soundstage.cli.options import Convention, FileJobs, Inputs, Json, NoProgress, Overwrite

if TYPE_CHECKING:
    from soundstage.parallel import Progress, Work


class _Measured(NamedTuple):
    """The values of a file for JSON, and as table cells."""

    source: str
    values: dict[str, Any]
    verdict: list[str]
    figures: list[tuple[str, str]]
    columns: tuple[str, ...]
    """Of the bands."""
    bands: list[tuple[str, ...]]
    map: list[str]
    """Of a sound field."""


def analyze(
    inputs: Inputs,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="PNG to draw: mid, side, goniometer and bands, or directions of ambisonics; of 2 "
            "to 8 files, one row each."
        ),
    ] = None,
    convention: Convention = None,
    jobs: FileJobs = None,
    overwrite: Overwrite = False,
    json_output: Json = False,
    quiet: NoProgress = False,
) -> None:
    """Say what a file is and what to do with it; measure level, image or directions, and bands."""
    from soundstage.audio.file_paths import expand_inputs
    from soundstage.cli.batch import processes_for, run_files

    sources = expand_inputs(inputs)
    if plot and len(sources) > 1:
        from soundstage.evaluation import plot_side_by_side

        plot_side_by_side({str(source): source for source in sources}, plot, overwrite=overwrite)
        plot = None
    run_files(
        partial(_load, plot, overwrite, convention),
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


def _load(plot: Path | None, overwrite: bool, convention: str | None) -> "Work[Path, _Measured]":
    from soundstage.ambisonics.field_formats import FIELD_CHANNELS
    from soundstage.audio import open_sound
    from soundstage.errors import OptionError
    from soundstage.evaluation import band_rows, plot_analysis, summary_rows, verdict
    from soundstage.evaluation.analysis_text import BAND_COLUMNS
    from soundstage.metrics import analyze as measure

    def work(source: Path, progress: "Progress") -> _Measured:
        if open_sound(source).channels in FIELD_CHANNELS:
            return _of_field(source, plot, convention, progress, overwrite=overwrite)
        if convention is not None:
            raise OptionError(
                f"{source} is no ambisonics, which has 4, 9 or 16 channels: leave out `convention`."
            )
        if plot:
            result = plot_analysis(source, plot, overwrite=overwrite, progress=progress)
        else:
            result = measure(source, progress=progress)
        said = verdict(result, str(source))
        values = result.as_dict() | {"verdict": said}
        bands: list[tuple[str, ...]] = [*band_rows(result)]
        return _Measured(str(source), values, said, summary_rows(result), BAND_COLUMNS, bands, [])

    return work


def _of_field(
    source: Path,
    plot: Path | None,
    convention: str | None,
    progress: "Progress",
    *,
    overwrite: bool,
) -> _Measured:
    from soundstage.evaluation import field_text
    from soundstage.evaluation.plots.field_figure import plot_field
    from soundstage.metrics.field_analysis import analyze_field

    if plot:
        result = plot_field(
            source, plot, convention=convention, overwrite=overwrite, progress=progress
        )
    else:
        result = analyze_field(source, convention=convention, progress=progress)
    said = [in_flags(line) for line in field_text.field_verdict(result, str(source))]
    return _Measured(
        str(source),
        result.as_dict() | {"verdict": said},
        said,
        field_text.field_rows(result),
        field_text.FIELD_BAND_COLUMNS,
        field_text.field_band_rows(result),
        field_text.map_lines(result),
    )


def _print(measured: _Measured) -> None:
    from rich.console import Console
    from rich.table import Table

    from soundstage.errors import printable

    figures = Table(box=None, show_header=False, pad_edge=False)
    for row in measured.figures:
        figures.add_row(*row)
    bands = Table(box=None, pad_edge=False)
    for column in measured.columns:
        bands.add_column(column, justify="right", no_wrap=True)
    for cells in measured.bands:
        bands.add_row(*cells)
    console = Console(markup=False, highlight=False)
    console.print(printable(measured.source), style="bold", soft_wrap=True)
    for line in measured.verdict:
        console.print("  " + printable(line), soft_wrap=True)
    for part in ("", figures, "", bands, ""):
        console.print(part)
    for line in measured.map:
        console.print("  " + line, soft_wrap=True)
