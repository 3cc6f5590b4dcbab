"""Scene files: sources, and the room and other settings that they are rendered with, as JSON.

    {"sources": [
        {"file": "voice.wav", "azimuth": 30},
        {"file": "steps.flac", "trajectory": "steps.csv", "gain": -6, "start": 2.5},
        {"file": "rain.wav", "loop": true, "fade_in": 0.5, "fade_out": 2}
     ],
     "seconds": 20,
     "room": {"size": [6, 4, 3], "rt60": 0.4}}

Of a source only the file is required:

    azimuth, elevation, distance   degrees, degrees and meters
    trajectory                     a trajectory file, or a list of its points
    gain, start                    dB, s
    length, loop                   cut the sound after this time in s, or repeat it until then; a
                                   loop without a length lasts until the end of the scene
    fade_in, fade_out              s
    downmix                        true folds stereo down
    binaural                       true sends both channels to the ears as they are
    convention                     of a sound field: "ambix", "n3d" or "fuma", unless it says so

Of the scene only the sources are required:

    seconds, loop                  length of the result in s; true if its end continues at its start
    rate, bit_depth                sample rate in Hz and bit depth, unless the user asks for others
    room                           size and optionally rt60 and listener, in meters and s
    listener                       pose of the head: yaw, pitch and roll in degrees and x, y and z
                                   in meters, or the trajectory of the head
    hrtf, air, seed                HRTF set, air absorption, seed of the late reverberation
    tags                           of the result, such as {"title": "..."}

Times of a trajectory count from the start of the scene, positions from the listener's head, or from
its place in the room if the scene has a listener. File names are relative to the scene.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from soundstage.ambisonics.conventions import check_convention
from soundstage.audio import Audio, open_sound
from soundstage.audio import Source as AudioSource
from soundstage.audio.formats import BIT_DEPTHS
from soundstage.binaural.listener import Listener
from soundstage.binaural.presets import RADIUS, constant
from soundstage.binaural.render_options import RenderOptions
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.binaural.scenes import MAX_START, Scene, Source, sources_of
from soundstage.binaural.trajectories import FARTHEST, NEAREST, Trajectory
from soundstage.binaural.trajectory_files import (
    listener_of_points,
    read_listener,
    read_trajectory,
    trajectory_of_points,
)
from soundstage.errors import InputError, OptionError, quoted
from soundstage.text_files import TextKind, read_json

MAX_SOURCES = 64
MAX_NAME = 1000  # characters of the name of a file
MAX_SEED = 2**63 - 1
KIND = TextKind("a scene", 1_000_000)  # bytes
RANGES = {  # minimum, maximum and default of the values of a source
    "azimuth": (-360.0, 360.0, 0.0),
    "elevation": (-90.0, 90.0, 0.0),
    "distance": (NEAREST, FARTHEST, RADIUS),
    "gain": (-100.0, 40.0, 0.0),
    "start": (0.0, MAX_START, 0.0),
    "length": (0.0, MAX_START, 0.0),
    "fade_in": (0.0, MAX_START, 0.0),
    "fade_out": (0.0, MAX_START, 0.0),
}
POSITION = ("azimuth", "elevation", "distance")
FLAGS = ("downmix", "loop", "binaural")
FIELDS = ("file", "trajectory", "convention", *RANGES, *FLAGS)
SCENE_FIELDS = (
    *("sources", "seconds", "loop", "rate", "bit_depth"),
    *("room", "listener", "hrtf", "air", "seed", "tags"),
)
ROOM_FIELDS = ("size", "rt60", "listener")
ANGLES = ("yaw", "pitch", "roll")
PLACE = ("x", "y", "z")
TURN = 360.0  # degrees


def read_scene(path: str | Path) -> Scene:
    """Read a scene file.

    Raises:
        InputError: the scene or a file in it cannot be used; names the source.
    """
    return scene_from(read_json(Path(path), KIND), str(path), folder=Path(path).parent)


def scene_from(
    content: Any, name: str, *, folder: Path, sounds: Mapping[str, Audio] | None = None
) -> Scene:
    """The scene of the content of a scene file.

    Args:
        content: as JSON has it.
        name: of the file, which begins each message.
        folder: that file names are relative to.
        sounds: in memory, in place of files of these names.

    Raises:
        InputError: the scene or a file in it cannot be used; names the source.
    """
    if not isinstance(content, dict) or not isinstance(content.get("sources"), list):
        raise InputError(f'{name}: a scene is an object with a list of "sources".')
    entries = content["sources"]
    if not 1 <= len(entries) <= MAX_SOURCES:
        raise InputError(f"{name}: a scene has 1 to {MAX_SOURCES} sources, not {len(entries):,}.")
    try:
        shared = _shared(content, folder)
    except (InputError, OptionError) as error:
        raise InputError(f"{name}: {error}") from error
    sources: list[Source] = []
    around_head = "listener" not in shared
    for number, entry in enumerate(entries, start=1):
        try:
            sources += _sources(
                entry, shared.get("seconds"), folder, sounds or {}, around_head=around_head
            )
        except (InputError, OptionError) as error:
            raise InputError(f"{name}, source {number}: {error}") from error
    try:
        return Scene(tuple(sources), **shared)
    except OptionError as error:
        raise InputError(f"{name}: {error}") from error


def scene_text(content: Mapping[str, Any]) -> str:
    """The text of a scene file, with a line for each source."""
    rows = ",\n  ".join(json.dumps(source, ensure_ascii=False) for source in content["sources"])
    shared = [
        f",\n {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in content.items()
        if name != "sources"
    ]
    return f'{{"sources": [\n  {rows}\n ]{"".join(shared)}\n}}\n'


def _shared(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What the sources of a scene share, as arguments of `Scene`."""
    _check_names(content, SCENE_FIELDS)
    shared: dict[str, Any] = {"loop": _flag(content, "loop")}
    if "seconds" in content:
        shared["seconds"] = _number("seconds", content["seconds"], 0.0, MAX_START)
    if "rate" in content:
        shared["rate"] = _whole("rate", content["rate"])
    if "bit_depth" in content:
        shared["bit_depth"] = str(content["bit_depth"])
        if shared["bit_depth"] not in BIT_DEPTHS:
            raise InputError(
                f"bit_depth must be {', '.join(BIT_DEPTHS)}, not {quoted(content['bit_depth'])}."
            )
    hrtf = None
    if "hrtf" in content:
        hrtf = _name(content, "hrtf")
        hrtf = str(folder / hrtf) if hrtf.lower().endswith(".sofa") else hrtf
    room = _room(content["room"]) if "room" in content else None
    if "listener" in content:
        shared["listener"] = _listener(content["listener"], folder)
    seed = _whole("seed", content.get("seed", 0))
    tags = content.get("tags", {})
    if not isinstance(tags, dict) or not all(isinstance(text, str) for text in tags.values()):
        raise InputError(f"tags must be names with texts, not {quoted(tags)}.")
    shared["tags"] = tags
    shared["options"] = RenderOptions(hrtf, room, air=_flag(content, "air"), seed=seed)
    return shared


