"""`soundstage evaluate`: methods compared with true stereo, in tables and a report."""

from pathlib import Path
from typing import Annotated

import typer

from soundstage.cli.options import Device, Jobs, Seed, split_list


def evaluate(
    data: Annotated[
        Path, typer.Argument(help="Folder of true stereo: plain, MUSDB18-HQ, or with manifest.csv.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for tables and report.")
    ] = Path("evaluation"),
    methods: Annotated[
        str | None,
        typer.Option(help="List with commas. By default all with pretrained weights (see models)."),
    ] = None,
    baselines: Annotated[
        str | None,
        typer.Option(
            help="List from mono, coder, coder-mixing, ffmpeg-haas, ffmpeg-adecorrelate, "
            "ffmpeg-stereowiden, ffmpeg-extrastereo. By default mono, coder, haas, adecorrelate."
        ),
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(
            help="One more, of your own; may be given several times: NAME=FOLDER of results, "
            "FILE.py:CLASS, module:CLASS, the name of a plug-in, or METHOD=FILE of weights."
        ),
    ] = None,
    embeddings: Annotated[
        str,
        typer.Option(
            help="For the Fréchet audio distance: tagger, bands, vggish=FILE, panns=FILE, "
            "efficientat=FILE, clap=FOLDER; empty for none."
        ),
    ] = "tagger,bands",
    split: Annotated[
        str | None, typer.Option(help="Split of the collection, such as test.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Number of clips; 0 for all.")] = 0,
    seconds: Annotated[
        float, typer.Option(min=0, help="Length of the excerpt from each clip; 0 for all of it.")
    ] = 30.0,
    seed: Seed = 0,
    takes: Annotated[
        int, typer.Option(min=1, help="Takes per method for E_min; the paper uses 128.")
    ] = 4,
    examples: Annotated[
        int, typer.Option(min=0, help="Clips with pictures and players in the report.")
    ] = 6,
    reference_free: Annotated[
        bool, typer.Option("--reference-free", help="The data is mono: measure without reference.")
    ] = False,
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True,
    device: Device = "auto",
    jobs: Jobs = 1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an evaluation with other settings.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress bar and no table.")
    ] = False,
) -> None:
    """Downmix true stereo, upmix it with every method, and measure the difference.

    An interrupted evaluation is resumed; adding a method evaluates only that method.
    """
    from soundstage.cli.console import progress_bar, report_skipped, say
    from soundstage.evaluation.api import evaluate as run
    from soundstage.evaluation.markdown_tables import summary_table

    with progress_bar("evaluating", shown=not quiet) as progress:
        results = run(
            data,
            output,
            methods=None if methods is None else split_list(methods),
            baselines=None if baselines is None else split_list(baselines),
            systems=system or (),
            embeddings=split_list(embeddings),
            split=split,
            limit=limit,
            seconds=seconds,
            seed=seed,
            takes=takes,
            examples=examples,
            reference_free=reference_free,
            report=report,
            jobs=jobs,
            device=device,
            overwrite=overwrite,
            progress=progress,
        )
    report_skipped(results.skipped)
    if not quiet:
        say(*summary_table(results).splitlines())
    for path in results.files:
        say(str(path))
