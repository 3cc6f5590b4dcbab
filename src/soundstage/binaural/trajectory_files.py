"""Trajectory files of sources and heads: CSV, JSON, and tracked poses of binaural speech.

CSV columns or JSON keys, in any order:

    time                         seconds, ascending
    x, y, z                      meters; linear interpolation
    azimuth, elevation, radius   degrees and meters, instead of x, y, z; interpolation along the
                                 sphere; elevation defaults to 0, radius to 1.5
    qx, qy, qz, qw               orientation as a quaternion; optional
    yaw, pitch, roll             or as angles in degrees: yaw to the left, then pitch up, then roll
                                 to the right; each defaults to 0

A head has no azimuth, elevation and radius; x, y and z default to 0, the origin of the scene.

The first line of a CSV file has the column names. JSON is a list of objects, or an object with such
a list as `points`. A text file holds tracked poses, 120 a second (`binaural_speech_poses`).
"""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float

from soundstage.binaural.binaural_speech_poses import (
    POSE_RATE,
    from_tracked,
    head_from_tracked,
)
from soundstage.binaural.geometry import Poses, are_rotations, from_angles
from soundstage.binaural.listener import Listener
from soundstage.binaural.pose_trajectory import PointError, refuse_points
from soundstage.binaural.presets import RADIUS
from soundstage.binaural.trajectories import Trajectory
from soundstage.errors import InputError, quoted
from soundstage.text_files import TextKind, csv_lines, parse_json, read_text

T = TypeVar("T")

SUFFIXES = (".csv", ".json", ".txt")
KIND = TextKind("a trajectory", 64_000_000)  # bytes: two hours of poses
CARTESIAN = ("x", "y", "z")
SPHERICAL = ("azimuth", "elevation", "radius")
QUATERNION = ("qx", "qy", "qz", "qw")
ANGLES = ("yaw", "pitch", "roll")
DEFAULTS = {"elevation": 0.0, "radius": RADIUS, "yaw": 0.0, "pitch": 0.0, "roll": 0.0}


class _Body(NamedTuple):
    """What a file can have of a body."""

    places: Sequence[Sequence[str]]
    """Names of its coordinates: one group or the other."""
    defaults: Mapping[str, float]
    from_tracked: Callable[[Float[np.ndarray, "poses 7"]], Poses]

    @property
    def names(self) -> Sequence[str]:
        """All names."""
        return ("time", *(name for place in self.places for name in place), *QUATERNION, *ANGLES)


_SOURCE = _Body((CARTESIAN, SPHERICAL), DEFAULTS, from_tracked)
_HEAD = _Body((CARTESIAN,), DEFAULTS | dict.fromkeys(CARTESIAN, 0.0), head_from_tracked)


class _Table(NamedTuple):
    names: Sequence[str]
    values: Float[np.ndarray, "points columns"]
    unit: Literal["line", "point"]
    numbers: Sequence[int]
    """Line or point number of each point, for error messages."""

    def columns(self, names: Sequence[str]) -> Float[np.ndarray, "points columns"]:
        """The columns of these names, or their defaults."""
        given = dict(zip(self.names, self.values.T, strict=True))
        ones = np.ones(len(self.values))
        return np.stack([given.get(name, DEFAULTS.get(name, 0) * ones) for name in names], axis=1)


def read_trajectory(path: str | Path, *, around_head: bool = True) -> Trajectory:
    """Read a trajectory from a .csv, .json or .txt file; see the module for the formats.

    Args:
        path: of the file.
        around_head: see `Trajectory`.

    Raises:
        InputError: the file cannot be read, or is not a trajectory; names the line or point.
    """
    build = partial(_trajectory, around_head=around_head)
    return _checked(_read(Path(path), _SOURCE), str(path), build)


def read_listener(path: str | Path) -> Listener:
    """Read the pose of a head over time from a .csv, .json or .txt file.

    Raises:
        InputError: the file cannot be read, or is not a trajectory; names the line or point.
    """
    return _checked(_read(Path(path), _HEAD), str(path), _listener)


