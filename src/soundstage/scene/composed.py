"""A scene that is ready to render: the content of its file, its stems, and what was decided."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from soundstage.atomic_files import check_target, write_atomically
from soundstage.audio import Audio
from soundstage.binaural import Scene, scene_from, scene_text
from soundstage.scene.description import SceneDescription
from soundstage.scene.event_sounds import EventSound
from soundstage.scene.takes import slug

BAND_LIMITED = 0.9  # of half the sample rate: sound that ends below it is reported
MAX_STEM_NAME = 40  # characters
TAGS = {"title": "title", "artist": "artist", "license": "copyright", "source": "comment"}
"""Tags of a stem, by the fields of a credit."""


@dataclass(frozen=True)
class PlacedEvent:
    """An event of a scene, with its place and time.

    Attributes:
        text: its words.
        place: in words.
        start: in seconds of the scene.
        end: in seconds of the scene.
        files: of its stems.
        level: of the event at the head, in dB of a sound of normal level at 1.5 m.
    """

    text: str
    place: str
    start: float
    end: float
    files: tuple[str, ...]
    level: float


@dataclass(frozen=True)
class ComposedScene:
    """A scene that is ready to render.

    Attributes:
        description: of the prompt.
        document: the content of its scene file.
        stems: dry sounds, by the names of their files.
        origins: where each stem comes from, by the same names.
        events: with places and times.
        notes: what was decided beyond the prompt, a line for each.
    """

    description: SceneDescription
    document: Mapping[str, Any]
    stems: Mapping[str, Audio]
    origins: Mapping[str, EventSound]
    events: tuple[PlacedEvent, ...]
    notes: tuple[str, ...] = field(default=())

    @cached_property
    def scene(self) -> Scene:
        """The scene, with its sounds in memory."""
        return scene_from(dict(self.document), "The scene", folder=Path(), sounds=self.stems)

    def scene_lines(self) -> list[str]:
        """What was decided, for the user."""
        lines = ["Scene:"]
        for event in self.events:
            lines.append(f"  {event.start:.1f} to {event.end:.1f} s  {event.text}: {event.place}")
            lines += [f"    {line}" for line in self._origins_of(event)]
        return lines + [f"  {note}" for note in (*self.notes, *self._bandwidth())]

    def credits(self) -> list[str]:
        """Titles, authors and licenses of the recordings in it, each once."""
        return credits_of(self.origins.values())

    def write(self, path: Path | None, folder: Path, *, overwrite: bool = False) -> list[Path]:
        """Write the stems, as floating-point WAV, and the scene file.

        Args:
            path: of the scene file; None writes the stems only.
            folder: of the stems.
            overwrite: whether existing files are replaced.

        Returns:
            The files.

        Raises:
            OutputError: a file exists, or cannot be written.
        """
        files = {name: folder / name for name in self.stems}
        for target in [*files.values(), *([path] if path else [])]:
            check_target(target, overwrite=overwrite)
        for name, audio in self.stems.items():
            audio.write(files[name], bit_depth="float", overwrite=overwrite, tags=self._tags(name))
        if path is None:
            return list(files.values())
        document = dict(self.document)
        document["sources"] = [
            source | {"file": _relative(files[source["file"]], path)}
            for source in document["sources"]
        ]
        if str(document.get("hrtf", "")).lower().endswith(".sofa"):
            document["hrtf"] = _relative(Path(document["hrtf"]), path)
        write_atomically(path, scene_text(document), overwrite=overwrite)
        return [*files.values(), path]

    def _tags(self, name: str) -> dict[str, str]:
        origin = self.origins[name]
        tags = {"title": origin.title}
        return tags | {TAGS[key]: text for key, text in origin.credit.items() if key in TAGS}

    def _origins_of(self, event: PlacedEvent) -> list[str]:
        origins = [self.origins[name] for name in event.files]
        return list(dict.fromkeys(f"{origin.source}: {_credit(origin)}" for origin in origins))

    def _bandwidth(self) -> list[str]:
        rate = int(self.document["rate"])
        limits = {origin.bandwidth for origin in self.origins.values()}
        limited = sorted(each for each in limits if each < BAND_LIMITED * rate / 2)
        if not limited:
            return []
        which = "Its sounds contain" if len(limited) == len(limits) else "Some sounds contain only"
        return [f"{which} frequencies up to {limited[0] / 1000:g} kHz."]


def stem_name(number: int, text: str, copy: int | None) -> str:
    """The file name of a stem.

    >>> stem_name(1, "a dog, barking", None), stem_name(2, "rain", 3)
    ('1-a-dog-barking.wav', '2-rain-3.wav')
    """
    name = slug(text, MAX_STEM_NAME)
    return f"{number}-{name}.wav" if copy is None else f"{number}-{name}-{copy}.wav"


def credits_of(origins: Iterable[EventSound]) -> list[str]:
    """Titles, authors and licenses of recordings, each once."""
    return list(dict.fromkeys(_credit(origin) for origin in origins if origin.credit))


def _credit(origin: EventSound) -> str:
    credit = origin.credit
    artist = f" by {credit['artist']}" if credit.get("artist") else ""
    given = f" ({credit['license']})" if credit.get("license") else ""
    label = f"{origin.label}, " if origin.label else ""
    return f"{label}{origin.title}{artist}{given}"


def _relative(file: Path, scene: Path) -> str:
    """The path of a file from the folder of a scene file."""
    return Path(os.path.relpath(file, scene.parent)).as_posix()
