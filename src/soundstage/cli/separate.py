"""`soundstage separate`: sounds in, one file a source out, which add up to the sound."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soundstage.cli.console import in_flags, say
from soundstage.cli.options import (
    FILES,
    BitDepth,
    Device,
    DryRun,
    FileJobs,
    Format,
    Inputs,
    Json,
    Overwrite,
    Quiet,
    SkipExisting,
)

if TYPE_CHECKING:
    from soundstage.separation.separation_jobs import Job, SeparationWork


def separate(
    inputs: Inputs,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="A folder, in which each input gets a folder of its name. By default a folder "
            "beside each input, {stem}-stems.",
            rich_help_panel=FILES,
        ),
    ] = None,
    suffix: Format = None,
    bit_depth: BitDepth = None,
    proof: Annotated[
        bool,
        typer.Option(help="Read the sources back and compare their sum.", rich_help_panel=FILES),
    ] = True,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            "-m",
            help="stems (default), formation, hpss, spleeter or demucs.",
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Weights of the separator, in place of the usual ones.")
    ] = None,
    jobs: FileJobs = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    dry_run: DryRun = False,
    json_output: Json = False,
    quiet: Quiet = False,
) -> None:
    """Separate sounds into sources that add up to the original."""
    from soundstage.cli.batch import print_plan, processes_for, run_files
    from soundstage.separation.registry import DEFAULT_SEPARATOR
    from soundstage.separation.separation_jobs import SeparationWork, plan_jobs
    from soundstage.separation.source_options import SourceOptions

    work = SeparationWork(
        method=method or DEFAULT_SEPARATOR,
        weights=weights,
        device=device,
        options=SourceOptions(suffix, bit_depth, overwrite, proof),
        skip_existing=skip_existing,
    )
    planned = plan_jobs(inputs, output)
    if dry_run:
        rows = (_planned(job, work) for job in planned)
        print_plan(rows, [], json_output=json_output)
        return
    run_files(
        work.load,
        planned,
        [job.source for job in planned],
        records=lambda report: [report.as_dict()],
        show=lambda report: say(*map(in_flags, report.lines())),
        jobs=processes_for(len(planned), jobs, device),
        check=work.check,
        json_output=json_output,
        quiet=quiet,
    )


def _planned(job: "Job", work: "SeparationWork") -> Iterator[tuple[dict[str, Any], str]]:
    """What is planned, for JSON and as a line."""
    skipped = work.check(job)
    record = {"status": "skipped" if skipped else "planned"}
    record |= {"source": str(job.source), "folder": str(job.folder)}
    note = skipped.reason if skipped else work.method
    yield record, f"{job.source} -> {job.folder}  ({note})"
