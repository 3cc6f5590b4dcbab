"""Trajectories out of files: tables (CSV), objects (JSON), and poses of the speech data set.

A table or an object has these numbers for each point, in any order:

    time                         seconds, ascending
    x, y, z                      meters; ways between points are straight
    azimuth, elevation, radius   degrees and meters, in place of x, y, z; ways follow the sphere;
                                 elevation and radius may be left out for 0 and 1.5
    qx, qy, qz, qw               orientation, a quaternion; may be left out
    yaw, pitch, roll             in place of it, in degrees: yaw to the left, then pitch up, then
                                 roll to the right; any may be left out for 0

CSV has the names in its first line. JSON is a list of objects, or an object with such `points`.
Text files are read as the poses of `tracked_speech`, whose rows come 120 times a second.
"""

import csv
import io
import json
import math
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from soundstage.binaural.binaural_speech_poses import POSE_RATE, from_tracked
from soundstage.binaural.geometry import are_rotations
from soundstage.binaural.presets import RADIUS
from soundstage.binaural.trajectories import PointError, Trajectory
from soundstage.errors import InputError

LARGEST = 64_000_000  # bytes: two hours of poses
CARTESIAN = ("x", "y", "z")
SPHERICAL = ("azimuth", "elevation", "radius")
QUATERNION = ("qx", "qy", "qz", "qw")
ANGLES = ("yaw", "pitch", "roll")
DEFAULTS = {"elevation": 0.0, "radius": RADIUS, "yaw": 0.0, "pitch": 0.0, "roll": 0.0}
_NAMES = ("time", *CARTESIAN, *SPHERICAL, *QUATERNION, *ANGLES)


class _Table(NamedTuple):
    names: Sequence[str]
    rows: Float[np.ndarray, "points columns"]
    unit: Literal["line", "point"]
    numbers: Sequence[int]
    """Of the line or point of each row, to be found by from an error."""


def read_trajectory(path: str | Path) -> Trajectory:
    """A trajectory out of a .csv, .json or .txt file; the module says what each holds.

    Raises:
        InputError: the file cannot be read, or holds no trajectory; says where.
    """
    path = Path(path)
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise InputError(f"{path}: a trajectory is a .csv, a .json, or a .txt of tracked poses.")
    table = read(path, _text(path))
    try:
        return _trajectory(table)
    except PointError as error:
        raise InputError(
            f"{path}, {table.unit} {table.numbers[error.point]}: {error.fault}"
        ) from error


def read_tracked(path: str | Path) -> Float[np.ndarray, "rows 7"]:
    """Rows of poses as the speech data set has them, which `from_tracked` takes.

    Raises:
        InputError: the file cannot be read, or a line of it is no pose; says where.
    """
    return _tracked_rows(Path(path), _text(Path(path)))


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise InputError(f"{path}: there is no such file.")
        if path.stat().st_size > LARGEST:
            raise InputError(
                f"{path}: has {path.stat().st_size / 1e6:,.0f} MB, and a trajectory has up to "
                f"{LARGEST / 1e6:g} MB; give fewer points, since ways between them are filled in."
            )
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: holds no text (byte {error.start:,} is not UTF-8).") from error
    except OSError as error:
        raise InputError(f"{path}: the file cannot be read ({error.strerror}).") from error
    if not text.strip():
        raise InputError(f"{path}: the file is empty.")
    return text


def _from_csv(path: Path, text: str) -> _Table:
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    names: list[str] = []
    rows, numbers = [], []
    try:
        for cells in lines:
            place = f"{path}, line {lines.line_num}"
            if not any(cells):
                continue
            if not names:
                names = [cell.strip().lower() for cell in cells]
                _check_names(place, names)
            elif len(cells) != len(names):
                raise InputError(f"{place}: has {len(cells)} values for {len(names)} columns.")
            else:
                rows.append(_numbers(place, names, cells))
                numbers.append(lines.line_num)
    except csv.Error as error:
        raise InputError(f"{path}, line {lines.line_num}: is no CSV ({error}).") from error
    if not rows:
        raise InputError(f"{path}: the table has no points.")
    return _Table(names, np.array(rows), "line", numbers)


