"""`soundstage analyze`: level, stereo image and bands of a file, as text, JSON and a picture."""

from pathlib import Path
from typing import Annotated

import typer


def analyze(
    inputs: Annotated[list[Path], typer.Argument(help="Mono or stereo files, or folders of them.")],
    plot: Annotated[
        Path | None, typer.Option(help="Draw mid, side, goniometer and bands: NAME.png; one input.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing picture.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Measure files: peaks, width, correlation, iid_fluctuation, and the image of 34 bands."""
    import json

    from rich.console import Console
    from rich.table import Table

    from soundstage.audio import expand_inputs
    from soundstage.cli.failures import end_with
    from soundstage.cli.progress import progress_bar
    from soundstage.errors import OptionError, SoundstageError
    from soundstage.evaluation import BAND_COLUMNS, band_rows, figure_rows, plot_analysis
    from soundstage.metrics import analyze as measure

    sources = expand_inputs(inputs)
    if plot and len(sources) != 1:
        raise OptionError(f"--plot draws one file, and there are {len(sources)}: plot each alone.")
    console = Console(markup=False, highlight=False)
    done, failures = [], []
    for source in sources:
        try:
            with progress_bar(source.name, shown=not (quiet or json_output)) as tell:
                if plot:
                    result = plot_analysis(source, plot, overwrite=overwrite, progress=tell)
                else:
                    result = measure(source, progress=tell)
        except SoundstageError as error:
            if len(sources) == 1 and not json_output:
                raise
            failures.append({"source": str(source), "error": str(error)})
            continue
        done.append({"source": str(source)} | result.as_dict())
        if json_output:
            continue
        figures = Table(box=None, show_header=False, pad_edge=False)
        for row in figure_rows(result):
            figures.add_row(*row)
        bands = Table(box=None, pad_edge=False)
        for column in BAND_COLUMNS:
            bands.add_column(column, justify="right", no_wrap=True)
        for cells in band_rows(result):
            bands.add_row(*cells)
        console.print(str(source), style="bold", soft_wrap=True)
        for part in (figures, "", bands, ""):
            console.print(part)
    if json_output:
        print(json.dumps({"done": done, "failed": failures}, indent=2))
    end_with(failures, len(sources), listed=not json_output)
