"""Generating the takes of one description, each with its files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundstage.binaural import BinauralReport
from soundstage.parallel import Progress
from soundstage.scene.api import SceneGenerator
from soundstage.scene.composed import ComposedScene
from soundstage.scene.description import SceneDescription
from soundstage.scene.takes import Take

COMPOSING = 0.3  # share of the progress before rendering


@dataclass(frozen=True)
class TakeReport:
    """Result of a take."""

    take: Take
    composed: ComposedScene
    rendered: BinauralReport
    stems: Sequence[Path]
    """The stems, and the scene file last, if there is one."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        values: dict[str, Any] = {"prompt": self.composed.description.text, "seed": self.take.seed}
        values |= self.rendered.as_dict()
        values["events"] = [
            {"text": event.text, "place": event.place, "start": event.start, "end": event.end}
            for event in self.composed.events
        ]
        values["notes"] = list(self.composed.notes)
        values["credits"] = self.composed.credits()
        for name in ("scene", "stems", "picture"):
            path = getattr(self.take, name)
            if path is not None:
                values[name] = str(path)
        return values

    def lines(self) -> list[str]:
        """Lines for people."""
        first, *rest = self.rendered.lines()
        lines = [
            *self.composed.scene_lines(),
            first,
            *(line for line in rest if "carried" not in line),
        ]
        if self.take.scene is not None:
            lines.append(f"{self.take.scene}: the scene, for soundstage binaural")
        if self.take.stems is not None:
            lines.append(f"{self.take.stems}: {len(self.composed.stems)} dry stems")
        return lines


@dataclass(frozen=True)
class TakeWork:
    """Generates takes of one description.

    Attributes:
        description: of the prompt.
        generator: with its source loaded.
        overwrite: whether existing files are replaced.
    """

    description: SceneDescription
    generator: SceneGenerator
    overwrite: bool = False

    def __call__(self, take: Take, progress: Progress) -> TakeReport:
        """Generate a take; its files appear when they are complete, the sound first.

        Raises:
            SoundstageError: see `SceneGenerator.compose` and `render_file`.
        """
        composed = self.generator.compose(
            self.description, seed=take.seed, progress=lambda share: progress(COMPOSING * share)
        )
        rendered = self.generator.render_file(
            composed,
            take.target,
            overwrite=self.overwrite,
            progress=lambda share: progress(COMPOSING + (1 - COMPOSING) * share),
        )
        written: list[Path] = []
        if take.stems is not None:
            written = composed.write(take.scene, take.stems, overwrite=self.overwrite)
        return TakeReport(take, composed, rendered, written)
