"""Where a source is at any time: points in time, and the way that is taken between them.

Positions run straight from point to point, or *along the sphere*: azimuth, elevation and radius
each change evenly, the azimuth the shorter way round, so that an orbit given by few azimuths keeps
its radius and its height. Orientations turn evenly about one axis (Shoemake 1985, *slerp*). Before
the first point and after the last a source rests there.

The middle of the listener's head is the origin, so that no point and no way may pass through it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation, Slerp

from soundstage.binaural.geometry import UPRIGHT, Poses, are_rotations, to_cartesian, to_spherical
from soundstage.errors import OptionError

NEAREST = 0.1  # m: just outside of a head
FARTHEST = 1_000.0  # m: three seconds of sound
_ROUNDING = 1e-9  # meters or degrees by which a converted number may miss its bound


class PointError(OptionError):
    """A point that a trajectory cannot have; `point` is its index and `fault` says why."""

    def __init__(self, point: int, fault: str) -> None:
        super().__init__(f"Point {point + 1} of the trajectory: {fault}")
        self.point = point
        self.fault = fault


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The way of a source around a head. Immutable.

    Attributes:
        times: of the points, in seconds, ascending.
        positions: in meters, in the frame of `geometry`, 0.1 to 1,000 m from the origin.
        orientations: quaternions x y z w of any length but 0; None is upright, looking ahead.
        along_sphere: how positions run between points; exactly half a turn goes counter-clockwise.

    Raises:
        OptionError: there is no point, or the arrays do not fit each other.
        PointError: an OptionError that knows which point is the first that cannot be.

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
        """A way along the sphere through points of azimuth, elevation (degrees) and radius (m).

        Raises:
            OptionError: as the class; also where an azimuth is a turn or more from the one before,
                since the shorter way round would silently leave whole turns out.
        """
        spherical = _sealed("spherical points", spherical, (np.size(times), 3))
        _refuse_what_is_not_finite(spherical)
        azimuth, elevation, radius = spherical.T
        _refuse(
            np.abs(elevation) > 90 + _ROUNDING,
            lambda point: f"an elevation of {elevation[point]:g} is not from -90 to 90 degrees.",
        )
        _refuse(radius < 0, lambda point: f"a radius of {radius[point]:g} m is below 0.")
        _refuse(
            np.abs(np.diff(azimuth, prepend=azimuth[:1])) >= 360,
            lambda point: (
                f"the azimuth goes from {azimuth[point - 1]:g} to {azimuth[point]:g} degrees, "
                "a turn or more; give points between, at least three a turn."
            ),
        )
        return cls(times, to_cartesian(spherical), orientations, along_sphere=True)

    def __post_init__(self) -> None:
        if not np.size(self.times):
            raise OptionError("A trajectory has at least one point.")
        points = np.size(self.times)
        times = _sealed("times", self.times, (points,))
        positions = _sealed("positions", self.positions, (points, 3))
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "positions", positions)
        _refuse_what_is_not_finite(np.column_stack([times, positions]))
        _refuse(
            np.diff(times, prepend=-np.inf) <= 0,
            lambda point: (
                f"{times[point]:.9g} s comes after {times[point - 1]:.9g} s, and times ascend."
            ),
        )
        self._check_distances()
        if self.orientations is not None:
            orientations = _sealed("orientations", self.orientations, (points, 4))
            object.__setattr__(self, "orientations", orientations)
            _refuse(
                ~are_rotations(orientations),
                lambda point: "its orientation is no rotation; a quaternion has a length of 1.",
            )

    def at(self, times: Float[np.ndarray, " times"]) -> Poses:
        """Positions and orientations at any times, in seconds.

        The cost goes with the number of times, not with the length of the trajectory, and a time
        gives the same pose to the last bit whatever other times it is asked with.
        """
        return Poses(self.positions_at(times), self._orientations_at(times))

    def positions_at(self, times: Float[np.ndarray, "*times"]) -> Float[np.ndarray, "*times 3"]:
        """Positions alone, at a tenth of the cost."""
        course = [np.interp(times, self.times, column) for column in self._columns]
        positions = np.stack(course, axis=-1)
        return to_cartesian(positions) if self.along_sphere else positions

    @cached_property
    def rests(self) -> bool:
        """Whether the source stays in one place."""
        return bool((self.positions == self.positions[0]).all())

    @cached_property
    def turns(self) -> bool:
        """Whether its orientation changes, which it may do in one place."""
        return self.orientations is not None and bool(
            (self.orientations != self.orientations[0]).any()
        )

    @cached_property
    def nearest(self) -> float:
        """Its smallest distance from the middle of the head, in meters."""
        if self.along_sphere:
            return float(np.linalg.norm(self.positions, axis=1).min())
        return float(
            min(
                np.linalg.norm(self.positions[0]),
                _closest_on_the_way(self.positions).min(initial=np.inf),
            )
        )

    @cached_property
    def farthest(self) -> float:
        """Its largest distance, in meters."""
        return float(np.linalg.norm(self.positions, axis=1).max())

    def _orientations_at(self, times: Float[np.ndarray, " times"]) -> Float[np.ndarray, "times 4"]:
        if self._slerp is not None and len(times):
            return self._slerp(np.clip(times, self.times[0], self.times[-1])).as_quat()
        resting = UPRIGHT
        if self.orientations is not None:
            resting = self.orientations[0] / np.linalg.norm(self.orientations[0])
        return np.tile(resting, (len(times), 1))

    @cached_property
    def _columns(self) -> Float[np.ndarray, "3 points"]:
        """What changes evenly between points, each number contiguous for `numpy.interp`."""
        if not self.along_sphere:
            return np.ascontiguousarray(self.positions.T)
        azimuth, elevation, radius = to_spherical(self.positions).T
        return np.stack([_the_shorter_way(azimuth), elevation, radius])

    @cached_property
    def _slerp(self) -> Slerp | None:
        if self.orientations is None or len(self.times) == 1:
            return None
        return Slerp(self.times, Rotation.from_quat(self.orientations))

    def _check_distances(self) -> None:
        with np.errstate(over="ignore"):
            distance = np.linalg.norm(self.positions, axis=1)
        _refuse(
            (distance < NEAREST - _ROUNDING) | (distance > FARTHEST + _ROUNDING),
            lambda point: (
                f"the source is {distance[point]:.3g} m from the middle of the head, which may be "
                f"{NEAREST:g} to {FARTHEST:,g} m."
            ),
        )
        if not self.along_sphere:
            passing = _closest_on_the_way(self.positions)
            _refuse(
                np.append(False, passing < NEAREST - _ROUNDING),
                lambda point: (
                    "on the straight way there the source passes the middle of the head at "
                    f"{passing[point - 1]:.3g} m; lead it around, {NEAREST:g} m away at least."
                ),
            )


def _sealed(name: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A copy that nobody can change."""
    array = np.array(values, dtype=float)
    if array.shape != shape:
        raise OptionError(
            f"The {name} have the shape {array.shape}, and {shape} goes with the times."
        )
    array.flags.writeable = False
    return array


def _refuse(faulty: Bool[np.ndarray, " points"], fault: Callable[[int], str]) -> None:
    if faulty.any():
        point = int(faulty.argmax())
        raise PointError(point, fault(point))


def _refuse_what_is_not_finite(numbers: Float[np.ndarray, "points columns"]) -> None:
    _refuse(~np.isfinite(numbers).all(axis=1), lambda _: "its time or its place is not finite.")


def _the_shorter_way(azimuth: Float[np.ndarray, " points"]) -> Float[np.ndarray, " points"]:
    """Azimuths that run on beyond a turn, so that each step goes from −180 to 180 degrees."""
    turns = np.floor((180 + _ROUNDING - np.diff(azimuth)) / 360).cumsum()
    return azimuth + 360 * np.append(0, turns)


def _closest_on_the_way(positions: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, " ways"]:
    """How near each straight way between two points comes to the origin, in meters."""
    start, way = positions[:-1], np.diff(positions, axis=0)
    length = np.maximum((way**2).sum(axis=1), _ROUNDING**2)
    share = np.clip(-(start * way).sum(axis=1) / length, 0, 1)
    return np.linalg.norm(start + share[:, None] * way, axis=1)
