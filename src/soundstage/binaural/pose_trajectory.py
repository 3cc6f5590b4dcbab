"""Poses over time: position and orientation of a body, interpolated between points.

Positions are interpolated linearly in x, y and z, orientations by *slerp* (Shoemake 1985): between
two of them the body turns at constant speed about one axis, by at most half a turn. Before the
first point and after the last the body is at rest.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from jaxtyping import Bool, Float

from soundstage.binaural.geometry import UPRIGHT, Poses, are_rotations
from soundstage.errors import OptionError

if TYPE_CHECKING:
    from scipy.spatial.transform import Slerp

Self = TypeVar("Self", bound="PoseTrajectory")

_SHORTEST = 1e-9  # m: a shorter segment is a point


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
class PoseTrajectory:
    """Poses of a body over time. Immutable.

    Attributes:
        times: of the points, in seconds, ascending.
        positions: of the points, in meters (see `geometry`).
        orientations: quaternions x y z w of any nonzero norm; None is upright, looking ahead.

    Raises:
        OptionError: there is no point, or the arrays have different lengths.
        PointError: an OptionError with the index of the first invalid point.
    """

    times: Float[np.ndarray, " points"]
    positions: Float[np.ndarray, "points 3"]
    orientations: Float[np.ndarray, "points 4"] | None = None

    def __post_init__(self) -> None:
        if not np.size(self.times):
            raise OptionError("A trajectory needs at least one point.")
        points = np.size(self.times)
        times = read_only("times", self.times, (points,))
        positions = read_only("positions", self.positions, (points, 3))
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "positions", positions)
        refuse_not_finite(np.column_stack([times, positions]))
        refuse_points(
            np.diff(times, prepend=-np.inf) <= 0,
            lambda point: (
                f"its time {times[point]:.9g} s is not later than {times[point - 1]:.9g} s."
            ),
        )
        self._check_positions()
        if self.orientations is not None:
            orientations = read_only("orientations", self.orientations, (points, 4))
            object.__setattr__(self, "orientations", orientations)
            refuse_points(
                ~are_rotations(orientations),
                lambda point: "its orientation is not a unit quaternion.",
            )

    def at(self, times: Float[np.ndarray, " times"]) -> Poses:
        """Positions and orientations at given times, in seconds.

        The pose at a time is the same to the bit whatever the other times are.
        """
        return Poses(self.positions_at(times), self.orientations_at(times))

    def positions_at(self, times: Float[np.ndarray, "*times"]) -> Float[np.ndarray, "*times 3"]:
        """Positions only, at a tenth of the cost."""
        columns = [np.interp(times, self._knots, column) for column in self._columns]
        return np.stack(columns, axis=-1)

    def orientations_at(self, times: Float[np.ndarray, " times"]) -> Float[np.ndarray, "times 4"]:
        """Orientations only, as unit quaternions."""
        if self._slerp is not None and len(times):
            return self._slerp(np.clip(times, self.times[0], self.times[-1])).as_quat()
        constant = UPRIGHT
        if self.orientations is not None:
            constant = self.orientations[0] / np.linalg.norm(self.orientations[0])
        return np.tile(constant, (len(times), 1))

    def delayed(self: Self, seconds: float) -> Self:
        """The same trajectory, later by this time, or earlier if it is negative."""
        if not seconds or (self.is_static and not self.is_rotating):
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

    @property
    def is_oriented(self) -> bool:
        """Whether there are orientations."""
        return self.orientations is not None

    @cached_property
    def _knots(self) -> Float[np.ndarray, " points"]:
        """A writable copy of the times: `numpy.interp` copies a read-only array in each call."""
        return self.times.copy()

    @cached_property
    def _columns(self) -> Float[np.ndarray, "3 points"]:
        """The linearly interpolated coordinates, each contiguous for `numpy.interp`."""
        return np.ascontiguousarray(self.positions.T)

    @cached_property
    def _slerp(self) -> "Slerp | None":
        if self.orientations is None or len(self.times) == 1:
            return None
        from scipy.spatial.transform import Rotation, Slerp

        return Slerp(self.times, Rotation.from_quat(self.orientations))

    def _check_positions(self) -> None:
        """Refuse impossible positions; any finite one is possible here."""


def read_only(name: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A copy that cannot be changed.

    Raises:
        OptionError: it has another shape.
    """
    array = np.array(values, dtype=float)
    if array.shape != shape:
        raise OptionError(
            f"The {name} have the shape {array.shape}; with these times it must be {shape}."
        )
    array.flags.writeable = False
    return array


def refuse_points(faulty: Bool[np.ndarray, " points"], reason: Callable[[int], str]) -> None:
    """Refuse the first faulty point, if there is one.

    Raises:
        PointError: with the reason for this point.
    """
    if faulty.any():
        point = int(faulty.argmax())
        raise PointError(point, reason(point))


def refuse_not_finite(values: Float[np.ndarray, "points columns"]) -> None:
    """Refuse points whose time or coordinates are not finite.

    Raises:
        PointError: with the index of the first.
    """
    refuse_points(~np.isfinite(values).all(axis=1), lambda _: "its time or position is not finite.")


def segment_distances(
    positions: Float[np.ndarray, "points 3"],
) -> Float[np.ndarray, " segments"]:
    """Distance of each line segment between two points from the origin, in meters."""
    start, step = positions[:-1], np.diff(positions, axis=0)
    length = np.maximum((step**2).sum(axis=1), _SHORTEST**2)
    share = np.clip(-(start * step).sum(axis=1) / length, 0, 1)
    return np.linalg.norm(start + share[:, None] * step, axis=1)
