"""`soundstage binaural`: sounds and sound fields in, files for headphones out, or ambisonics."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soundstage.cli.console import in_flags, say
from soundstage.cli.options import (
    Ambix,
    BitDepth,
    Convention,
    Device,
    DryRun,
    FileJobs,
    Format,
    Json,
    Name,
    Output,
    Overwrite,
    Quiet,
    Rate,
    Seed,
    SkipExisting,
)

if TYPE_CHECKING:
    from soundstage.audio.existing import Skipped
    from soundstage.binaural.binaural_jobs import BinauralWork, Job
    from soundstage.evaluation.plots.top_view import TopView
    from soundstage.parallel import Progress, Work


def binaural(
    inputs: Annotated[
        list[Path], typer.Argument(help="Sound files, folders of them, or scenes (.json).")
    ],
    output: Output = None,
    azimuth: Annotated[
        float | None, typer.Option(help="Degrees counter-clockwise from ahead: 90 is left.")
    ] = None,
    elevation: Annotated[float | None, typer.Option(help="Degrees up, -90 to 90.")] = None,
    distance: Annotated[
        float | None, typer.Option(help="Meters, 0.1 to 1,000; by default 1.5.")
    ] = None,
    trajectory: Annotated[
        Path | None, typer.Option(help="Trajectory file: .csv, .json, or .txt of tracked poses.")
    ] = None,
    orbit: Annotated[
        float | None, typer.Option(help="Circle around the head: seconds per turn, < 0 clockwise.")
    ] = None,
    fly_by: Annotated[
        float | None, typer.Option(help="Pass an ear from front to back: speed in m/s.")
    ] = None,
    approach: Annotated[
        float | None, typer.Option(help="Approach from this distance in meters to --distance.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            "-m",
            help="hrtf, warp (delays only), or a network: binauralgrad, binauralgrad-single, "
            "warpnet, wavenet.",
        ),
    ] = None,
    weights: Annotated[
        list[Path] | None,
        typer.Option(help="Your own weights of a network; repeat the option for each stage."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Diffusion steps of binauralgrad, 1 to 200.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Noise of binauralgrad, from 0 (the conditional mean) to 1 (a sample)."),
    ] = None,
    room: Annotated[
        str | None, typer.Option(help="Length, width and height in meters, such as 6x4x3.")
    ] = None,
    rt60: Annotated[
        str | None,
        typer.Option(help="Reverberation time in seconds, or as 125:0.6,1000:0.4,8000:0.3."),
    ] = None,
    listener: Annotated[
        list[str] | None,
        typer.Option(
            help="Position of the head in the room, such as 2,2,1.5, or a file of its pose over "
            "time (.csv, .json); repeat the option for both."
        ),
    ] = None,
    yaw: Annotated[float | None, typer.Option(help="Head turned to the left, degrees.")] = None,
    pitch: Annotated[float | None, typer.Option(help="Head turned up, degrees.")] = None,
    roll: Annotated[float | None, typer.Option(help="Head tilted to the right, degrees.")] = None,
    hrtf: Annotated[
        str | None, typer.Option(help="A SOFA file, or kemar, the bundled HRTF set.")
    ] = None,
    nearest: Annotated[
        bool, typer.Option("--nearest", help="Use the nearest measured direction; faster.")
    ] = False,
    air: Annotated[
        bool, typer.Option("--air", help="Air absorption; audible from about 20 m.")
    ] = False,
    tail: Annotated[bool, typer.Option(help="Keep the reverberation tail.")] = True,
    plot: Annotated[
        bool, typer.Option("--plot", help="Plot the trajectory: {stem}-trajectory.png.")
    ] = False,
    decoder: Annotated[
        str, typer.Option(help="Of sound fields to the ears: magls or loudspeakers.")
    ] = "magls",
    ambix: Ambix = None,
    convention: Convention = None,
    seed: Seed = 0,
    bit_depth: BitDepth = None,
    rate: Rate = None,
    name: Name = None,
    suffix: Format = None,
    downmix: Annotated[
        bool,
        typer.Option("--downmix", help="Downmix stereo inputs; without it, two loudspeakers."),
    ] = False,
    device: Device = "auto",
    jobs: FileJobs = None,
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    dry_run: DryRun = False,
    json_output: Json = False,
    quiet: Quiet = False,
) -> None:
    """Render sounds around the listener's head, for headphones, or as ambisonics."""
    from soundstage.binaural.binaural_jobs import BinauralWork, plan_jobs
    from soundstage.binaural.listener_options import ListenerOptions, place_and_file
    from soundstage.binaural.render_options import (
        NeuralOptions,
        RenderOptions,
        check_decoder,
        renderer_for,
    )
    from soundstage.binaural.room.shoebox import room_of
    from soundstage.binaural.trajectory_options import TrajectoryOptions
    from soundstage.cli.batch import print_plan, processes_for, run_files

    decoding = check_decoder(decoder)
    place, pose = place_and_file(listener or ())
    head = ListenerOptions(yaw, pitch, roll, pose)
    options = TrajectoryOptions(azimuth, elevation, distance, trajectory, orbit, fly_by, approach)
    own_weights = tuple(map(str, weights or ()))
    work = BinauralWork(
        renderer_for(method, own_weights),
        RenderOptions(hrtf, room_of(room, rt60, place), nearest, air, seed, ambix, decoding),
        NeuralOptions(own_weights, steps, temperature),
        device=device,
        tail=tail,
        bit_depth=bit_depth,
        rate=rate,
        convention=convention,
        overwrite=overwrite,
        skip_existing=skip_existing,
    )
    plan = plan_jobs(
        inputs,
        output,
        options,
        downmix=downmix,
        name=name,
        suffix=suffix,
        plot=plot,
        listener=head,
        ambix=ambix,
        convention=convention,
    )
    if dry_run:
        rows = (_planned(job, skip_existing=skip_existing) for job in plan.jobs)
        print_plan(rows, plan.skipped, json_output=json_output)
        return
    runner = _Runner(work)
    run_files(
        runner.load,
        plan.jobs,
        [job.source for job in plan.jobs],
        records=lambda result: [result[0]],
        show=lambda result: say(*map(in_flags, result[1])),
        jobs=processes_for(len(plan.jobs), jobs, device),
        check=runner.check,
        skipped=plan.skipped,
        json_output=json_output,
        quiet=quiet,
    )


