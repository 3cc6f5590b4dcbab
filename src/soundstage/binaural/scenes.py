"""What is heard: sounds out of files, each with a place or a way around the head.

A scene is a JSON file such as

    {"sources": [
        {"file": "voice.wav", "azimuth": 30},
        {"file": "steps.flac", "path": "steps.csv", "gain": -6, "start": 2.5}
    ]}

with `azimuth` and `elevation` in degrees and `distance` in meters, or a `path`, which is a
trajectory file; `gain` in dB; `start` in seconds; and `downmix`, true to fold stereo down. All but
the file may be left out. Times of a path count from the start of the scene. Files are looked for
beside the scene.

A stereo file without a place is heard from two loudspeakers, 30 degrees to either side.
"""

import json
import math
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from soundstage.audio import SoundReader, StreamResampler, open_sound
from soundstage.binaural.presets import RADIUS, constant
from soundstage.binaural.trajectories import FARTHEST, NEAREST, Trajectory
from soundstage.binaural.trajectory_files import read_trajectory
from soundstage.errors import InputError, OptionError

LOUDSPEAKERS = 30.0  # degrees
LOUDSPEAKER_GAIN = 0.5**0.5  # so that two, whose powers add up in a room, are as loud as one
READ_FRAMES = 1 << 16  # read at a time
MOST_SOURCES = 64
LATEST = 86_400.0  # s, a day
LARGEST = 1_000_000  # bytes of a scene
RANGES = {  # of the numbers of a source, and what is taken where one is left out
    "azimuth": (-360.0, 360.0, 0.0),
    "elevation": (-90.0, 90.0, 0.0),
    "distance": (NEAREST, FARTHEST, RADIUS),
    "gain": (-100.0, 40.0, 0.0),
    "start": (0.0, LATEST, 0.0),
}
PLACE = ("azimuth", "elevation", "distance")
FIELDS = ("file", *PLACE, "path", "gain", "start", "downmix")
_ALIKE = 1e-6  # power of the difference of two channels over that of their sum, if they are alike


@dataclass(frozen=True)
class Source:
    """A sound and its way.

    Attributes:
        sound: the file.
        trajectory: in the time of the scene.
        channel: that is heard; None folds all down.
        gain: of amplitude.
        start: seconds of the scene after which it begins, up to a day.

    Raises:
        OptionError: the gain is not finite, or the start out of its range.
    """

    sound: SoundReader
    trajectory: Trajectory
    channel: int | None = None
    gain: float = 1.0
    start: float = 0.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.gain):
            raise OptionError(f"The gain of a source is a finite number, and not {self.gain:g}.")
        if not 0 <= self.start <= LATEST:
            raise OptionError(f"A source starts from 0 to {LATEST:,g} s, not at {self.start:g} s.")

    def blocks(self, rate: int) -> Iterator[Float32[np.ndarray, " frames"]]:
        """The sound at a rate, with silence before its start."""
        resampler = StreamResampler(self.sound.rate, rate, 1)
        silence = round(self.start * rate)
        for done in range(0, silence, READ_FRAMES):
            yield np.zeros(min(READ_FRAMES, silence - done), np.float32)
        for block in self.sound.blocks(READ_FRAMES):
            mono = block.mean(axis=0) if self.channel is None else block[self.channel]
            yield resampler.push((self.gain * mono)[None].astype(np.float32))[0]
        yield resampler.finish()[0]

    @property
    def seconds(self) -> float | None:
        """When it ends, where the file tells."""
        return None if self.sound.seconds is None else self.start + self.sound.seconds


