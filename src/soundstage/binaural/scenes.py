"""Sources of a binaural scene: sounds with a position or a trajectory around the head.

A scene is a JSON file such as

    {"sources": [
        {"file": "voice.wav", "azimuth": 30},
        {"file": "steps.flac", "trajectory": "steps.csv", "gain": -6, "start": 2.5}
    ]}

`azimuth` and `elevation` are in degrees and `distance` in meters; `trajectory` is a trajectory
file; `gain` is in dB; `start` is in seconds; `downmix` is true to fold stereo down. Only the file
is required. Times of a trajectory count from the start of the scene. File names are relative to the
scene.

A stereo file without a position is rendered as two loudspeakers at 30 degrees to either side.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from soundstage.audio import SoundReader, StreamResampler, open_sound
from soundstage.audio import Source as AudioSource
from soundstage.binaural.presets import RADIUS, constant
from soundstage.binaural.trajectories import FARTHEST, NEAREST, Trajectory
from soundstage.binaural.trajectory_files import read_trajectory
from soundstage.errors import InputError, OptionError, quoted
from soundstage.stereo import is_dual_mono
from soundstage.text_files import TextKind, read_json

LOUDSPEAKERS = 30.0  # degrees
LOUDSPEAKER_GAIN = 0.5**0.5  # two loudspeakers, added in power, are as loud as one
READ_FRAMES = 1 << 16  # per block
MAX_SOURCES = 64
MAX_NAME = 1000  # characters of the name of a file
MAX_START = 86_400.0  # s, a day
KIND = TextKind("a scene", 1_000_000)  # bytes
RANGES = {  # minimum, maximum and default of the values of a source
    "azimuth": (-360.0, 360.0, 0.0),
    "elevation": (-90.0, 90.0, 0.0),
    "distance": (NEAREST, FARTHEST, RADIUS),
    "gain": (-100.0, 40.0, 0.0),
    "start": (0.0, MAX_START, 0.0),
}
POSITION = ("azimuth", "elevation", "distance")
FIELDS = ("file", *POSITION, "trajectory", "gain", "start", "downmix")


@dataclass(frozen=True)
class Source:
    """A sound and its trajectory.

    Attributes:
        sound: an open sound.
        trajectory: in the time of the scene.
        channel: the channel to render; None is the mean of all.
        gain: linear.
        start: in seconds of the scene, up to a day.

    Raises:
        OptionError: the gain is not finite, or the start is out of its range.
    """

    sound: SoundReader
    trajectory: Trajectory
    channel: int | None = None
    gain: float = 1.0
    start: float = 0.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.gain):
            raise OptionError(f"The gain of a source must be finite, not {self.gain:g}.")
        if not 0 <= self.start <= MAX_START:
            raise OptionError(
                f"The start of a source is 0 to {MAX_START:,g} s, not {self.start:g}."
            )

    def blocks(self, rate: int) -> Iterator[Float32[np.ndarray, " frames"]]:
        """The sound at a sample rate, after silence until its start."""
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
        """Time of its end; None if the file does not state its length."""
        return None if self.sound.seconds is None else self.start + self.sound.seconds


def sources_of(
    source: AudioSource,
    trajectory: Trajectory | None = None,
    *,
    downmix: bool = False,
    gain: float = 1.0,
    start: float = 0.0,
) -> list[Source]:
    """The sources of a sound: one for mono, two loudspeakers for stereo.

    Args:
        source: whatever `open_sound` takes, with one or two channels.
        trajectory: None puts mono ahead and stereo on two loudspeakers.
        downmix: fold stereo down to one source.
        gain: linear.
        start: in seconds.

    Raises:
        InputError: the sound cannot be read, has more than two channels, or is stereo with one
            trajectory for both channels.
    """
    sound = open_sound(source)
    if sound.channels > 2:
        raise InputError(
            f"{sound.name} has {sound.channels} channels; a source has one: export one channel or "
            "a stereo version."
        )
    if sound.channels == 1 or downmix or (trajectory is not None and is_dual_mono(sound)):
        return [Source(sound, trajectory or constant(0.0), None, gain, start)]
    if trajectory is not None:
        raise InputError(
            f"{sound.name} is stereo, but a position or trajectory is for one channel: fold it "
            "down with `downmix`, or leave the position out for two loudspeakers."
        )
    return [
        Source(sound, constant(azimuth), channel, gain * LOUDSPEAKER_GAIN, start)
        for channel, azimuth in enumerate((LOUDSPEAKERS, -LOUDSPEAKERS))
    ]


def read_scene(path: str | Path) -> list[Source]:
    """Read the sources of a scene file.

    Raises:
        InputError: the scene or a file in it cannot be used; names the source.
    """
    path, sources = Path(path), []
    for number, entry in enumerate(_entries(path), start=1):
        try:
            sources += _sources(path.parent, entry)
        except (InputError, OptionError) as error:
            raise InputError(f"{path}, source {number}: {error}") from error
    return sources


def _entries(path: Path) -> list[Any]:
    scene = read_json(path, KIND)
    if not isinstance(scene, dict) or not isinstance(scene.get("sources"), list) or len(scene) > 1:
        raise InputError(f'{path}: a scene is an object with "sources" and nothing else.')
    if not 1 <= len(scene["sources"]) <= MAX_SOURCES:
        raise InputError(
            f"{path}: a scene has 1 to {MAX_SOURCES} sources, not {len(scene['sources']):,}."
        )
    return scene["sources"]


def _sources(folder: Path, entry: Any) -> list[Source]:
    if not isinstance(entry, dict):
        raise InputError(f"a source is an object such as {{...}}, not {quoted(entry)}.")
    for name in entry:
        if name not in FIELDS:
            raise InputError(f"unknown {quoted(name)}; known: {', '.join(FIELDS)}.")
    position = [name for name in POSITION if name in entry]
    if position and "trajectory" in entry:
        raise InputError(f"has a trajectory and {' and '.join(position)}; leave out one of them.")
    downmix = entry.get("downmix", False)
    if not isinstance(downmix, bool):
        raise InputError(f"downmix must be true or false, not {quoted(downmix)}.")
    values = {name: _value(entry, name) for name in RANGES}
    file, trajectory = folder / _name(entry, "file"), None
    if "trajectory" in entry:
        trajectory = read_trajectory(folder / _name(entry, "trajectory"))
    elif position:
        trajectory = constant(*(values[name] for name in POSITION))
    gain = 10 ** (values["gain"] / 20)
    return sources_of(file, trajectory, downmix=downmix, gain=gain, start=values["start"])


def _name(entry: dict[str, Any], field: str) -> str:
    name = entry.get(field)
    if not isinstance(name, str) or len(name) > MAX_NAME:
        raise InputError(f"{field} must be the name of a file, not {quoted(name)}.")
    return name


def _value(entry: dict[str, Any], name: str) -> float:
    low, high, default = RANGES[name]
    value = entry.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{name} must be {low:g} to {high:,g}, not {quoted(value)}.")
    return float(value)
