"""The systems of the fitness table, as a user gets them: with default controls."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from soundstage.audio import Audio
from soundstage.errors import OptionError, quoted
from soundstage.evaluation.complaints.sounds import Material, Mono
from soundstage.evaluation.ffmpeg_filters import FILTERS, filter_sound
from soundstage.stereo import RATE
from soundstage.upmixing import READY_METHODS, Report, Upmixer, find_method

PREFIX = "ffmpeg-"
Stereo = Float[np.ndarray, "2 frames"]


@dataclass
class Subject:
    """A method or a filter; every result is made once."""

    name: str
    material: Material
    upmixer: Upmixer | None = None
    """None for a filter of FFmpeg, which has no controls."""
    results: dict[tuple[object, ...], Stereo] = field(default_factory=dict)

    @property
    def is_filter(self) -> bool:
        """Whether it is a filter of FFmpeg."""
        return self.upmixer is None

    def upmix(self, name: str, mono: Mono, **controls: Any) -> Stereo:
        """The result for a sound.

        Args:
            name: of the sound; the result for a name is made once.
            mono: the sound, at 44.1 kHz.
            controls: of `Upmixer`; a filter has none.
        """
        key = (name, *sorted(controls.items()))
        if key not in self.results:
            self.results[key] = self._made(mono.astype(np.float32), controls)
        return self.results[key]

    def on_song(self, **controls: Any) -> Stereo:
        """The result for the song."""
        return self.upmix("song", self.material.song[0], **controls)

    def file(self, source: Path, target: Path, **options: Any) -> Report:
        """Write the result of a file; a filter cannot."""
        assert self.upmixer
        report: Report = self.upmixer.file(source, target, **options)
        return report

    def _made(self, mono: Float[np.ndarray, " frames"], controls: dict[str, Any]) -> Stereo:
        if self.upmixer:
            audio: Audio = self.upmixer((mono, RATE), **controls)
            return np.asarray(audio.samples, np.float64)
        assert not controls
        return filter_sound(self.name.removeprefix(PREFIX), mono, RATE).astype(np.float64)


def find_subjects(
    methods: Sequence[str] | None, material: Material, *, device: str = "auto"
) -> list[Subject]:
    """All systems of a table.

    Args:
        methods: names of methods, of your own ones too, and of FFmpeg's filters such as
            "ffmpeg-haas"; None for all pretrained methods and all filters.
        material: the sounds.
        device: of the methods.

    Raises:
        OptionError: a name is unknown, or comes twice.
    """
    filters = [PREFIX + name for name in FILTERS]
    names = [*READY_METHODS, *filters] if methods is None else list(methods)
    for name in names:
        if names.count(name) > 1:
            raise OptionError(f"The method {quoted(name)} is given twice.")
        if name.startswith(PREFIX) and name not in filters:
            raise OptionError(f"Unknown filter {quoted(name)}; choose from {', '.join(filters)}.")
        if name not in filters:
            find_method(name)
    return [
        Subject(name, material)
        if name in filters
        else Subject(find_method(name).name, material, Upmixer.from_pretrained(name, device=device))
        for name in names
    ]
