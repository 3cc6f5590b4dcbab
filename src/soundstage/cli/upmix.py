"""`soundstage upmix`: mono files in, stereo files out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from soundstage.upmixing.jobs import Job
    from soundstage.upmixing.upmixer import Upmixer


def upmix(
    inputs: Annotated[list[Path], typer.Argument(help="Mono files, or folders of them.")],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="A file, or a folder. By default beside each input."),
    ] = None,
    method: Annotated[
        str | None, typer.Option("--method", "-m", help="See `soundstage models`.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Picks the take.")] = 0,
    takes: Annotated[int, typer.Option(min=1, max=32, help="Make several, from this seed on.")] = 1,
    sheet: Annotated[
        bool | None,
        typer.Option(
            "--sheet/--no-sheet", help="Draw the takes side by side: {stem}-takes.png; the default."
        ),
    ] = None,
    style: Annotated[
        str | None,
        typer.Option(help='What the stage shall be, such as "wide, narrow bass"; docs/style.md.'),
    ] = None,
    width: Annotated[float, typer.Option(help="Gain of the side, 0 to 2.")] = 1.0,
    bass_mono: Annotated[
        float,
        typer.Option(help="Crossover in Hz below which all is centered, 20 to 500; 0 is off."),
    ] = 0.0,
    center_focus: Annotated[
        float, typer.Option(help="Draws voices and leads to the center, 0 to 1.")
    ] = 0.0,
    bit_depth: Annotated[
        str | None,
        typer.Option(help="8, 16, 24, 32, float or double; by default that of the input."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the results, such as {stem}-{method}-{seed}{ext}."),
    ] = None,
    suffix: Annotated[
        str | None, typer.Option("--format", help="Suffix of the results, such as flac.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights of your own, made by `soundstage train`.")
    ] = None,
    decoder: Annotated[
        str, typer.Option(help="prediction (exact fold-down), or mixing (the paper's matrices).")
    ] = "prediction",
    downmix: Annotated[bool, typer.Option(help="Fold stereo inputs down first.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace existing results.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would be done, and do nothing.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Turn mono recordings into stereo that folds back to the original."""
    import json

    from soundstage.cli.console import Failure, end
    from soundstage.errors import SoundstageError
    from soundstage.upmixing.controls import Controls
    from soundstage.upmixing.jobs import by_source, plan_batch
    from soundstage.upmixing.registry import DEFAULT_METHOD, load_method

    method = method or DEFAULT_METHOD
    controls = Controls(width=width, bass_mono_hz=bass_mono, center_focus=center_focus)
    upmixer = load_method(
        method, weights=str(weights) if weights else None, decoder=decoder, style=style
    )
    seeds = range(seed, seed + takes)
    jobs = plan_batch(inputs, output, method=method, seeds=seeds, name=name, suffix=suffix)
    sources = by_source(jobs)
    sheets = _plan_sheets(sources, takes, sheet, quiet=quiet)
    if dry_run:
        _print_plan(jobs, [path for path in sheets if path], json_output)
        return
    asked = {
        "controls": controls,
        "downmix": downmix,
        "bit_depth": bit_depth,
        "overwrite": overwrite,
        "style": style,
    }
    done: dict[str, list[Any]] = {"done": [], "failed": []} | ({"takes": []} if takes > 1 else {})
    for each, drawn in zip(sources, sheets, strict=True):
        try:
            _do(each, drawn, upmixer, asked, done, shown=not (quiet or json_output))
        except SoundstageError as error:
            if len(sources) == 1 and not json_output:
                raise
            done["failed"].append({"source": str(each[0].source), "error": str(error)})
    if json_output:
        print(json.dumps(done, indent=2))
    end([Failure(**failure) for failure in done["failed"]], len(sources), listed=not json_output)


def _do(
    jobs: "list[Job]",
    sheet: Path | None,
    upmixer: "Upmixer",
    asked: dict[str, Any],
    done: dict[str, list[Any]],
    *,
    shown: bool,
) -> None:
    """All takes of one input, and their contact sheet."""
    from soundstage.cli.console import progress_bar
    from soundstage.evaluation.plots.contact_sheet import ContactSheet
    from soundstage.upmixing.jobs import run_job, run_takes

    source = jobs[0].source
    picture = None
    if sheet:
        picture = ContactSheet(
            sheet, takes=len(jobs), title=source.name, overwrite=asked["overwrite"]
        )
    with progress_bar(source.name, shown=shown) as tell:
        if len(jobs) == 1:
            reports, comparison = [run_job(jobs[0], upmixer, progress=tell, **asked)], None
        else:
            reports, comparison = run_takes(jobs, upmixer, progress=tell, **asked)
    done["done"] += [report.as_dict() for report in reports]
    if shown:
        for report in reports:
            print(report.sentence())
    if comparison:
        done["takes"].append({"source": str(source), "sheet": sheet and str(sheet)})
        done["takes"][-1] |= comparison.as_dict()
        if shown:
            print(comparison.table())
        if picture:
            picture.draw(reports, comparison)
            if shown:
                print(f"{sheet}: their stages side by side")


def _plan_sheets(
    sources: "list[list[Job]]", takes: int, wanted: bool | None, *, quiet: bool
) -> list[Path | None]:
    """A picture for each input; None where there is to be none."""
    import sys

    from soundstage.errors import OptionError
    from soundstage.upmixing.jobs import plan_sheets

    if takes == 1 and wanted:
        raise OptionError("A contact sheet compares takes: ask for several with --takes.")
    if takes == 1 or wanted is False:
        return [None for _ in sources]
    if wanted is None and not _is_there("matplotlib"):
        if not quiet:
            print(
                "No contact sheet is drawn without matplotlib: "
                'pip install "soundstage[eval]" brings it.',
                file=sys.stderr,
            )
        return [None for _ in sources]
    return list(plan_sheets(sources))


def _is_there(module: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(module) is not None
    except ValueError:  # it was tried, and is not
        return False


def _print_plan(jobs: "list[Job]", sheets: list[Path], json_output: bool) -> None:
    import json

    if json_output:
        plan: dict[str, Any] = {"planned": [job.as_dict() for job in jobs]}
        if sheets:
            plan["sheets"] = list(map(str, sheets))
        print(json.dumps(plan, indent=2))
        return
    for job in jobs:
        print(f"{job.source} -> {job.target}  ({job.method}, seed {job.seed})")
    for sheet in sheets:
        print(f"{sheet}  (contact sheet)")
