"""Batch rendering: planned jobs, one for each input file, and their execution."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from soundstage.audio import check_collisions, expand_inputs, open_sound, output_path
from soundstage.binaural.binaural_files import BinauralReport, render_file
from soundstage.binaural.render_options import (
    DEFAULT_RENDERER,
    NeuralOptions,
    RenderOptions,
    check_renderer,
)
from soundstage.binaural.renderers import Renderer, load_renderer
from soundstage.binaural.scenes import READ_FRAMES, Source, read_scene, sources_of
from soundstage.binaural.trajectory_options import TrajectoryOptions
from soundstage.errors import OptionError
from soundstage.parallel import Progress, Work

NAME = "{stem}-binaural{ext}"
PLOT_NAME = "{stem}-trajectory.png"
SCENE = ".json"


@dataclass(frozen=True)
class Job:
    """One file to render. Can be sent to another process.

    Attributes:
        source: a sound or a scene.
        target: the file to write.
        picture: file of the trajectory plot, beside the target.
        trajectory: options; none for a scene.
        downmix: fold stereo down.
    """

    source: Path
    target: Path
    picture: Path
    trajectory: TrajectoryOptions
    downmix: bool

    def sources(self) -> list[Source]:
        """Open the sources.

        Raises:
            InputError: a file cannot be read.
            OptionError: the trajectory is impossible.
        """
        if self.source.suffix.lower() == SCENE:
            return read_scene(self.source)
        options = self.trajectory
        trajectory = options.build(_seconds(self.source)) if options.is_set else None
        return sources_of(self.source, trajectory, downmix=self.downmix)


def plan_jobs(
    inputs: Sequence[Path],
    output: str | None,
    trajectory: TrajectoryOptions,
    *,
    downmix: bool = False,
    name: str | None = None,
    suffix: str | None = None,
) -> list[Job]:
    """Plan one job for each input; reads no sound.

    Args:
        inputs: files, folders and scenes.
        output: a file, a folder, or None for beside each input.
        trajectory: of every input except scenes.
        downmix: fold stereo down.
        name: template with {stem} and {ext}.
        suffix: of the results; by default that of each input, .wav for a scene.

    Raises:
        InputError: an input does not exist.
        OptionError: the template has an unknown field, two results have the same name, or a scene
            is combined with a trajectory.
        OutputError: a result would replace its own source.
    """
    sources = expand_inputs(inputs)
    targets = [output_path(source, output, name or NAME, suffix) for source in sources]
    jobs = [
        Job(source, target, picture, trajectory, downmix)
        for source, target, picture in zip(
            sources, targets, _pictures(sources, targets), strict=True
        )
    ]
    for job in jobs:
        if job.source.suffix.lower() == SCENE and (trajectory.is_set or downmix):
            raise OptionError(f"{job.source}: a scene sets its own positions and downmix.")
    check_collisions([(job.source, job.target) for job in jobs])
    return jobs


@dataclass(frozen=True)
class BinauralWork:
    """Settings that all jobs share; `load` is for `parallel.run_jobs`.

    Attributes:
        method: one of `RENDERERS`.
        options: of `hrtf`.
        neural: of a neural method.
        device: of a neural method.
        tail: see `render_file`.
        bit_depth: see `render_file`.
        overwrite: see `render_file`.

    Raises:
        OptionError: the method is unknown or has no such option.
    """

    method: str = DEFAULT_RENDERER
    options: RenderOptions = field(default_factory=RenderOptions)
    neural: NeuralOptions = field(default_factory=NeuralOptions)
    device: str = "auto"
    tail: bool = True
    bit_depth: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_renderer(self.method, self.options, self.neural)

    def load(self) -> Work[Job, BinauralReport]:
        """Load the renderer and return the function that renders a job.

        Raises:
            OptionError: the device is unavailable.
            InputError: the HRTF set cannot be read.
            WeightsError: weights cannot be read, or belong to another method.
        """
        renderer = load_renderer(self.method, self.options, self.neural, device=self.device)
        return partial(self._run, renderer)

    def _run(self, renderer: Renderer, job: Job, progress: Progress) -> BinauralReport:
        return render_file(
            job.sources(),
            job.target,
            renderer,
            method=self.method,
            tail=self.tail,
            bit_depth=self.bit_depth,
            overwrite=self.overwrite,
            progress=progress,
        )


def _seconds(path: Path) -> float:
    """Duration of a sound; decodes it if the file does not state its length."""
    sound = open_sound(path)
    if sound.seconds is not None:
        return sound.seconds
    return sum(block.shape[1] for block in sound.blocks(READ_FRAMES)) / sound.rate


def _pictures(sources: Sequence[Path], targets: Sequence[Path]) -> list[Path]:
    """Picture files; sources that differ in their suffix only keep it in the name."""
    pairs = list(zip(sources, targets, strict=True))
    plain = [target.with_name(PLOT_NAME.format(stem=source.stem)) for source, target in pairs]
    return [
        path if plain.count(path) == 1 else target.with_name(PLOT_NAME.format(stem=source.name))
        for path, (source, target) in zip(plain, pairs, strict=True)
    ]