def trajectory_of_points(
    points: Sequence[Any], source: str, *, around_head: bool = True
) -> Trajectory:
    """The trajectory of a list of objects, as a JSON file has them.

    Args:
        points: for example [{"time": 0, "azimuth": 30}, {"time": 2, "azimuth": 90}].
        source: of the list, which begins each message.
        around_head: see `Trajectory`.

    Raises:
        InputError: the list is not a trajectory; names the point.
    """
    build = partial(_trajectory, around_head=around_head)
    return _checked(_from_points(points, source, _SOURCE), source, build)


def listener_of_points(points: Sequence[Any], source: str) -> Listener:
    """The pose of a head over time of a list of objects; see `trajectory_of_points`.

    Raises:
        InputError: the list is not a trajectory; names the point.
    """
    return _checked(_from_points(points, source, _HEAD), source, _listener)


def read_tracked(path: str | Path) -> Float[np.ndarray, "poses 7"]:
    """Read tracked poses of the speech data set, the input of `from_tracked`.

    Raises:
        InputError: the file cannot be read, or a line is not a pose; names the line.
    """
    return _tracked_poses(Path(path), _text(Path(path)))


def _read(path: Path, body: _Body) -> _Table:
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise InputError(
            f"{path}: a trajectory is a .csv or .json file, or tracked poses in a .txt."
        )
    return read(path, _text(path), body)


def _text(path: Path) -> str:
    text = read_text(path, KIND)
    if not text.strip():
        raise InputError(f"{path}: the file is empty.")
    return text


def _from_csv(path: Path, text: str, body: _Body) -> _Table:
    names: list[str] = []
    points, numbers = [], []
    for number, cells in csv_lines(text, str(path)):
        location = f"{path}, line {number}"
        if not names:
            names = [cell.strip().lower() for cell in cells]
            _check_names(location, names, body)
        elif len(cells) != len(names):
            raise InputError(f"{location}: {len(cells)} values for {len(names)} columns.")
        else:
            points.append(_floats(location, names, cells))
            numbers.append(number)
    if not points:
        raise InputError(f"{path}: the table has no points.")
    return _Table(names, np.array(points), "line", numbers)


def _from_json(path: Path, text: str, body: _Body) -> _Table:
    content = parse_json(text, str(path))
    points = content.get("points") if isinstance(content, dict) else content
    if not isinstance(points, list):
        raise InputError(f'{path}: a trajectory is a list of objects, or {{"points": [...]}}.')
    return _from_points(points, str(path), body)


def _from_points(points: Sequence[Any], source: str, body: _Body) -> _Table:
    if not all(isinstance(point, dict) for point in points):
        raise InputError(f'{source}: a trajectory is a list of objects, or {{"points": [...]}}.')
    if not points:
        raise InputError(f"{source}: the list has no points.")
    names, values = list(points[0]), []
    _check_names(f"{source}, point 1", names, body)
    for number, point in enumerate(points, 1):
        location = f"{source}, point {number}"
        if point.keys() != points[0].keys():
            name = min(point.keys() ^ points[0].keys())
            raise InputError(f"{location}: {quoted(name)} is missing here or in point 1.")
        values.append(_floats(location, names, [point[name] for name in names]))
    return _Table(names, np.array(values), "point", range(1, len(values) + 1))


def _from_poses(path: Path, text: str, body: _Body) -> _Table:
    poses = _tracked_poses(path, text)
    numbers = [number for number, line in enumerate(io.StringIO(text), 1) if line.strip()]
    columns = [np.arange(len(poses)) / POSE_RATE, *body.from_tracked(poses)]
    return _Table(("time", *CARTESIAN, *QUATERNION), np.column_stack(columns), "line", numbers)