def _room(content: Any) -> ShoeBox:
    if not isinstance(content, dict) or "size" not in content:
        raise InputError(f'a room is an object with a "size", not {quoted(content)}.')
    _check_names(content, ROOM_FIELDS)
    for name, value in content.items():
        values = value if isinstance(value, list) else [value]
        for each in values:
            _number(name, each, 0.0, MAX_START)
    return ShoeBox(content["size"], content.get("rt60"), content.get("listener"))


def _listener(content: Any, folder: Path) -> Listener:
    if not isinstance(content, dict) or not content:
        raise InputError(
            f'a listener is an object such as {{"yaw": 30}} or {{"trajectory": "pose.csv"}}, '
            f"not {quoted(content)}."
        )
    _check_names(content, ("trajectory", *ANGLES, *PLACE))
    if "trajectory" not in content:
        angles = {name: _number(name, content.get(name, 0.0), -TURN, TURN) for name in ANGLES}
        place = [_number(name, content.get(name, 0.0), -FARTHEST, FARTHEST) for name in PLACE]
        return Listener.turned(**angles, position=np.array(place))
    if len(content) > 1:
        others = " and ".join(name for name in content if name != "trajectory")
        raise InputError(f"the listener has a trajectory and {others}; leave out one of them.")
    if isinstance(content["trajectory"], list):
        return listener_of_points(content["trajectory"], "listener")
    return read_listener(folder / _name(content, "trajectory"))