def sources_of(
    path: str | Path,
    trajectory: Trajectory | None = None,
    *,
    downmix: bool = False,
    gain: float = 1.0,
    start: float = 0.0,
) -> list[Source]:
    """What a file is heard as.

    Args:
        path: any file that `open_sound` reads, of one channel or two.
        trajectory: None puts mono ahead and stereo on two loudspeakers.
        downmix: fold stereo down to one source.
        gain: of amplitude.
        start: in seconds.

    Raises:
        InputError: the file cannot be used, or is stereo and has one trajectory for both channels.
    """
    sound = open_sound(path)
    if sound.channels > 2:
        raise InputError(
            f"{path} has {sound.channels} channels, and a source has one: export one of them, or a "
            "stereo version."
        )
    folds = sound.channels == 1 or downmix or (trajectory is not None and _is_dual_mono(sound))
    if folds:
        return [Source(sound, trajectory or constant(0.0), None, gain, start)]
    if trajectory is not None:
        raise InputError(
            f"{path} is stereo, and a place or a way is for one channel: leave it out to hear two "
            "loudspeakers, or have the file folded down (--downmix)."
        )
    return [
        Source(sound, constant(azimuth), channel, gain * LOUDSPEAKER_GAIN, start)
        for channel, azimuth in enumerate((LOUDSPEAKERS, -LOUDSPEAKERS))
    ]


def read_scene(path: str | Path) -> list[Source]:
    """The sources of a scene file.

    Raises:
        InputError: the file, or one that it names, cannot be used; says which and where.
    """
    path, sources = Path(path), []
    for number, entry in enumerate(_entries(path), start=1):
        try:
            sources += _sources(path.parent, entry)
        except (InputError, OptionError) as error:
            raise InputError(f"{path}, source {number}: {error}") from error
    return sources


def _entries(path: Path) -> list[Any]:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its name.") from error
    if len(content) > LARGEST:
        raise InputError(f"{path} is larger than any scene: give a JSON file of sources.")
    try:
        scene = json.loads(content)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: is no JSON ({error.msg}).") from error
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path} is no JSON, or it is too deep: write it as UTF-8.") from error
    if not isinstance(scene, dict) or not isinstance(scene.get("sources"), list) or len(scene) > 1:
        raise InputError(f'{path}: a scene is an object with "sources" and nothing else.')
    if not 1 <= len(scene["sources"]) <= MOST_SOURCES:
        raise InputError(
            f"{path}: a scene has 1 to {MOST_SOURCES} sources, and not {len(scene['sources']):,}."
        )
    return scene["sources"]


def _sources(folder: Path, entry: Any) -> list[Source]:
    if not isinstance(entry, dict):
        raise InputError(f"it is an object such as {{...}}, and not {reprlib.repr(entry)}.")
    for name in entry:
        if name not in FIELDS:
            raise InputError(f"{reprlib.repr(name)} is none of {', '.join(FIELDS)}.")
    placed = [name for name in PLACE if name in entry]
    if placed and "path" in entry:
        raise InputError(f"it has a path and {' and '.join(placed)}; leave out one of the two.")
    downmix = entry.get("downmix", False)
    if not isinstance(downmix, bool):
        raise InputError(f"downmix is true or false, not {reprlib.repr(downmix)}.")
    numbers = {name: _number(entry, name) for name in RANGES}
    file, trajectory = folder / _name(entry, "file"), None
    if "path" in entry:
        trajectory = read_trajectory(folder / _name(entry, "path"))
    elif placed:
        trajectory = constant(*(numbers[name] for name in PLACE))
    gain = 10 ** (numbers["gain"] / 20)
    return sources_of(file, trajectory, downmix=downmix, gain=gain, start=numbers["start"])


def _name(entry: dict[str, Any], field: str) -> str:
    name = entry.get(field)
    if not isinstance(name, str):
        raise InputError(f"{field} is the name of a file, not {reprlib.repr(name)}.")
    return name


def _number(entry: dict[str, Any], name: str) -> float:
    low, high, default = RANGES[name]
    value = entry.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(
            f"{name} is a number from {low:g} to {high:,g}, not {reprlib.repr(value)}."
        )
    return float(value)


def _is_dual_mono(sound: SoundReader) -> bool:
    """Whether both channels sound the same; reads the file once."""
    apart = together = 0.0
    for left, right in sound.blocks(READ_FRAMES):
        apart += float(((left - right) ** 2).sum(dtype=np.float64))
        together += float(((left + right) ** 2).sum(dtype=np.float64))
    return apart <= _ALIKE * together
