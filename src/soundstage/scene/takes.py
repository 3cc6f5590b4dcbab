"""Takes: several results of one prompt, each with its scene file, stems and picture.

Takes differ by their seeds: other recordings or other noise, and other reverberation. The files of
one take are named after the events, or after the output, with the number of the take if there are
several: out-1.wav, out-1.json, stems/take-1/.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from soundstage.ambisonics.conventions import DEFAULT_CONVENTION, field_label
from soundstage.ambisonics.field_formats import field_mark
from soundstage.atomic_files import check_target
from soundstage.audio import SoundFormat, output_format, supported_rate
from soundstage.audio.formats import check_limits
from soundstage.audio.name_templates import SEPARATORS
from soundstage.errors import OptionError
from soundstage.scene.options import RATE

MAX_STEM = 60  # characters of a file name from a prompt
DEFAULT_SUFFIX = ".wav"
STEMS = "{stem}-stems"
"""Folder of the stems of a scene file, if none is named."""


@dataclass(frozen=True)
class Take:
    """The files of one take.

    Attributes:
        seed: of the take.
        target: the sound.
        scene: the scene file; None for none.
        stems: folder of the dry stems; None for none.
        picture: None for none.
    """

    seed: int
    target: Path
    scene: Path | None = None
    stems: Path | None = None
    picture: Path | None = None

    @property
    def source(self) -> Path:
        """Names the take in messages."""
        return self.target

    def check(self, *, overwrite: bool) -> None:
        """Refuse files that cannot be written, before any work.

        Raises:
            OutputError: a file exists, or its folder cannot be written.
        """
        for path in (self.target, self.scene, self.picture):
            if path is not None:
                check_target(path, overwrite=overwrite)


def plan_takes(
    text: str,
    output: str | os.PathLike[str] | None,
    *,
    takes: int = 1,
    seed: int = 0,
    suffix: str | None = None,
    bit_depth: str | None = None,
    scene: Path | None = None,
    stems: Path | None = None,
    picture: Path | None = None,
    ambix: int | None = None,
    convention: str | None = None,
) -> list[Take]:
    """Name the files of the takes.

    Args:
        text: words of the events, for a file name.
        output: a file or a folder; None is the working folder.
        takes: how many.
        seed: of the first.
        suffix: of the sound, in a folder; by default .wav.
        bit_depth: to check that the format has it.
        scene: the scene file, .json.
        stems: folder of the dry stems; by default beside the scene file.
        picture: a .png file.
        ambix: order of an ambisonic field; the file is named so.
        convention: of the field; None is AmbiX.

    Raises:
        OptionError: a suffix cannot be written, or not with this bit depth.
        OutputError: the format does not hold the channels of the field.
    """
    kind = field_label(ambix, convention)
    label = f".{kind}" if kind else ""
    target = _target(text, output, suffix, label)
    form = output_format(SoundFormat("WAV", "PCM_24"), target.suffix, bit_depth)
    if ambix is not None:
        field = field_mark(ambix, convention or DEFAULT_CONVENTION)
        check_limits(target, form, supported_rate(form, RATE), field.channels, field=field)
    if scene is not None and scene.suffix.lower() != ".json":
        raise OptionError(f"{scene}: a scene file is JSON: use the suffix .json.")
    if scene is not None and stems is None:
        stems = scene.with_name(STEMS.format(stem=scene.stem))
    if takes == 1:
        return [Take(seed, target, scene, stems, picture)]
    return [
        Take(
            seed + number - 1,
            _numbered(target, number, label),
            None if scene is None else _numbered(scene, number),
            None if stems is None else stems / f"take-{number}",
            None if picture is None else _numbered(picture, number),
        )
        for number in range(1, takes + 1)
    ]


def slug(text: str, longest: int) -> str:
    """Words as a file name: letters and digits, joined by hyphens."""
    words = re.findall(r"\w+", text.lower())
    name = ""
    for word in words:
        if name and len(name) + len(word) >= longest:
            break
        name = f"{name}-{word}" if name else word[:longest]
    return name or "sound"


def _target(
    text: str, output: str | os.PathLike[str] | None, suffix: str | None, label: str
) -> Path:
    name = slug(text, MAX_STEM) + label
    name += DEFAULT_SUFFIX if suffix is None else "." + suffix.lstrip(".")
    if output is None:
        return Path(name)
    path = Path(output)
    if path.is_dir() or str(output).endswith(SEPARATORS) or not path.suffix:
        return path / name
    if suffix is not None and path.suffix.lower() != "." + suffix.lstrip(".").lower():
        raise OptionError(f"`output` is {path}: leave out `suffix`, which says {suffix}.")
    return path


def _numbered(path: Path, number: int, label: str = "") -> Path:
    """With a number before the suffix, and before the label of a field."""
    end = path.suffix
    if label and path.stem.endswith(label):
        end = label + end
    return path.with_name(f"{path.name.removesuffix(end)}-{number}{end}")
