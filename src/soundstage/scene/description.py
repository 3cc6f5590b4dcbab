"""Scene descriptions: events with places, motion and order, and a room; as values and as JSON.

    {
      "version": 1,
      "text": "a dog barking behind me, then rain all around, in a large hall",
      "room": "large hall",
      "events": [
        {"text": "dog barking", "azimuth": 180.0},
        {"text": "rain", "around": true, "after": 0}
      ]
    }

A direction, distance or start that the prompt does not state is None, and the layout chooses it.
Azimuth is in degrees counter-clockwise from ahead (90 is
left), elevation in degrees up, distance in meters from the center of the head.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from itertools import pairwise
from typing import Any, NamedTuple

from soundstage.binaural.trajectories import FARTHEST, NEAREST
from soundstage.errors import OptionError, quoted

VERSION = 1
MAX_EVENTS = 32
MAX_WAYPOINTS = 64
MAX_COUNT = 12
"""Largest number of sounds of an event, as in "twelve dogs"."""
MAX_SECONDS = 3600.0
MAX_WORDS = 200  # characters of the text of an event
MAX_TEXT = 2000  # characters of a prompt
MAX_AZIMUTH = 36_000.0  # degrees: a hundred turns of an orbit
MIN_GAIN, MAX_GAIN = -60.0, 24.0  # dB
ROOM_NAMES = (
    "outdoors",
    "forest",
    "street",
    "studio",
    "bathroom",
    "small room",
    "room",
    "large room",
    "hall",
    "large hall",
    "church",
    "cathedral",
    "stairwell",
    "garage",
    "tunnel",
    "cave",
)


class Understood(NamedTuple):
    """Words of a prompt and their meaning, for the user."""

    words: str
    """As they stand in the prompt."""
    meaning: str
    """Such as "135° counter-clockwise: behind on the left, half past 7"."""


@dataclass(frozen=True)
class Waypoint:
    """A point of a trajectory.

    Raises:
        OptionError: a value is of a wrong type or out of its range.
    """

    share: float
    """Its time, as a share of the duration of the event, 0 to 1."""
    azimuth: float
    """Not wrapped: an orbit goes on from 360 to 720."""
    elevation: float = 0.0
    distance: float = 1.5

    def __post_init__(self) -> None:
        _check_number(self, "share", 0, 1)
        _check_number(self, "azimuth", -MAX_AZIMUTH, MAX_AZIMUTH)
        _check_number(self, "elevation", -90, 90)
        _check_number(self, "distance", NEAREST, FARTHEST)


@dataclass(frozen=True)
class SceneEvent:
    """A sound event with its place, time and level.

    Raises:
        OptionError: a value is of a wrong type or out of its range, or values contradict.
    """

    text: str
    """Words of the event only, such as "dog barking"."""
    azimuth: float | None = None
    """None if not said."""
    elevation: float = 0.0
    distance: float | None = None
    """None if not said."""
    trajectory: tuple[Waypoint, ...] = ()
    """Of a moving event, which has no azimuth, elevation or distance beside it."""
    along_sphere: bool = False
    """Azimuth, elevation and distance are interpolated between the waypoints, not the position."""
    around: bool = False
    """Diffuse, from all sides."""
    gain_db: float = 0.0
    start: float | None = None
    """In seconds of the scene; with `after`, from the end of that event."""
    after: int | None = None
    """Index of an earlier event: this one starts at its end, or a moment after the start of a
    continuous one."""
    seconds: float | None = None
    """Duration; None if not said."""
    loop: bool = False
    """Continuous through the scene."""
    count: int = 1
    """Number of sounds of this kind, near each other."""

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not 0 < len(self.text.strip()) <= MAX_WORDS:
            raise OptionError(
                f"the text of an event must have 1 to {MAX_WORDS} characters, not "
                f"{quoted(self.text)}."
            )
        _check_number(self, "azimuth", -360, 360, optional=True)
        _check_number(self, "elevation", -90, 90)
        _check_number(self, "distance", NEAREST, FARTHEST, optional=True)
        _check_number(self, "gain_db", MIN_GAIN, MAX_GAIN)
        _check_number(self, "start", 0, MAX_SECONDS, optional=True)
        _check_number(self, "seconds", 0.01, MAX_SECONDS, optional=True)
        _check_integer(self, "count", 1, MAX_COUNT)
        if self.after is not None:
            _check_integer(self, "after", 0, MAX_EVENTS - 1)
        for name in ("along_sphere", "around", "loop"):
            if not isinstance(getattr(self, name), bool):
                raise OptionError(
                    f"{name} must be true or false, not {quoted(getattr(self, name))}."
                )
        object.__setattr__(self, "trajectory", tuple(self.trajectory))
        self._check_trajectory()

    def _check_trajectory(self) -> None:
        shares = [waypoint.share for waypoint in self.trajectory]
        if len(shares) > MAX_WAYPOINTS or len(shares) == 1:
            raise OptionError(f"a trajectory has 2 to {MAX_WAYPOINTS} waypoints.")
        if any(after <= before for before, after in pairwise(shares)):
            raise OptionError("the shares of a trajectory must increase.")
        places = [self.azimuth is not None, bool(self.trajectory), self.around]
        if sum(places) > 1:
            raise OptionError(
                f"{quoted(self.text)} has more than one of azimuth, trajectory and around: "
                "leave one."
            )

    def to_dict(self) -> dict[str, Any]:
        """Its values for JSON, without defaults."""
        values = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.default is MISSING or getattr(self, field.name) != field.default
        }
        if self.trajectory:
            values["trajectory"] = [asdict(waypoint) for waypoint in self.trajectory]
        return values


@dataclass(frozen=True)
class SceneDescription:
    """A scene as described: events, a room and a duration.

    Raises:
        OptionError: a value is of a wrong type or out of its range, or an event follows a
            later one.
    """

    events: tuple[SceneEvent, ...]
    room: str | None = None
    """One of `ROOM_NAMES`; None if not said."""
    seconds: float | None = None
    """None if not said."""
    text: str = ""
    """The prompt."""
    understood: tuple[Understood, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "events", tuple(self.events))
        object.__setattr__(self, "understood", tuple(self.understood))
        if not 1 <= len(self.events) <= MAX_EVENTS:
            raise OptionError(f"a scene has 1 to {MAX_EVENTS} events, not {len(self.events):,}.")
        if self.room is not None and self.room not in ROOM_NAMES:
            raise OptionError(
                f"room must be one of {', '.join(ROOM_NAMES)}, not {quoted(self.room)}."
            )
        _check_number(self, "seconds", 0.01, MAX_SECONDS, optional=True)
        if not isinstance(self.text, str) or len(self.text) > MAX_TEXT:
            raise OptionError(f"text must have at most {MAX_TEXT:,} characters.")
        for index, event in enumerate(self.events):
            if event.after is not None and event.after >= index:
                raise OptionError(
                    f"{quoted(event.text)} is event {index} and can follow only an earlier one, "
                    f"not {event.after}."
                )

    def to_json(self) -> str:
        """The text of its file, with a line for each event."""
        head = {"version": VERSION, "text": self.text, "room": self.room, "seconds": self.seconds}
        head = {name: value for name, value in head.items() if value not in (None, "")}
        parts = [f'"{name}": {_compact(value)}' for name, value in head.items()]
        parts.append(_rows("events", [event.to_dict() for event in self.events]))
        if self.understood:
            parts.append(_rows("understood", [each._asdict() for each in self.understood]))
        return "{\n  " + ",\n  ".join(parts) + "\n}\n"

    @classmethod
    def from_json(cls, content: Any) -> "SceneDescription":
        """The description of the parsed content of a file.

        Args:
            content: such as `text_files.parse_json` returns.

        Raises:
            OptionError: a key is unknown or missing, or a value is wrong.
        """
        values = _checked_keys(content, "a scene", cls, required={"version"})
        version = values.pop("version")
        if isinstance(version, bool) or version != VERSION:
            raise OptionError(f"version must be {VERSION}, not {quoted(version)}.")
        values["events"] = tuple(_event(row) for row in _list(values, "events"))
        if "understood" in values:
            values["understood"] = tuple(_understood(row) for row in _list(values, "understood"))
        return cls(**values)


def _event(row: Any) -> SceneEvent:
    values = _checked_keys(row, "an event", SceneEvent)
    if "trajectory" in values:
        points = [
            _checked_keys(point, "a waypoint", Waypoint) for point in _list(values, "trajectory")
        ]
        values["trajectory"] = tuple(Waypoint(**point) for point in points)
    return SceneEvent(**values)


def _understood(row: Any) -> Understood:
    values = _checked_keys(row, "an entry of understood", None, required={"words", "meaning"})
    for name, value in values.items():
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise OptionError(f"{name} must be text, not {quoted(value)}.")
    return Understood(**values)


def _list(values: Mapping[str, Any], name: str) -> list[Any]:
    if not isinstance(values[name], list):
        raise OptionError(f"{name} must be a list, not {quoted(values[name])}.")
    return list(values[name])


def _checked_keys(
    content: Any, noun: str, kind: type | None, required: frozenset[str] | set[str] = frozenset()
) -> dict[str, Any]:
    """A copy of a mapping whose keys are the fields of a dataclass, and the required ones."""
    if not isinstance(content, dict):
        raise OptionError(f"{noun} must have keys and values in braces, not {quoted(content)}.")
    every = {field.name: field.default for field in fields(kind)} if kind else {}
    needed = set(required) | {name for name, default in every.items() if default is MISSING}
    for name in content:
        if name not in needed | every.keys():
            known = ", ".join(sorted(needed | every.keys()))
            raise OptionError(f"{noun} has no key {quoted(name)}: choose among {known}.")
    for name in sorted(needed - content.keys()):
        raise OptionError(f"{noun} needs the key '{name}'.")
    return dict(content)


def _check_number(
    owner: object, name: str, low: float, high: float, *, optional: bool = False
) -> None:
    """Replaces a number by its float."""
    value = getattr(owner, name)
    if optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise OptionError(f"{name} must be a number, not {quoted(value)}.")
    if not low <= value <= high:
        raise OptionError(f"{name} must be from {low:,g} to {high:,g}, not {quoted(value)}.")
    object.__setattr__(owner, name, float(value))


def _check_integer(owner: object, name: str, low: int, high: int) -> None:
    value = getattr(owner, name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise OptionError(f"{name} must be an integer from {low} to {high}, not {quoted(value)}.")


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _rows(name: str, rows: list[dict[str, Any]]) -> str:
    return f'"{name}": [\n    ' + ",\n    ".join(_compact(row) for row in rows) + "\n  ]"
