"""Trajectory files: CSV, JSON, and tracked poses of the binaural speech data set.

CSV columns or JSON keys, in any order:

    time                         seconds, ascending
    x, y, z                      meters; linear interpolation
    azimuth, elevation, radius   degrees and meters, instead of x, y, z; interpolation along the
                                 sphere; elevation defaults to 0, radius to 1.5
    qx, qy, qz, qw               orientation as a quaternion; optional
    yaw, pitch, roll             or as angles in degrees: yaw to the left, then pitch up, then roll
                                 to the right; each defaults to 0

The first line of a CSV file has the column names. JSON is a list of objects, or an object with such
a list as `points`. A text file holds tracked poses, 120 a second (`binaural_speech_poses`).
"""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from soundstage.binaural.binaural_speech_poses import POSE_RATE, from_tracked
from soundstage.binaural.geometry import are_rotations, from_angles
from soundstage.binaural.pose_trajectory import PointError
from soundstage.binaural.presets import RADIUS
from soundstage.binaural.trajectories import Trajectory
from soundstage.errors import InputError, quoted
from soundstage.text_files import TextKind, csv_lines, parse_json, read_text

KIND = TextKind("a trajectory", 64_000_000)  # bytes: two hours of poses
CARTESIAN = ("x", "y", "z")
SPHERICAL = ("azimuth", "elevation", "radius")
QUATERNION = ("qx", "qy", "qz", "qw")
ANGLES = ("yaw", "pitch", "roll")
DEFAULTS = {"elevation": 0.0, "radius": RADIUS, "yaw": 0.0, "pitch": 0.0, "roll": 0.0}
_NAMES = ("time", *CARTESIAN, *SPHERICAL, *QUATERNION, *ANGLES)


class _Table(NamedTuple):
    names: Sequence[str]
    values: Float[np.ndarray, "points columns"]
    unit: Literal["line", "point"]
    numbers: Sequence[int]
    """Line or point number of each point, for error messages."""


def read_trajectory(path: str | Path) -> Trajectory:
    """Read a trajectory from a .csv, .json or .txt file; see the module for the formats.

    Raises:
        InputError: the file cannot be read, or is not a trajectory; names the line or point.
    """
    path = Path(path)
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise InputError(
            f"{path}: a trajectory is a .csv or .json file, or tracked poses in a .txt."
        )
    return _checked(read(path, _text(path)), str(path))


def trajectory_of_points(points: Sequence[Any], source: str) -> Trajectory:
    """The trajectory of a list of objects, as a JSON file has them.

    Args:
        points: for example [{"time": 0, "azimuth": 30}, {"time": 2, "azimuth": 90}].
        source: of the list, which begins each message.

    Raises:
        InputError: the list is not a trajectory; names the point.
    """
    return _checked(_from_points(points, source), source)


def read_tracked(path: str | Path) -> Float[np.ndarray, "poses 7"]:
    """Read tracked poses of the speech data set, the input of `from_tracked`.

    Raises:
        InputError: the file cannot be read, or a line is not a pose; names the line.
    """
    return _tracked_poses(Path(path), _text(Path(path)))


def _text(path: Path) -> str:
    text = read_text(path, KIND)
    if not text.strip():
        raise InputError(f"{path}: the file is empty.")
    return text


def _from_csv(path: Path, text: str) -> _Table:
    names: list[str] = []
    points, numbers = [], []
    for number, cells in csv_lines(text, str(path)):
        location = f"{path}, line {number}"
        if not names:
            names = [cell.strip().lower() for cell in cells]
            _check_names(location, names)
        elif len(cells) != len(names):
            raise InputError(f"{location}: {len(cells)} values for {len(names)} columns.")
        else:
            points.append(_floats(location, names, cells))
            numbers.append(number)
    if not points:
        raise InputError(f"{path}: the table has no points.")
    return _Table(names, np.array(points), "line", numbers)


def _from_json(path: Path, text: str) -> _Table:
    content = parse_json(text, str(path))
    points = content.get("points") if isinstance(content, dict) else content
    if not isinstance(points, list):
        raise InputError(f'{path}: a trajectory is a list of objects, or {{"points": [...]}}.')
    return _from_points(points, str(path))


def _from_points(points: Sequence[Any], source: str) -> _Table:
    if not all(isinstance(point, dict) for point in points):
        raise InputError(f'{source}: a trajectory is a list of objects, or {{"points": [...]}}.')
    if not points:
        raise InputError(f"{source}: the list has no points.")
    names, values = list(points[0]), []
    _check_names(f"{source}, point 1", names)
    for number, point in enumerate(points, 1):
        location = f"{source}, point {number}"
        if point.keys() != points[0].keys():
            name = min(point.keys() ^ points[0].keys())
            raise InputError(f"{location}: {quoted(name)} is missing here or in point 1.")
        values.append(_floats(location, names, [point[name] for name in names]))
    return _Table(names, np.array(values), "point", range(1, len(values) + 1))


def _from_poses(path: Path, text: str) -> _Table:
    poses = _tracked_poses(path, text)
    numbers = [number for number, line in enumerate(io.StringIO(text), 1) if line.strip()]
    columns = [np.arange(len(poses)) / POSE_RATE, *from_tracked(poses)]
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


def _check_names(location: str, names: Sequence[str]) -> None:
    given = set(names)
    for name in names:
        if name not in _NAMES:
            raise InputError(f"{location}: unknown {quoted(name)}; known: {', '.join(_NAMES)}.")
        if names.count(name) > 1:
            raise InputError(f"{location}: {quoted(name)} appears twice.")
    for one, other in ((CARTESIAN, SPHERICAL), (QUATERNION, ANGLES)):
        if given & {*one} and given & {*other}:
            raise InputError(
                f"{location}: a point has {', '.join(one)} or {', '.join(other)}, not both."
            )
    needed = ["time", *(CARTESIAN if given & {*CARTESIAN} else SPHERICAL)]
    needed += QUATERNION if given & {*QUATERNION} else ()
    for name in needed:
        if name not in given and name not in DEFAULTS:
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


def _checked(table: _Table, source: str) -> Trajectory:
    try:
        return _trajectory(table)
    except PointError as error:
        location = f"{source}, {table.unit} {table.numbers[error.point]}"
        raise InputError(f"{location}: {error.reason}") from error


def _trajectory(table: _Table) -> Trajectory:
    given = dict(zip(table.names, table.values.T, strict=True))

    def columns(names: Sequence[str]) -> Float[np.ndarray, "points columns"]:
        ones = np.ones(len(table.values))
        return np.stack([given.get(name, DEFAULTS.get(name, 0) * ones) for name in names], axis=1)

    orientations = None
    if "qx" in given:
        orientations = columns(QUATERNION)
    elif given.keys() & {*ANGLES}:
        orientations = from_angles(columns(ANGLES))
    if "x" in given:
        return Trajectory(given["time"], columns(CARTESIAN), orientations)
    return Trajectory.from_spherical(given["time"], columns(SPHERICAL), orientations)


_READERS = {".csv": _from_csv, ".json": _from_json, ".txt": _from_poses}