def _tracked_poses(path: Path, text: str) -> Float[np.ndarray, "poses 7"]:
    try:
        poses = np.loadtxt(io.StringIO(text), comments=None, ndmin=2)
    except ValueError:
        poses = np.empty((1, 0))
    if poses.shape[1] == 7 and np.isfinite(poses).all() and are_rotations(poses[:, 3:]).all():
        return poses
    for number, line in enumerate(io.StringIO(text), 1):
        if line.strip() and not _is_pose(line.split()):
            raise InputError(
                f"{path}, line {number}: a pose is seven numbers, x y z and a nonzero quaternion "
                f"qx qy qz qw, not {quoted(line.strip())}."
            )
    raise InputError(f"{path}: a pose is one line of seven numbers.")


def _is_pose(words: Sequence[str]) -> bool:
    try:
        pose = np.array([float(word) for word in words])
    except ValueError:
        return False
    return len(pose) == 7 and np.isfinite(pose).all() and bool(are_rotations(pose[3:]))


def _check_names(location: str, names: Sequence[str], body: _Body) -> None:
    given = set(names)
    for name in names:
        if name not in body.names:
            known = ", ".join(body.names)
            raise InputError(f"{location}: unknown {quoted(name)}; known: {known}.")
        if names.count(name) > 1:
            raise InputError(f"{location}: {quoted(name)} appears twice.")
    for one, other in ((CARTESIAN, SPHERICAL), (QUATERNION, ANGLES)):
        if given & {*one} and given & {*other}:
            raise InputError(
                f"{location}: a point has {', '.join(one)} or {', '.join(other)}, not both."
            )
    needed = ["time", *(CARTESIAN if given & {*CARTESIAN} else body.places[-1])]
    needed += QUATERNION if given & {*QUATERNION} else ()
    for name in needed:
        if name not in given and name not in body.defaults:
            raise InputError(f"{location}: {quoted(name)} is missing.")


def _floats(location: str, names: Sequence[str], values: Sequence[object]) -> list[float]:
    floats = []
    for name, value in zip(names, values, strict=True):
        try:
            number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise InputError(f"{location}: {name} must be a number, not {quoted(value)}.")
        floats.append(number)
    return floats


def _checked(table: _Table, source: str, build: Callable[[_Table], T]) -> T:
    try:
        return build(table)
    except PointError as error:
        location = f"{source}, {table.unit} {table.numbers[error.point]}"
        raise InputError(f"{location}: {error.reason}") from error


def _trajectory(table: _Table, *, around_head: bool) -> Trajectory:
    times, orientations = table.columns(("time",))[:, 0], _orientations(table)
    if "x" in table.names:
        positions = table.columns(CARTESIAN)
        return Trajectory(times, positions, orientations, around_head=around_head)
    return Trajectory.from_spherical(times, table.columns(SPHERICAL), orientations)


def _listener(table: _Table) -> Listener:
    for name, degrees in zip(ANGLES, table.columns(ANGLES).T, strict=True):
        _refuse_turns(name, degrees)
    times = table.columns(("time",))[:, 0]
    return Listener(times, table.columns(CARTESIAN), _orientations(table))


def _refuse_turns(name: str, degrees: Float[np.ndarray, " points"]) -> None:
    """Refuse steps that interpolation along the shorter arc would shorten by whole turns."""
    refuse_points(
        np.abs(np.diff(degrees, prepend=degrees[:1])) >= 360,
        lambda point: (
            f"the {name} changes from {degrees[point - 1]:g} to {degrees[point]:g} degrees, a turn "
            "or more; add points between, at least three per turn."
        ),
    )


def _orientations(table: _Table) -> Float[np.ndarray, "points 4"] | None:
    if "qx" in table.names:
        return table.columns(QUATERNION)
    return from_angles(table.columns(ANGLES)) if {*table.names} & {*ANGLES} else None


_READERS = dict(zip(SUFFIXES, (_from_csv, _from_json, _from_poses), strict=True))
