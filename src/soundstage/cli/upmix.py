"""`soundstage upmix`: mono files in, stereo files out."""

from pathlib import Path
from typing import Annotated

import typer


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
    takes: Annotated[int, typer.Option(min=1, help="Make several, from this seed on.")] = 1,
    width: Annotated[float, typer.Option(help="Gain of the side, 0 to 2.")] = 1.0,
    bass_mono: Annotated[
        float, typer.Option(help="Crossover in Hz below which all is centred, 20 to 500; 0 is off.")
    ] = 0.0,
    centre_focus: Annotated[
        float, typer.Option(help="Draws voices and leads to the centre, 0 to 1.")
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

    from soundstage.cli.failures import end_with
    from soundstage.cli.progress import progress_bar
    from soundstage.errors import SoundstageError
    from soundstage.upmixing.batch import plan_batch, run_job
    from soundstage.upmixing.controls import Controls
    from soundstage.upmixing.methods import DEFAULT_METHOD, load_method

    method = method or DEFAULT_METHOD
    controls = Controls(width=width, bass_mono_hz=bass_mono, centre_focus=centre_focus)
    upmixer = load_method(method, weights=str(weights) if weights else None, decoder=decoder)
    jobs = plan_batch(
        inputs, output, method=method, seeds=range(seed, seed + takes), name=name, suffix=suffix
    )
    if dry_run:
        plan = [job.as_dict() for job in jobs]
        lines = [f"{job.source} -> {job.target}  ({method}, seed {job.seed})" for job in jobs]
        print(json.dumps({"planned": plan}, indent=2) if json_output else "\n".join(lines))
        return
    reports, failures = [], []
    for job in jobs:
        try:
            with progress_bar(job.source.name, shown=not (quiet or json_output)) as tell:
                report = run_job(
                    job,
                    upmixer,
                    controls=controls,
                    downmix=downmix,
                    bit_depth=bit_depth,
                    overwrite=overwrite,
                    progress=tell,
                )
        except SoundstageError as error:
            if len(jobs) == 1 and not json_output:
                raise
            failures.append({"source": str(job.source), "error": str(error)})
            continue
        reports.append(report)
        if not (quiet or json_output):
            print(report.sentence())
    if json_output:
        done = [report.as_dict() for report in reports]
        print(json.dumps({"done": done, "failed": failures}, indent=2))
    end_with(failures, len(jobs), listed=not json_output)
