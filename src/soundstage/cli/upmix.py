"""`soundstage upmix`: mono files in, stereo files out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
)

if TYPE_CHECKING:
    from soundstage.evaluation.plots.contact_sheet import ContactSheet
    from soundstage.parallel import Progress, Work
    from soundstage.upmixing.jobs import Job, UpmixWork


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
    dry_run: DryRun = False,
    json_output: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn mono recordings into stereo that folds down to the original."""
    import json

    from soundstage.cli.console import end, run_files
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
    )
    planned = plan_jobs(
        inputs,
        output,
        method=method,
        seeds=as_seeds(range(seed, seed + takes)),
        name=name,
        suffix=suffix,
        sheet=_draws_sheets(takes, sheet, quiet=quiet),
    )
    if dry_run:
        _print_plan(planned, json_output)
        return
    runner = _Runner(work)
    done, failed = run_files(
        runner.load,
        planned,
        [job.source for job in planned],
        jobs=jobs,
        device=device,
        progress_shown=not (quiet or json_output),
        json_output=json_output,
        show=None if quiet or json_output else _print_result,
        check=runner.check,
    )
    if json_output:
        result: dict[str, Any] = {"done": [report for each in done for report in each.reports]}
        result["failed"] = [failure._asdict() for failure in failed]
        if takes > 1:
            result["takes"] = [each.comparison for each in done]
        print(json.dumps(result, indent=2))
    end(failed, len(planned), listed=not json_output)


@dataclass(frozen=True)
class _Result:
    """Reports and comparison of the takes of an input, for JSON, and the lines to print."""

    reports: list[dict[str, Any]]
    comparison: dict[str, Any] | None
    lines: list[str]


@dataclass(frozen=True)
class _Runner:
    """Makes the takes of an input, and their contact sheet."""

    work: "UpmixWork"

    def check(self, job: "Job") -> None:
        from soundstage.atomic_files import check_target

        for take in job.takes:
            check_target(take.target, overwrite=self.work.options.overwrite)
        if job.sheet:
            self._sheet(job)

    def load(self) -> "Work[Job, _Result]":
        make_takes = self.work.load()

        def run(job: "Job", progress: "Progress") -> _Result:
            reports, comparison = make_takes(job, progress)
            lines = [report.sentence() for report in reports]
            compared: dict[str, Any] | None = None
            if comparison:
                compared = {"source": str(job.source), "sheet": job.sheet and str(job.sheet)}
                compared |= comparison.as_dict()
                lines.append(comparison.table())
            if comparison and job.sheet:
                self._sheet(job).draw(reports, comparison)
                lines.append(f"{job.sheet}: contact sheet")
            return _Result([report.as_dict() for report in reports], compared, lines)

        return run

    def _sheet(self, job: "Job") -> "ContactSheet":
        from soundstage.evaluation.plots.contact_sheet import ContactSheet

        assert job.sheet is not None
        return ContactSheet(
            job.sheet,
            takes=len(job.takes),
            title=job.source.name,
            overwrite=self.work.options.overwrite,
        )


def _draws_sheets(takes: int, requested: bool | None, *, quiet: bool) -> bool:
    import sys
    from importlib.util import find_spec

    from soundstage.errors import OptionError, missing_extra

    if takes == 1 and requested:
        raise OptionError("A contact sheet compares takes: set `takes` to 2 or more.")
    if takes == 1 or requested is False:
        return False
    try:
        installed = find_spec("matplotlib") is not None
    except ValueError:  # an import failed before
        installed = False
    if installed or requested:
        return True
    if not quiet:
        print(f"no contact sheet: {missing_extra('eval', 'matplotlib', 'it')}", file=sys.stderr)
    return False


def _print_result(result: _Result) -> None:
    for line in result.lines:
        print(line)


def _print_plan(planned: "list[Job]", json_output: bool) -> None:
    import json

    sheets = [job.sheet for job in planned if job.sheet]
    if json_output:
        plan: dict[str, Any] = {"planned": [take for job in planned for take in job.as_dicts()]}
        if sheets:
            plan["sheets"] = list(map(str, sheets))
        print(json.dumps(plan, indent=2))
        return
    for job in planned:
        for take in job.takes:
            print(f"{job.source} -> {take.target}  ({job.method}, seed {take.seed})")
    for sheet in sheets:
        print(f"{sheet}  (contact sheet)")