def _from_json(path: Path, text: str) -> _Table:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: is no JSON ({error.msg}).") from error
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path}: the JSON is too deep, or a number in it too long.") from error
    points = content.get("points") if isinstance(content, dict) else content
    if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
        raise InputError(f'{path}: a trajectory is a list of objects, or {{"points": [...]}}.')
    if not points:
        raise InputError(f"{path}: the list has no points.")
    names, rows = list(points[0]), []
    _check_names(f"{path}, point 1", names)
    for number, point in enumerate(points, 1):
        place = f"{path}, point {number}"
        if point.keys() != points[0].keys():
            name = min(point.keys() ^ points[0].keys())
            raise InputError(f"{place}: {reprlib.repr(name)} is only here or only in point 1.")
        rows.append(_numbers(place, names, [point[name] for name in names]))
    return _Table(names, np.array(rows), "point", range(1, len(rows) + 1))


def _from_poses(path: Path, text: str) -> _Table:
    rows = _tracked_rows(path, text)
    numbers = [number for number, line in enumerate(io.StringIO(text), 1) if line.strip()]
    columns = [np.arange(len(rows)) / POSE_RATE, *from_tracked(rows)]
    return _Table(("time", *CARTESIAN, *QUATERNION), np.column_stack(columns), "line", numbers)


def _tracked_rows(path: Path, text: str) -> Float[np.ndarray, "rows 7"]:
    try:
        rows = np.loadtxt(io.StringIO(text), comments=None, ndmin=2)
    except ValueError:
        rows = np.empty((1, 0))
    if rows.shape[1] == 7 and np.isfinite(rows).all() and are_rotations(rows[:, 3:]).all():
        return rows
    for number, line in enumerate(io.StringIO(text), 1):
        if line.strip() and not _is_pose(line.split()):
            raise InputError(
                f"{path}, line {number}: a pose is seven numbers, x y z and a quaternion "
                f"qx qy qz qw that is not 0, not {reprlib.repr(line.strip())}."
            )
    raise InputError(f"{path}: holds no poses of seven numbers a line.")


def _is_pose(words: Sequence[str]) -> bool:
    try:
        row = np.array([float(word) for word in words])
    except ValueError:
        return False
    return len(row) == 7 and np.isfinite(row).all() and bool(are_rotations(row[3:]))


def _check_names(place: str, names: Sequence[str]) -> None:
    given = set(names)
    for name in names:
        if name not in _NAMES:
            raise InputError(f"{place}: {reprlib.repr(name)} is none of {', '.join(_NAMES)}.")
        if names.count(name) > 1:
            raise InputError(f"{place}: {name!r} is there twice.")
    for one, other in ((CARTESIAN, SPHERICAL), (QUATERNION, ANGLES)):
        if given & {*one} and given & {*other}:
            raise InputError(
                f"{place}: a point has {', '.join(one)} or {', '.join(other)}, not both."
            )
    needed = ["time", *(CARTESIAN if given & {*CARTESIAN} else SPHERICAL)]
    needed += QUATERNION if given & {*QUATERNION} else ()
    for name in needed:
        if name not in given and name not in DEFAULTS:
            raise InputError(f"{place}: {name!r} is missing beside {', '.join(names)}.")


def _numbers(place: str, names: Sequence[str], values: Sequence[object]) -> list[float]:
    numbers = []
    for name, value in zip(names, values, strict=True):
        try:
            number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise InputError(f"{place}: {name} is a number, not {reprlib.repr(value)}.")
        numbers.append(number)
    return numbers


def _trajectory(table: _Table) -> Trajectory:
    given = dict(zip(table.names, table.rows.T, strict=True))

    def columns(names: Sequence[str]) -> Float[np.ndarray, "points columns"]:
        still = np.ones(len(table.rows))
        return np.stack([given.get(name, DEFAULTS.get(name, 0) * still) for name in names], axis=1)

    orientations = None
    if "qx" in given:
        orientations = columns(QUATERNION)
    elif given.keys() & {*ANGLES}:
        angles = columns(ANGLES) * (1, -1, 1)  # a turn about y, which points left, looks down
        orientations = Rotation.from_euler("ZYX", angles, degrees=True).as_quat()
    if "x" in given:
        return Trajectory(given["time"], columns(CARTESIAN), orientations)
    return Trajectory.from_spherical(given["time"], columns(SPHERICAL), orientations)


_READERS = {".csv": _from_csv, ".json": _from_json, ".txt": _from_poses}
