"""`soundstage restyle`: hard-panned stereo mixes in, the same songs with a modern stage out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundstage.cli.console import say
from soundstage.cli.options import (
    FILES,
    PLACES,
    BitDepth,
    BitRate,
    DryRun,
    FileJobs,
    Format,
    Inputs,
    Json,
    Listen,
    Name,
    Output,
    Overwrite,
    Place,
    PlanFile,
    Proof,
    Quiet,
    Rate,
    Sheet,
    SkipExisting,
    Takes,
    TakeSeed,
    WritePlan,
)

if TYPE_CHECKING:
    pass


def restyle(
    inputs: Inputs,
    output: Output = None,
    suffix: Format = None,
    name: Name = None,
    bit_depth: BitDepth = None,
    rate: Rate = None,
    bit_rate: BitRate = None,
    gain_db: Annotated[
        float | None,
        typer.Option(
            "--gain", help="In dB. By default what each file needs.", rich_help_panel=FILES
        ),
    ] = None,
    proof: Proof = True,
    amount: Annotated[
        float,
        typer.Option(
            help="0 leaves all as it is, 1 moves the sources to their places.",
            rich_help_panel=PLACES,
        ),
    ] = 1.0,
    style: Annotated[
        str | None,
        typer.Option(
            help='Width, diffuseness and places of instruments: "wide, drums left".',
            rich_help_panel=PLACES,
        ),
    ] = None,
    place: Place = None,
    plan: PlanFile = None,
    like: Annotated[
        Path | None,
        typer.Option(
            help="A reference record: the result gets its pan histogram and width.",
            rich_help_panel=PLACES,
        ),
    ] = None,
    write_plan: WritePlan = False,
    correct: Annotated[
        bool,
        typer.Option(
            help="Correct lag, balance and treble of the channels first.", rich_help_panel=PLACES
        ),
    ] = True,
    takes: Takes = 1,
    seed: TakeSeed = 0,
    sheet: Sheet = None,
    listen: Listen = False,
    jobs: FileJobs = None,
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    dry_run: DryRun = False,
    json_output: Json = False,
    quiet: Quiet = False,
) -> None:
    """Give hard-panned stereo mixes a modern stage; the mono sum stays."""
    from soundstage.cli.batch import planned_takes, print_plan, processes_for, run_takes
    from soundstage.listening.takes_run import draws_sheets
    from soundstage.restyling.options import RestyleOptions, restyle_style
    from soundstage.restyling.restyle_jobs import RestyleWork, plan_restyles
    from soundstage.upmixing.controls import as_seeds
    from soundstage.upmixing.file_options import FileOptions
    from soundstage.upmixing.stage_options import stage_options

    work = RestyleWork(
        restyling=RestyleOptions(
            amount=amount,
            correct=correct,
            stage=stage_options(place=place, plan=plan),
            style=restyle_style(style),
            like=like,
        ),
        style=style,
        options=FileOptions(
            bit_depth=bit_depth,
            overwrite=overwrite,
            rate=rate,
            bit_rate=None if bit_rate is None else 1000 * bit_rate,
            gain_db=gain_db,
            proof=proof,
            write_plan=write_plan,
        ),
        skip_existing=skip_existing,
    )

    def note(text: str) -> None:
        if not quiet:
            say(text, error=True)

    planned = plan_restyles(
        inputs,
        output,
        seeds=as_seeds(range(seed, seed + takes)),
        name=name,
        suffix=suffix,
        sheet=draws_sheets(takes, sheet, note),
        page=listen,
    )
    if dry_run:
        rows = (planned_takes(job, skip_existing=skip_existing) for job in planned.jobs)
        print_plan(rows, planned.skipped, json_output=json_output)
        return
    run_takes(
        work,
        planned,
        jobs=processes_for(len(planned.jobs), jobs),
        json_output=json_output,
        quiet=quiet,
    )
