"""`soundstage binaural`: mono files in, what two ears hear out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from soundstage.binaural.renderers import Renderer
    from soundstage.binaural.room.shoebox import ShoeBox
    from soundstage.binaural.binaural_jobs import Job


def binaural(
    inputs: Annotated[
        list[Path], typer.Argument(help="Sound files, folders of them, or one scene (.json).")
    ],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="A file, or a folder. By default beside each input."),
    ] = None,
    azimuth: Annotated[
        float | None, typer.Option(help="Degrees counter-clockwise from ahead: 90 is left.")
    ] = None,
    elevation: Annotated[float | None, typer.Option(help="Degrees up, -90 to 90.")] = None,
    distance: Annotated[
        float | None, typer.Option(help="Meters, 0.1 to 1,000; by default 1.5.")
    ] = None,
    path: Annotated[
        Path | None, typer.Option(help="A trajectory: .csv, .json, or .txt of tracked poses.")
    ] = None,
    orbit: Annotated[
        float | None, typer.Option(help="Seconds a turn around the head; negative is clockwise.")
    ] = None,
    fly_by: Annotated[
        float | None, typer.Option(help="Meters a second, from ahead past an ear to behind.")
    ] = None,
    approach: Annotated[
        float | None, typer.Option(help="Meters away at first; ends at --distance.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            "-m",
            help="hrtf, warp (delays alone), or a network: binauralgrad, binauralgrad-single, "
            "warpnet, wavenet.",
        ),
    ] = None,
    weights: Annotated[
        list[Path] | None,
        typer.Option(help="Weights of your own for a network; once for each of its stages."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Of the diffusion of binauralgrad, 1 to 200.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Of its noise: 0, the mean of all that may be heard, to 1, a draw of it."
        ),
    ] = None,
    room: Annotated[
        str | None, typer.Option(help="Length, width and height in meters, such as 6x4x3.")
    ] = None,
    rt60: Annotated[
        str | None,
        typer.Option(help="Reverberation time in seconds, or as 125:0.6,1000:0.4,8000:0.3."),
    ] = None,
    listener: Annotated[
        str | None, typer.Option(help="Place of the head in the room, in meters, such as 2,2,1.5.")
    ] = None,
    hrtf: Annotated[
        str | None,
        typer.Option(help="A SOFA file of your own head, or kemar, which is shipped."),
    ] = None,
    nearest: Annotated[
        bool, typer.Option(help="Do not interpolate between measured directions: cheaper.")
    ] = False,
    air: Annotated[bool, typer.Option(help="Let air absorb treble; heard from some 20 m on.")] = (
        False
    ),
    tail: Annotated[
        bool, typer.Option("--tail/--no-tail", help="Keep what rings on after the end.")
    ] = True,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw the way from above: {stem}-path.png.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of late reverberation, and of noise.")] = 0,
    bit_depth: Annotated[
        str | None,
        typer.Option(help="8, 16, 24, 32, float or double; by default that of the input."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the results, such as {stem}-binaural{ext}.")
    ] = None,
    suffix: Annotated[
        str | None, typer.Option("--format", help="Suffix of the results, such as flac.")
    ] = None,
    downmix: Annotated[
        bool, typer.Option(help="Fold stereo inputs down instead of hearing two loudspeakers.")
    ] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace existing results.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would be done, and do nothing.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Put sounds around a head, for headphones."""
    import json

    from soundstage.binaural.renderers import (
        DEFAULT_RENDERER,
        NeuralOptions,
        RenderOptions,
        load_renderer,
    )
    from soundstage.binaural.room.shoebox import room_of
    from soundstage.binaural.binaural_jobs import plan_jobs
    from soundstage.binaural.trajectory_options import TrajectoryOptions
    from soundstage.cli.failures import end_with
    from soundstage.errors import SoundstageError

    way = TrajectoryOptions(azimuth, elevation, distance, path, orbit, fly_by, approach)
    box = room_of(room, rt60, listener)
    jobs = plan_jobs(inputs, output, way, downmix=downmix, name=name, suffix=suffix)
    if dry_run:
        _print_plan(jobs, json_output, plot=plot)
        return
    method = method or DEFAULT_RENDERER
    renderer = load_renderer(
        method,
        RenderOptions(hrtf, box, nearest, air, seed),
        NeuralOptions(tuple(map(str, weights or ())), steps, temperature),
    )
    asked = {"method": method, "tail": tail, "bit_depth": bit_depth, "overwrite": overwrite}
    shown = not (quiet or json_output)
    done: dict[str, list[Any]] = {"done": [], "failed": []}
    for job in jobs:
        try:
            done["done"].append(_do(job, renderer, box, asked, plot=plot, shown=shown))
        except SoundstageError as error:
            if len(jobs) == 1 and not json_output:
                raise
            done["failed"].append({"source": str(job.source), "error": str(error)})
    if json_output:
        print(json.dumps(done, indent=2))
    end_with(done["failed"], len(jobs), listed=not json_output)


def _do(
    job: "Job",
    renderer: "Renderer",
    room: "ShoeBox | None",
    asked: dict[str, Any],
    *,
    plot: bool,
    shown: bool,
) -> dict[str, Any]:
    """One file, and its picture."""
    from soundstage.binaural.binaural_files import render_file
    from soundstage.cli.progress import progress_bar
    from soundstage.evaluation.plots.top_view import TopView

    sources = job.sources()
    picture = TopView(job.picture, overwrite=asked["overwrite"]) if plot else None
    with progress_bar(job.source.name, shown=shown) as tell:
        report = render_file(sources, job.target, renderer, progress=tell, **asked)
    if shown:
        print(report.sentence())
    if picture is None:
        return report.as_dict()
    picture.draw(sources, room, title=job.source.name)
    if shown:
        print(f"{job.picture}: the way from above")
    return {**report.as_dict(), "picture": str(job.picture)}


def _print_plan(jobs: "list[Job]", json_output: bool, *, plot: bool) -> None:
    import json

    if json_output:
        planned = [
            {"source": str(job.source), "target": str(job.target)}
            | ({"picture": str(job.picture)} if plot else {})
            for job in jobs
        ]
        print(json.dumps({"planned": planned}, indent=2))
        return
    for job in jobs:
        print(f"{job.source} -> {job.target}")
        if plot:
            print(f"{job.picture}  (the way from above)")