def _sources(
    entry: Any,
    scene_end: float | None,
    folder: Path,
    sounds: Mapping[str, Audio],
    *,
    around_head: bool,
) -> list[Source]:
    if not isinstance(entry, dict):
        raise InputError(f"a source is an object such as {{...}}, not {quoted(entry)}.")
    _check_names(entry, FIELDS)
    position = [name for name in POSITION if name in entry]
    if position and "trajectory" in entry:
        raise InputError(f"has a trajectory and {' and '.join(position)}; leave out one of them.")
    flags = {name: _flag(entry, name) for name in FLAGS}
    values = {
        name: _number(name, entry.get(name, default), low, high)
        for name, (low, high, default) in RANGES.items()
    }
    trajectory = None
    if "trajectory" in entry:
        trajectory = _trajectory(entry, folder, around_head=around_head)
    elif position:
        trajectory = constant(*(values[name] for name in POSITION))
    length = values["length"] if "length" in entry else None
    if flags["loop"] and length is None and scene_end is not None:
        length = scene_end - values["start"]
    played: dict[str, Any] = {
        "length": length,
        "loop": flags["loop"],
        "fade_in": values["fade_in"],
        "fade_out": values["fade_out"],
    }
    gain, start = 10 ** (values["gain"] / 20), values["start"]
    file = _name(entry, "file")
    sound = open_sound(_opened(file, folder, sounds))
    if file in sounds:
        sound.name = file
    if flags["binaural"]:
        placed = trajectory or constant(0.0)
        source = Source(sound, placed, None, gain, start, is_binaural=True)
        return [replace(source, **played)]
    convention = None
    if "convention" in entry:
        convention = check_convention(str(entry["convention"]))
    sources = sources_of(
        sound,
        trajectory,
        downmix=flags["downmix"],
        gain=gain,
        start=start,
        convention=convention,
    )
    return [replace(source, **played) for source in sources]


def _opened(file: str, folder: Path, sounds: Mapping[str, Audio]) -> AudioSource:
    return sounds[file] if file in sounds else folder / file


def _trajectory(entry: dict[str, Any], folder: Path, *, around_head: bool) -> Trajectory:
    if isinstance(entry["trajectory"], list):
        points = entry["trajectory"]
        return trajectory_of_points(points, "trajectory", around_head=around_head)
    return read_trajectory(folder / _name(entry, "trajectory"), around_head=around_head)


def _check_names(content: dict[str, Any], known: tuple[str, ...]) -> None:
    for name in content:
        if name not in known:
            raise InputError(f"unknown {quoted(name)}; known: {', '.join(known)}.")


def _name(entry: dict[str, Any], field: str) -> str:
    name = entry.get(field)
    if not isinstance(name, str) or len(name) > MAX_NAME:
        raise InputError(f"{field} must be the name of a file, not {quoted(name)}.")
    return name


def _flag(entry: dict[str, Any], name: str) -> bool:
    value = entry.get(name, False)
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false, not {quoted(value)}.")
    return value


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEED:
        raise InputError(f"{name} must be a whole number from 0 on, not {quoted(value)}.")
    return value


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{name} must be {low:g} to {high:,g}, not {quoted(value)}.")
    return float(value)