@dataclass(frozen=True)
class _Runner:
    """Renders a job and plots its trajectory; returns the report for JSON, and lines to print."""

    work: "BinauralWork"

    def check(self, job: "Job") -> "Skipped | None":
        skipped = self.work.check(job)
        if job.picture and not skipped:
            self._top_view(job.picture)
        return skipped

    def load(self) -> "Work[Job, tuple[dict[str, Any], list[str]]]":
        render = self.work.load()

        def run(job: "Job", progress: "Progress") -> tuple[dict[str, Any], list[str]]:
            report = render(job, progress)
            values = {"source": str(job.source)} | report.as_dict()
            lines = report.lines()
            if job.picture:
                scene = job.scene()
                room = self.work.options_of(scene).room
                self._top_view(job.picture).draw(
                    scene.sources, room, title=job.source.name, listener=scene.listener
                )
                values["picture"] = str(job.picture)
                lines.append(f"{job.picture}: trajectory")
            return values, lines

        return run

    def _top_view(self, picture: Path) -> "TopView":
        from soundstage.evaluation.plots.top_view import TopView

        return TopView(picture, overwrite=self.work.overwrite)


def _planned(job: "Job", *, skip_existing: bool) -> Iterator[tuple[dict[str, Any], str]]:
    """What is planned, for JSON and as lines."""
    exists = skip_existing and job.target.exists()
    record = {"status": "skipped" if exists else "planned"}
    record |= {"source": str(job.source), "target": str(job.target)}
    if job.picture and not exists:
        record["picture"] = str(job.picture)
    yield record, f"{job.source} -> {job.target}" + ("  (exists)" if exists else "")
    if job.picture and not exists:
        yield {}, f"{job.picture}  (trajectory)"
