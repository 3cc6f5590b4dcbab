"""`soundstage evaluate`: how near methods come to true stereo, with tables and a report."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    data: Annotated[
        Path, typer.Argument(help="Folder of true stereo: plain, MUSDB18-HQ, or with manifest.csv.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for tables and report.")
    ] = Path("evaluation"),
    methods: Annotated[
        str | None,
        typer.Option(
            help="Names with commas between, METHOD=FILE for weights of your own; default: all "
            "that ship weights, see models."
        ),
    ] = None,
    baselines: Annotated[
        str | None,
        typer.Option(
            help="Likewise: mono, coder, coder-mixing, ffmpeg-haas, ffmpeg-adecorrelate, "
            "ffmpeg-stereowiden, ffmpeg-extrastereo; default: mono, coder, haas, adecorrelate."
        ),
    ] = None,
    embeddings: Annotated[
        str,
        typer.Option(
            help="For the Fréchet audio distance: tagger, bands, vggish=FILE, panns=FILE, "
            "clap=FOLDER; empty for none."
        ),
    ] = "tagger,bands",
    split: Annotated[str | None, typer.Option(help="Part of the collection, such as test.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Only the first so many clips; 0: all.")] = 0,
    seconds: Annotated[
        float, typer.Option(min=0, help="Of the middle of each clip; 0: all of it.")
    ] = 30.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the methods.")] = 0,
    takes: Annotated[
        int, typer.Option(min=1, help="Results a method that E_min picks from; the paper: 128.")
    ] = 4,
    examples: Annotated[
        int, typer.Option(min=0, help="Clips with pictures and players in the report.")
    ] = 6,
    reference_free: Annotated[
        bool, typer.Option(help="The data is mono: measure what can be said without a truth.")
    ] = False,
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    overwrite: Annotated[
        bool, typer.Option(help="Replace an evaluation with other settings.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Fold true stereo down, upmix it by every method, and measure what comes back.

    A run that was stopped goes on where it was; a method added later costs only its own work.
    """
    import sys

    from soundstage.cli.console import progress_bar
    from soundstage.evaluation.api import evaluate as run
    from soundstage.evaluation.markdown_tables import summary_table

    with progress_bar("evaluating", shown=not quiet) as tell:
        results = run(
            data,
            output,
            methods=None if methods is None else _split(methods),
            baselines=None if baselines is None else _split(baselines),
            embeddings=_split(embeddings),
            split=split,
            limit=limit,
            seconds=seconds,
            seed=seed,
            takes=takes,
            examples=examples,
            reference_free=reference_free,
            report=report,
            jobs=workers,
            overwrite=overwrite,
            progress=tell,
        )
    for reason in results.skipped:
        print(f"skipped: {reason}", file=sys.stderr)
    if not quiet:
        print(summary_table(results))
    for path in results.files:
        print(path)


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]
