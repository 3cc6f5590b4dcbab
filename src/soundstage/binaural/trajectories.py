"""Trajectories: position and orientation of a source over time, interpolated between points.

Positions are interpolated linearly in x, y and z, or *along the sphere*: linearly in azimuth (along
the shorter arc), elevation and radius, so that an orbit given by a few azimuths keeps its radius
and height. Orientations are interpolated by *slerp* (Shoemake 1985). Before its first point and
after its last a source is at rest.

The origin is the center of the listener's head; a trajectory keeps `NEAREST` away from it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from soundstage.binaural.geometry import UPRIGHT, Poses, are_rotations, to_cartesian, to_spherical
from soundstage.errors import OptionError

if TYPE_CHECKING:
    from scipy.spatial.transform import Slerp

NEAREST = 0.1  # m: just outside the head
FARTHEST = 1_000.0  # m: a propagation delay of three seconds
_ROUNDING = 1e-9  # tolerance of the bounds, in meters or degrees


class PointError(OptionError):
    """An invalid point of a trajectory; has its index `point` and the `reason`."""

    def __init__(self, point: int, reason: str) -> None:
        super().__init__(f"Point {point + 1} of the trajectory: {reason}")
        self.point = point
        self.reason = reason

    def __reduce__(self) -> tuple[type["PointError"], tuple[int, str]]:
        """For another process."""
        return PointError, (self.point, self.reason)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The trajectory of a source around a head. Immutable.

    Attributes:
        times: of the points, in seconds, ascending.
        positions: of the points, in meters (see `geometry`), 0.1 to 1,000 m from the origin.
        orientations: quaternions x y z w of any nonzero norm; None is upright, looking ahead.
        along_sphere: interpolate along the sphere; an arc of exactly half a turn is
            counter-clockwise.

    Raises:
        OptionError: there is no point, or the arrays have different lengths.
        PointError: an OptionError with the index of the first invalid point.

    >>> left_to_right = Trajectory.from_spherical([0.0, 2.0], [[90, 0, 2.0], [-90, 0, 2.0]])
    >>> left_to_right.at(np.array([0.0, 1.0])).positions.round(6)
    array([[ 0.,  2.,  0.],
           [-2.,  0.,  0.]])
    """

    times: Float[np.ndarray, " points"]
    positions: Float[np.ndarray, "points 3"]
    orientations: Float[np.ndarray, "points 4"] | None = None
    along_sphere: bool = False

    @classmethod
    def from_spherical(
        cls,
        times: Float[np.ndarray, " points"],
        spherical: Float[np.ndarray, "points 3"],
        orientations: Float[np.ndarray, "points 4"] | None = None,
    ) -> "Trajectory":
        """A trajectory along the sphere, from azimuth, elevation (degrees) and radius (m).

        Raises:
            OptionError: as the class; also if successive azimuths differ by a turn or more, since
                the shorter arc would silently drop whole turns.
        """
        spherical = _read_only("spherical points", spherical, (np.size(times), 3))
        _refuse_not_finite(spherical)
        azimuth, elevation, radius = spherical.T
        _refuse(
            np.abs(elevation) > 90 + _ROUNDING,
            lambda point: f"the elevation is -90 to 90 degrees, not {elevation[point]:g}.",
        )
        _refuse(radius < 0, lambda point: f"the radius of {radius[point]:g} m is negative.")
        _refuse(
            np.abs(np.diff(azimuth, prepend=azimuth[:1])) >= 360,
            lambda point: (
                f"the azimuth changes from {azimuth[point - 1]:g} to {azimuth[point]:g} degrees, "
                "a turn or more; add points between, at least three per turn."
            ),
        )
        return cls(times, to_cartesian(spherical), orientations, along_sphere=True)

    def __post_init__(self) -> None:
        if not np.size(self.times):
            raise OptionError("A trajectory needs at least one point.")
        points = np.size(self.times)
        times = _read_only("times", self.times, (points,))
        positions = _read_only("positions", self.positions, (points, 3))
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "positions", positions)
        _refuse_not_finite(np.column_stack([times, positions]))
        _refuse(
            np.diff(times, prepend=-np.inf) <= 0,
            lambda point: (
                f"its time {times[point]:.9g} s is not later than {times[point - 1]:.9g} s."
            ),
        )
        self._check_distances()
        if self.orientations is not None:
            orientations = _read_only("orientations", self.orientations, (points, 4))
            object.__setattr__(self, "orientations", orientations)
            _refuse(
                ~are_rotations(orientations),
                lambda point: "its orientation is not a unit quaternion.",
            )

    def at(self, times: Float[np.ndarray, " times"]) -> Poses:
        """Positions and orientations at given times, in seconds.

        The pose at a time is the same to the bit whatever the other times are.
        """
        return Poses(self.positions_at(times), self._orientations_at(times))

    def positions_at(self, times: Float[np.ndarray, "*times"]) -> Float[np.ndarray, "*times 3"]:
        """Positions only, at a tenth of the cost."""
        columns = [np.interp(times, self._knots, column) for column in self._columns]
        positions = np.stack(columns, axis=-1)
        return to_cartesian(positions) if self.along_sphere else positions

    def delayed(self, seconds: float) -> "Trajectory":
        """The same trajectory, later by this time, or earlier if it is negative."""
        if not seconds or self.is_static:
            return self
        return replace(self, times=self.times + seconds)

    @cached_property
    def is_static(self) -> bool:
        """Whether the position is constant."""
        return bool((self.positions == self.positions[0]).all())

    @cached_property
    def is_rotating(self) -> bool:
        """Whether the orientation changes."""
        return self.orientations is not None and bool(
            (self.orientations != self.orientations[0]).any()
        )

    @cached_property
    def min_distance(self) -> float:
        """Smallest distance from the center of the head, in meters."""
        if self.along_sphere:
            return float(np.linalg.norm(self.positions, axis=1).min())
        return float(
            min(
                np.linalg.norm(self.positions[0]),
                _segment_distances(self.positions).min(initial=np.inf),
            )
        )

    @cached_property
    def max_distance(self) -> float:
        """Largest distance from the center of the head, in meters."""
        return float(np.linalg.norm(self.positions, axis=1).max())

    def _orientations_at(self, times: Float[np.ndarray, " times"]) -> Float[np.ndarray, "times 4"]:
        if self._slerp is not None and len(times):
            return self._slerp(np.clip(times, self.times[0], self.times[-1])).as_quat()
        constant = UPRIGHT
        if self.orientations is not None:
            constant = self.orientations[0] / np.linalg.norm(self.orientations[0])
        return np.tile(constant, (len(times), 1))

    @cached_property
    def _knots(self) -> Float[np.ndarray, " points"]:
        """A writable copy of the times: `numpy.interp` copies a read-only array in each call."""
        return self.times.copy()

    @cached_property
    def _columns(self) -> Float[np.ndarray, "3 points"]:
        """The linearly interpolated coordinates, each contiguous for `numpy.interp`."""
        if not self.along_sphere:
            return np.ascontiguousarray(self.positions.T)
        azimuth, elevation, radius = to_spherical(self.positions).T
        return np.stack([_unwrapped(azimuth), elevation, radius])

    @cached_property
    def _slerp(self) -> "Slerp | None":
        if self.orientations is None or len(self.times) == 1:
            return None
        from scipy.spatial.transform import Rotation, Slerp

        return Slerp(self.times, Rotation.from_quat(self.orientations))

    def _check_distances(self) -> None:
        with np.errstate(over="ignore"):
            distance = np.linalg.norm(self.positions, axis=1)
        _refuse(
            (distance < NEAREST - _ROUNDING) | (distance > FARTHEST + _ROUNDING),
            lambda point: (
                f"the source is {distance[point]:.3g} m from the center of the head; "
                f"{NEAREST:g} to {FARTHEST:,g} m are possible."
            ),
        )
        if not self.along_sphere:
            passing = _segment_distances(self.positions)
            _refuse(
                np.append(False, passing < NEAREST - _ROUNDING),
                lambda point: (
                    "on the straight line to it the source passes the center of the head at "
                    f"{passing[point - 1]:.3g} m; keep at least {NEAREST:g} m away."
                ),
            )


