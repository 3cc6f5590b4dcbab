"""`soundstage upmix`: mono files in, stereo files out."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soundstage.cli.console import say
from soundstage.cli.options import (
    BitDepth,
    Device,
    Downmix,
    DryRun,
    FileJobs,
    Format,
    Inputs,
    Json,
    Name,
    Output,
    Overwrite,
    Quiet,
    Seed,
    SkipExisting,
)

if TYPE_CHECKING:
    from soundstage.upmixing.jobs import Job


def upmix(
    inputs: Inputs,
    output: Output = None,
    method: Annotated[
        str | None, typer.Option("--method", "-m", help="One of `soundstage models`.")
    ] = None,
    seed: Seed = 0,
    takes: Annotated[
        int, typer.Option(min=1, max=32, help="Number of takes, with seeds from --seed on.")
    ] = 1,
    sheet: Annotated[
        bool | None,
        typer.Option(
            "--sheet/--no-sheet", help="Contact sheet of the takes, {stem}-takes.png (default)."
        ),
    ] = None,
    listen: Annotated[
        bool,
        typer.Option(
            "--listen", help="A page to hear before, after and all takes, {stem}-listen.html."
        ),
    ] = False,
    style: Annotated[
        str | None,
        typer.Option(help='Style of a generative method, such as "wide, narrow bass".'),
    ] = None,
    width: Annotated[float, typer.Option(help="Gain of the side signal, 0 to 2.")] = 1.0,
    bass_mono: Annotated[
        float, typer.Option(help="Mono below this crossover, 20 to 500 Hz; 0 is off.")
    ] = 0.0,
    center_focus: Annotated[
        float, typer.Option(help="Move voices and leads to the center, 0 to 1.")
    ] = 0.0,
    bit_depth: BitDepth = None,
    name: Name = None,
    suffix: Format = None,
    weights: Annotated[
        Path | None, typer.Option(help="Your own weights, from `soundstage train`.")
    ] = None,
    decoder: Annotated[
        str, typer.Option(help="prediction (exact fold-down) or mixing (matrices of the paper).")
    ] = "prediction",
    downmix: Downmix = False,
    device: Device = "auto",
    jobs: FileJobs = None,
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    dry_run: DryRun = False,
    json_output: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn mono recordings into stereo that folds down to the original."""
    from soundstage.cli.batch import print_plan, run_files
    from soundstage.listening.upmix_run import UpmixRun, draws_sheets
    from soundstage.upmixing.controls import Controls, as_seeds
    from soundstage.upmixing.file_options import FileOptions
    from soundstage.upmixing.jobs import UpmixWork, plan_jobs
    from soundstage.upmixing.registry import DEFAULT_METHOD

    method = method or DEFAULT_METHOD
    work = UpmixWork(
        method=method,
        weights=str(weights) if weights else None,
        style=style,
        decoder=decoder,
        device=device,
        options=FileOptions(
            controls=Controls(width=width, bass_mono=bass_mono, center_focus=center_focus),
            downmix=downmix,
            bit_depth=bit_depth,
            overwrite=overwrite,
        ),
        skip_existing=skip_existing,
    )

    def note(text: str) -> None:
        if not quiet:
            say(text, error=True)

    plan = plan_jobs(
        inputs,
        output,
        method=method,
        seeds=as_seeds(range(seed, seed + takes)),
        name=name,
        suffix=suffix,
        sheet=draws_sheets(takes, sheet, note),
        page=listen,
    )
    if dry_run:
        rows = (_planned(job, skip_existing=skip_existing) for job in plan.jobs)
        print_plan(rows, plan.skipped, json_output=json_output)
        return
    runner = UpmixRun(work)
    run_files(
        runner.load,
        plan.jobs,
        [job.source for job in plan.jobs],
        records=lambda result: result.records,
        show=lambda result: say(*result.lines),
        jobs=jobs,
        device=device,
        check=runner.check,
        skipped=plan.skipped,
        json_output=json_output,
        quiet=quiet,
    )


def _planned(job: "Job", *, skip_existing: bool) -> Iterator[tuple[dict[str, Any], str]]:
    """What is planned, for JSON and as lines."""
    for record, take in zip(job.as_dicts(), job.takes, strict=True):
        exists = skip_existing and take.target.exists()
        note = "exists" if exists else f"{job.method}, seed {take.seed}"
        status = {"status": "skipped" if exists else "planned"}
        yield status | record, f"{job.source} -> {take.target}  ({note})"
    if job.sheet:
        sheet = {"source": str(job.source), "sheet": str(job.sheet)}
        yield {"status": "planned"} | sheet, f"{job.sheet}  (contact sheet)"
    if job.page:
        page = {"source": str(job.source), "page": str(job.page)}
        yield {"status": "planned"} | page, f"{job.page}  (page to hear it)"
