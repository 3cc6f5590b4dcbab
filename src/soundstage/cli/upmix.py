"""`soundstage upmix`: mono files in, stereo files out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundstage.cli.console import say
from soundstage.cli.options import (
    FILES,
    INPUTS,
    Ambix,
    BitDepth,
    BitRate,
    Convention,
    Device,
    Downmix,
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
    SeparatorName,
    Sheet,
    SkipExisting,
    Stems,
    Takes,
    TakeSeed,
    WritePlan,
    WriteStems,
    split_list,
)

if TYPE_CHECKING:
    pass


_STEREO = "Stereo image"  # section of the help


def upmix(
    inputs: Inputs,
    output: Output = None,
    suffix: Format = None,
    name: Name = None,
    bit_depth: BitDepth = None,
    rate: Rate = None,
    bit_rate: BitRate = None,
    gain_db: Annotated[
        str | None,
        typer.Option(
            "--gain",
            help="In dB, or same: the gain that the loudest of all files needs. By default what "
            "each file needs.",
            rich_help_panel=FILES,
        ),
    ] = None,
    mid_side: Annotated[
        bool,
        typer.Option("--ms", help="Write mid and side, not left and right.", rich_help_panel=FILES),
    ] = False,
    side_only: Annotated[
        bool,
        typer.Option("--side-only", help="Write the side signal alone.", rich_help_panel=FILES),
    ] = False,
    ambix: Ambix = None,
    convention: Convention = None,
    proof: Proof = True,
    codec_checks: Annotated[
        str | None,
        typer.Option(
            "--codec-check",
            help="Also try codecs on each result, such as mp3:128,opus:96.",
            rich_help_panel=FILES,
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option("--method", "-m", help="One of `soundstage models`.", rich_help_panel=_STEREO),
    ] = None,
    style: Annotated[
        str | None,
        typer.Option(
            help='Style of a generative method, such as "wide, narrow bass".',
            rich_help_panel=_STEREO,
        ),
    ] = None,
    width: Annotated[
        float | None,
        typer.Option(
            help="Gain of the side signal, 0 to 2; by default 1, limited to a width of 0.3 for "
            "speech and solo, 0.9 for other music.",
            rich_help_panel=_STEREO,
        ),
    ] = None,
    bass_mono: Annotated[
        float,
        typer.Option(
            help="Mono below this crossover, 20 to 500 Hz; 0 is off.", rich_help_panel=_STEREO
        ),
    ] = 0.0,
    center_focus: Annotated[
        float,
        typer.Option(
            help="Narrow 250 Hz to 4 kHz, where voices and leads are, 0 to 1.",
            rich_help_panel=_STEREO,
        ),
    ] = 0.0,
    spread_noise: Annotated[
        bool,
        typer.Option(
            "--spread-noise",
            help="Spread clicks and hiss too, which by default stay in the middle.",
            rich_help_panel=_STEREO,
        ),
    ] = False,
    place: Place = None,
    plan: PlanFile = None,
    stems: Stems = None,
    separator: SeparatorName = None,
    write_plan: WritePlan = False,
    write_stems: WriteStems = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Your own weights, from `soundstage train`; they tell the method.",
            rich_help_panel=_STEREO,
        ),
    ] = None,
    decoder: Annotated[
        str,
        typer.Option(
            help="prediction (exact fold-down) or mixing (matrices of the paper).",
            rich_help_panel=_STEREO,
        ),
    ] = "prediction",
    takes: Takes = 1,
    seed: TakeSeed = 0,
    sheet: Sheet = None,
    listen: Listen = False,
    downmix: Downmix = False,
    align: Annotated[
        bool,
        typer.Option(
            "--align",
            help="Align the two channels of one mono recording, and sum them.",
            rich_help_panel=INPUTS,
        ),
    ] = False,
    mix: Annotated[
        str,
        typer.Option(
            help="Sum of aligned channels: mean, or best (with the least noise).",
            rich_help_panel=INPUTS,
        ),
    ] = "mean",
    keep_original: Annotated[
        bool,
        typer.Option(
            "--keep-original",
            help="Keep the sound of the input as a second track (films, .m4a, .mka).",
            rich_help_panel=FILES,
        ),
    ] = False,
    jobs: FileJobs = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    dry_run: DryRun = False,
    json_output: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn mono recordings into stereo that folds down to the original."""
    from soundstage.cli.batch import planned_takes, print_plan, processes_for, run_takes, watched
    from soundstage.listening.takes_run import draws_sheets
    from soundstage.upmixing.batch import parse_gain, with_one_gain
    from soundstage.upmixing.controls import Controls, as_seeds
    from soundstage.upmixing.file_options import FileOptions, outputs_for
    from soundstage.upmixing.jobs import UpmixWork, plan_jobs
    from soundstage.upmixing.registry import method_for
    from soundstage.upmixing.stage_options import stage_options

    outputs = outputs_for(
        mid_side=mid_side, side_only=side_only, ambix=ambix, convention=convention
    )
    own_weights = str(weights) if weights else None
    method = method_for(method, own_weights)
    fixed_gain, one_gain = parse_gain(gain_db)
    work = UpmixWork(
        method=method,
        weights=own_weights,
        style=style,
        decoder=decoder,
        device=device,
        stage=stage_options(place=place, plan=plan, stems=stems, separator=separator),
        options=FileOptions(
            controls=Controls(width, bass_mono, center_focus, spread_noise),
            downmix=downmix,
            bit_depth=bit_depth,
            overwrite=overwrite,
            rate=rate,
            bit_rate=None if bit_rate is None else 1000 * bit_rate,
            outputs=outputs,
            gain_db=fixed_gain,
            proof=proof,
            codec_checks=tuple(split_list(codec_checks)),
            keep_original=keep_original,
            align=align,
            mix=mix,
            write_plan=write_plan,
            write_stems=write_stems,
        ),
        skip_existing=skip_existing,
    )

    def note(text: str) -> None:
        if not quiet:
            say(text, error=True)

    planned = plan_jobs(
        inputs,
        output,
        method=method,
        seeds=as_seeds(range(seed, seed + takes)),
        name=name,
        suffix=suffix,
        sheet=draws_sheets(takes, sheet, note),
        page=listen,
        stems=write_stems,
        outputs=outputs,
    )
    work.check_jobs(planned.jobs)
    if dry_run:
        rows = (planned_takes(job, skip_existing=skip_existing) for job in planned.jobs)
        print_plan(rows, planned.skipped, json_output=json_output)
        return
    sources = [job.source for job in planned.jobs]
    processes = processes_for(len(sources), jobs, device)
    if one_gain:
        with watched(sources, shown=not (quiet or json_output), verb="measured") as progress:
            work = with_one_gain(work, planned.jobs, jobs=processes, progress=progress)
    run_takes(work, planned, jobs=processes, json_output=json_output, quiet=quiet)
