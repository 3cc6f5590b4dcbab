"""Batch rendering: planned jobs, one for each input file, and their execution."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

from soundstage.ambisonics.conventions import (
    DEFAULT_CONVENTION,
    check_convention,
    field_label,
)
from soundstage.audio import open_sound
from soundstage.audio.existing import (
    EXISTS,
    OWN_RESULT,
    Skipped,
    check_replaceable,
    missing_targets,
)
from soundstage.audio.name_templates import file_names
from soundstage.audio.output_names import distinct_paths, plan_outputs
from soundstage.binaural.binaural_files import FIELD_METHOD, BinauralReport, render_file
from soundstage.binaural.listener_options import ListenerOptions
from soundstage.binaural.render_options import (
    DEFAULT_RENDERER,
    NeuralOptions,
    RenderOptions,
    check_renderer,
)
from soundstage.binaural.renderers import Renderer, load_renderer
from soundstage.binaural.scene_files import read_scene
from soundstage.binaural.scenes import READ_FRAMES, Scene, check_fields, sources_of
from soundstage.binaural.trajectory_options import TrajectoryOptions
from soundstage.errors import OptionError
from soundstage.parallel import Progress, Work

NAME = "{stem}-binaural{ext}"
OWN_NAMES = "(.+)-binaural"
FIELD_NAME = "{{stem}}.{field}{{ext}}"
OWN_FIELD_NAMES = r"(.+)(?:-binaural|\.(?:ambix|n3d|fuma)[1-3])"
PLOT_NAME = "{stem}-trajectory.png"
SCENE = ".json"
MAX_RENDERERS = 4  # of scenes with options of their own, loaded at a time


@dataclass(frozen=True, slots=True)
class Job:
    """One file to render. Can be sent to another process.

    Attributes:
        source: a sound or a scene.
        target: the file to write.
        picture: file of the trajectory plot, beside the target; None for no plot.
        trajectory: options; none for a scene.
        downmix: fold stereo down.
        replaces_input: whether the target is among the inputs.
        listener: options of the head; those of a scene apply where there are none.
        convention: of a source that is a sound field; None is what the file says.
    """

    source: Path
    target: Path
    picture: Path | None
    trajectory: TrajectoryOptions
    downmix: bool
    replaces_input: bool = False
    listener: ListenerOptions = field(default_factory=ListenerOptions)
    convention: str | None = None

    def scene(self) -> Scene:
        """Open the sources.

        Raises:
            InputError: a file cannot be read.
            OptionError: the trajectory is impossible.
        """
        listener = self.listener.build()
        if self.source.suffix.lower() == SCENE:
            scene = read_scene(self.source)
            return scene if listener is None else replace(scene, listener=listener)
        options, trajectory = self.trajectory, None
        if options.is_set:
            around_head = listener is None
            trajectory = options.build(_seconds(self.source), around_head=around_head)
        sources = sources_of(
            self.source, trajectory, downmix=self.downmix, convention=self.convention
        )
        return Scene(sources, listener=listener)


@dataclass(frozen=True)
class Plan:
    """The jobs of a run."""

    jobs: list[Job]
    skipped: list[Skipped]
    """Files among the inputs that are results of an earlier run."""


def plan_jobs(
    inputs: Sequence[Path],
    output: str | os.PathLike[str] | None,
    trajectory: TrajectoryOptions,
    *,
    downmix: bool = False,
    name: str | None = None,
    suffix: str | None = None,
    plot: bool = False,
    listener: ListenerOptions | None = None,
    ambix: int | None = None,
    convention: str | None = None,
) -> Plan:
    """Plan one job for each input; reads no sound.

    Args:
        inputs: files, folders and scenes.
        output: a file, a folder, or None for beside each input.
        trajectory: of every input except scenes.
        downmix: fold stereo down.
        name: template with {stem} and {ext}.
        suffix: of the results; by default that of each input, .wav for a scene.
        plot: whether each input gets a trajectory plot beside its result.
        listener: options of the head, for every input.
        ambix: order of an ambisonic field in place of ear signals; named in its file.
        convention: of that field, one of `CONVENTIONS`, by default AmbiX; without it, of inputs
            that are sound fields, by default what they say.

    Raises:
        InputError: an input does not exist.
        OptionError: the template is not understood, the output is one file for several inputs, or a
            scene is combined with a trajectory, or there is no such order or convention.
    """
    default_name, own_names = NAME, OWN_NAMES
    if convention is not None:
        check_convention(convention)
    if label := field_label(ambix, None if ambix is None else convention):
        default_name, own_names = FIELD_NAME.format(field=label), OWN_FIELD_NAMES
    plan = plan_outputs(
        inputs, output, name=name, default_name=default_name, suffix=suffix, own_names=own_names
    )
    targets = [target for (target,) in plan.targets]
    pictures: Sequence[tuple[Path | None, ...]] = [(None,)] * len(targets)
    if plot:
        folders = [os.path.dirname(target) for target in targets]
        pictures = distinct_paths(plan.found, folders, file_names(PLOT_NAME))
    results = {*plan.results}
    jobs = [
        Job(
            found.path,
            target,
            picture,
            trajectory,
            downmix,
            replaces_input=target in results,
            listener=listener or ListenerOptions(),
            convention=convention if ambix is None else None,
        )
        for found, target, (picture,) in zip(plan.found, targets, pictures, strict=True)
    ]
    for job in jobs:
        if job.source.suffix.lower() == SCENE and (trajectory.is_set or downmix or job.convention):
            raise OptionError(
                f"{job.source}: a scene sets its own positions, downmix and conventions."
            )
    return Plan(jobs, [Skipped(str(path), [], OWN_RESULT) for path in plan.results])


@dataclass(frozen=True)
class BinauralWork:
    """Settings that all jobs share; `load` is for `parallel.run_jobs`.

    Attributes:
        method: one of `RENDERERS`.
        options: of `hrtf`; those of a scene apply where these are the defaults.
        neural: of a neural method.
        device: of a neural method.
        tail: see `render_file`.
        bit_depth: see `render_file`.
        rate: see `render_file`.
        convention: see `render_file`.
        overwrite: see `render_file`.
        skip_existing: whether results that exist are left as they are, without an error.

    Raises:
        OptionError: the method is unknown or has no such option.
    """

    method: str = DEFAULT_RENDERER
    options: RenderOptions = field(default_factory=RenderOptions)
    neural: NeuralOptions = field(default_factory=NeuralOptions)
    device: str = "auto"
    tail: bool = True
    bit_depth: str | None = None
    rate: int | None = None
    convention: str | None = None
    overwrite: bool = False
    skip_existing: bool = False

    def __post_init__(self) -> None:
        check_renderer(self.method, self.options, self.neural)
        if self.options.ambix is not None:
            field_label(self.options.ambix, self.convention)
        if self.skip_existing and self.overwrite:
            raise OptionError("`skip_existing` and `overwrite` exclude each other: choose one.")

    def check(self, job: Job) -> Skipped | None:
        """What can be said about a job without loading a renderer.

        Returns:
            Why there is nothing to do, or None.

        Raises:
            InputError: a source cannot be read.
            OptionError: the trajectory is impossible.
            OutputError: the result cannot be written, or an existing one is damaged.
        """
        if self.skip_existing and not missing_targets([job.target]):
            return Skipped(str(job.source), [str(job.target)], EXISTS)
        scene = job.scene()
        options = self.options_of(scene)
        check_renderer(self.method, options, self.neural)
        check_fields(scene, self.method, options)
        check_replaceable(
            job.source,
            [job.target],
            overwrite=self.overwrite,
            inputs=[job.target] if job.replaces_input else [],
        )
        return None

    def load(self) -> Work[Job, BinauralReport]:
        """Load the renderer and return the function that renders a job.

        Raises:
            OptionError: the device is unavailable.
            InputError: the HRTF set cannot be read.
            WeightsError: weights cannot be read, or belong to another method.
        """
        renderers = lru_cache(maxsize=MAX_RENDERERS)(self._renderer)
        renderers(self.options)
        return partial(self._run, renderers)

    def options_of(self, scene: Scene) -> RenderOptions:
        """The options that a scene is rendered with."""
        return self.options.over(scene.options)

    def _renderer(self, options: RenderOptions) -> Renderer:
        return load_renderer(self.method, options, self.neural, device=self.device)

    def _run(
        self, renderers: Callable[[RenderOptions], Renderer], job: Job, progress: Progress
    ) -> BinauralReport:
        scene = job.scene()
        return render_file(
            scene,
            job.target,
            renderers(self.options_of(scene)),
            method=self.method if self.options.ambix is None else FIELD_METHOD,
            tail=self.tail,
            bit_depth=self.bit_depth,
            rate=self.rate,
            convention=self.convention or DEFAULT_CONVENTION,
            overwrite=self.overwrite,
            progress=progress,
        )


def _seconds(path: Path) -> float:
    """Duration of a sound; decodes it if the file does not state its length."""
    sound = open_sound(path)
    if sound.seconds is not None:
        return sound.seconds
    return sum(block.shape[1] for block in sound.blocks(READ_FRAMES)) / sound.rate
