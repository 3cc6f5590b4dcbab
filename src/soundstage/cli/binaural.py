"""`soundstage binaural`: sound files in, binaural files for headphones out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soundstage.cli.options import (
    BitDepth,
    Device,
    DryRun,
    FileJobs,
    Format,
    Json,
    Name,
    Output,
    Overwrite,
    Quiet,
    Seed,
)

if TYPE_CHECKING:
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
        str | None, typer.Option(help="Position of the head in the room, such as 2,2,1.5.")
    ] = None,
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
    seed: Seed = 0,
    bit_depth: BitDepth = None,
    name: Name = None,
    suffix: Format = None,
    downmix: Annotated[
        bool,
        typer.Option("--downmix", help="Downmix stereo inputs; without it, two loudspeakers."),
    ] = False,
    device: Device = "auto",
    jobs: FileJobs = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    json_output: Json = False,
    quiet: Quiet = False,
) -> None:
    """Render sounds around the listener's head, for headphones."""
    import json

    from soundstage.binaural.binaural_jobs import BinauralWork, plan_jobs
    from soundstage.binaural.render_options import (
        DEFAULT_RENDERER,
        NeuralOptions,
        RenderOptions,
    )
    from soundstage.binaural.room.shoebox import room_of
    from soundstage.binaural.trajectory_options import TrajectoryOptions
    from soundstage.cli.console import end, run_files

    options = TrajectoryOptions(azimuth, elevation, distance, trajectory, orbit, fly_by, approach)
    work = BinauralWork(
        method or DEFAULT_RENDERER,
        RenderOptions(hrtf, room_of(room, rt60, listener), nearest, air, seed),
        NeuralOptions(tuple(map(str, weights or ())), steps, temperature),
        device=device,
        tail=tail,
        bit_depth=bit_depth,
        overwrite=overwrite,
    )
    planned = plan_jobs(inputs, output, options, downmix=downmix, name=name, suffix=suffix)
    if dry_run:
        _print_plan(planned, json_output, plot=plot)
        return
    runner = _Runner(work, plot=plot)
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
        reports = [report for report, _ in done]
        failures = [failure._asdict() for failure in failed]
        print(json.dumps({"done": reports, "failed": failures}, indent=2))
    end(failed, len(planned), listed=not json_output)


@dataclass(frozen=True)
class _Runner:
    """Renders a job and plots its trajectory; returns the report for JSON, and lines to print."""

    work: "BinauralWork"
    plot: bool

    def check(self, job: "Job") -> None:
        from soundstage.atomic_files import check_target

        job.sources()
        check_target(job.target, overwrite=self.work.overwrite)
        if self.plot:
            self._top_view(job)

    def load(self) -> "Work[Job, tuple[dict[str, Any], list[str]]]":
        render = self.work.load()

        def run(job: "Job", progress: "Progress") -> tuple[dict[str, Any], list[str]]:
            report = render(job, progress)
            values, lines = report.as_dict(), [report.sentence()]
            if self.plot:
                room = self.work.options.room
                self._top_view(job).draw(job.sources(), room, title=job.source.name)
                values["picture"] = str(job.picture)
                lines.append(f"{job.picture}: trajectory")
            return values, lines

        return run

    def _top_view(self, job: "Job") -> "TopView":
        from soundstage.evaluation.plots.top_view import TopView

        return TopView(job.picture, overwrite=self.work.overwrite)


def _print_result(result: tuple[dict[str, Any], list[str]]) -> None:
    for line in result[1]:
        print(line)


def _print_plan(planned: "list[Job]", json_output: bool, *, plot: bool) -> None:
    import json

    if json_output:
        files = [
            {"source": str(job.source), "target": str(job.target)}
            | ({"picture": str(job.picture)} if plot else {})
            for job in planned
        ]
        print(json.dumps({"planned": files}, indent=2))
        return
    for job in planned:
        print(f"{job.source} -> {job.target}")
        if plot:
            print(f"{job.picture}  (trajectory)")