def _read_only(name: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    array = np.array(values, dtype=float)
    if array.shape != shape:
        raise OptionError(
            f"The {name} have the shape {array.shape}; with these times it must be {shape}."
        )
    array.flags.writeable = False
    return array


def _refuse(faulty: Bool[np.ndarray, " points"], reason: Callable[[int], str]) -> None:
    if faulty.any():
        point = int(faulty.argmax())
        raise PointError(point, reason(point))


def _refuse_not_finite(values: Float[np.ndarray, "points columns"]) -> None:
    _refuse(~np.isfinite(values).all(axis=1), lambda _: "its time or position is not finite.")


def _unwrapped(azimuth: Float[np.ndarray, " points"]) -> Float[np.ndarray, " points"]:
    """Azimuths without jumps: each step is −180 to 180 degrees."""
    turns = np.floor((180 + _ROUNDING - np.diff(azimuth)) / 360).cumsum()
    return azimuth + 360 * np.append(0, turns)


def _segment_distances(
    positions: Float[np.ndarray, "points 3"],
) -> Float[np.ndarray, " segments"]:
    """Distance of each line segment between two points from the origin, in meters."""
    start, step = positions[:-1], np.diff(positions, axis=0)
    length = np.maximum((step**2).sum(axis=1), _ROUNDING**2)
    share = np.clip(-(start * step).sum(axis=1) / length, 0, 1)
    return np.linalg.norm(start + share[:, None] * step, axis=1)
