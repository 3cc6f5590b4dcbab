"""Several inputs in one run: what is to be written where, planned before anything is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from soundstage.audio import check_collisions, expand_inputs, open_sound, output_path
from soundstage.binaural.scenes import READ_FRAMES, Source, read_scene, sources_of
from soundstage.binaural.trajectory_options import Way
from soundstage.errors import OptionError

NAME = "{stem}-binaural{ext}"
NAME_OF_PICTURE = "{stem}-path.png"
SCENE = ".json"


@dataclass(frozen=True)
class Job:
    """One file to be written."""

    source: Path
    """A sound, or a scene."""
    target: Path
    picture: Path
    """Where its way is drawn, beside the result."""
    way: Way
    downmix: bool

    def sources(self) -> list[Source]:
        """What is to be heard.

        Raises:
            InputError: a file cannot be used.
            OptionError: the way cannot be.
        """
        if self.source.suffix.lower() == SCENE:
            return read_scene(self.source)
        trajectory = self.way.trajectory(_seconds(self.source)) if self.way.is_asked else None
        return sources_of(self.source, trajectory, downmix=self.downmix)


def plan_batch(
    inputs: Sequence[Path],
    output: str | None,
    way: Way,
    *,
    downmix: bool = False,
    name: str | None = None,
    suffix: str | None = None,
) -> list[Job]:
    """The jobs, one for every input.

    Args:
        inputs: files, folders and scenes.
        output: a file, a folder, or None for beside each input.
        way: of every input that is no scene.
        downmix: of stereo.
        name: template with {stem} and {ext}.
        suffix: of the results; by default that of each input, and .wav for a scene.

    Raises:
        InputError: an input does not exist.
        OptionError: the template has an unknown field, two results would have one name, or a scene
            is given a way, which its sources have.
        OutputError: a result would replace its own source.
    """
    sources = expand_inputs(inputs)
    targets = [output_path(source, output, name or NAME, suffix) for source in sources]
    jobs = [
        Job(source, target, picture, way, downmix)
        for source, target, picture in zip(
            sources, targets, _pictures(sources, targets), strict=True
        )
    ]
    for job in jobs:
        if job.source.suffix.lower() == SCENE and (way.is_asked or downmix):
            raise OptionError(f"{job.source}: the places of a scene stand in its file.")
    check_collisions([(job.source, job.target) for job in jobs])
    return jobs


def _seconds(path: Path) -> float:
    """How long a sound is; reads it once where nothing tells, as of a recorded stream."""
    sound = open_sound(path)
    if sound.seconds is not None:
        return sound.seconds
    return sum(block.shape[1] for block in sound.blocks(READ_FRAMES)) / sound.rate


def _pictures(sources: Sequence[Path], targets: Sequence[Path]) -> list[Path]:
    """Sources that differ in their suffix alone keep it in the name."""
    pairs = list(zip(sources, targets, strict=True))
    plain = [target.with_name(NAME_OF_PICTURE.format(stem=source.stem)) for source, target in pairs]
    return [
        path
        if plain.count(path) == 1
        else target.with_name(NAME_OF_PICTURE.format(stem=source.name))
        for path, (source, target) in zip(plain, pairs, strict=True)
    ]
