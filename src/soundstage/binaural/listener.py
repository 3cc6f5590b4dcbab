"""A head that turns and walks, and sources as they are seen from it.

A head at h(t) with the orientation R(t) receives at t the sound that a source emitted at e from

    p = R(t)⁻¹·(s(e) − h(t)),    e = t − (|p| − r₀)/c

in coordinates of the head (`render/propagation` solves for e). So a head that turns by ψ is a scene
that turns by −ψ, and to walk towards a source is to be approached by it, but for the Doppler shift
of second order in v/c, since the pose of the head counts at reception and that of the source at
emission.

Positions count from the origin of the scene, where the head is without a listener, and times from
its start. A room stays where it is: the head walks in it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from soundstage.binaural.geometry import ORIGIN, Poses, from_angles, rotate
from soundstage.binaural.pose_trajectory import PoseTrajectory, refuse_points, segment_distances
from soundstage.binaural.trajectories import FARTHEST, NEAREST, Trajectory
from soundstage.errors import OptionError

_STEP = 0.5  # degrees along the sphere between checked distances: accurate to 1e-5 of the radius
_MOST_STEPS = 1 << 20  # of all of them; a source that circles for days is checked in larger steps
_ROWS = 1 << 16  # times checked at once
_ROUNDING = 1e-9  # m, tolerance of the bounds


@dataclass(frozen=True, eq=False)
class Listener(PoseTrajectory):
    """Pose of the listener's head over time. Immutable.

    Attributes:
        times: of the points, in seconds of the scene, ascending.
        positions: center of the head, in meters from the origin of the scene.
        orientations: quaternions x y z w of any nonzero norm, which turn the axes of the scene to
            those of the head; None looks ahead.

    Raises:
        OptionError: as `PoseTrajectory`, or a position is over 1,000 m from the origin.

    >>> left = Listener.turned(yaw=90)
    >>> left.at(np.zeros(1)).orientations.round(3)
    array([[0.   , 0.   , 0.707, 0.707]])
    """

    @classmethod
    def turned(
        cls,
        yaw: float = 0.0,
        pitch: float = 0.0,
        roll: float = 0.0,
        *,
        position: Float[np.ndarray, "3"] = ORIGIN,
    ) -> "Listener":
        """A head at rest.

        Args:
            yaw: degrees to the left.
            pitch: degrees up, after the yaw.
            roll: degrees to the right, after the pitch.
            position: in meters from the origin of the scene.

        Raises:
            OptionError: an argument is not finite, or the position too far away.
        """
        angles = np.array([[yaw, pitch, roll]], float)
        if not np.isfinite(angles).all():
            raise OptionError("The yaw, pitch and roll of a head must be finite, in degrees.")
        return cls(np.zeros(1), np.asarray(position, float)[None], from_angles(angles))

    @cached_property
    def max_distance(self) -> float:
        """Largest distance from the origin of the scene, in meters."""
        return float(np.linalg.norm(self.positions, axis=1).max())

    def _check_positions(self) -> None:
        with np.errstate(over="ignore"):
            distance = np.linalg.norm(self.positions, axis=1)
        refuse_points(
            distance > FARTHEST + _ROUNDING,
            lambda point: (
                f"the head is {distance[point]:.4g} m from the origin of the scene; at most "
                f"{FARTHEST:,g} m are possible."
            ),
        )


@dataclass(frozen=True, eq=False)
class SeenTrajectory:
    """The trajectory of a source relative to a head that turns and walks. Immutable.

    Attributes:
        source: its trajectory in the scene.
        listener: the head.

    Raises:
        OptionError: the source comes closer than 0.1 m to the center of the head, or is farther
            than 1,000 m.

    >>> from soundstage.binaural.presets import constant
    >>> seen = SeenTrajectory(constant(30.0), Listener.turned(yaw=30))
    >>> seen.positions_at(np.zeros(1)).round(6)
    array([[1.5, 0. , 0. ]])
    """

    source: Trajectory
    listener: Listener

    def __post_init__(self) -> None:
        nearest, farthest = self._extremes
        for distance, time in (nearest, farthest):
            if not NEAREST - _ROUNDING <= distance <= FARTHEST + _ROUNDING:
                raise OptionError(
                    f"At {time:.4g} s the source is {distance:,.4g} m from the center of the head; "
                    f"{NEAREST:g} to {FARTHEST:,g} m are possible."
                )

    def at(self, times: Float[np.ndarray, " times"]) -> Poses:
        """Poses relative to the head, without propagation delay."""
        from scipy.spatial.transform import Rotation

        heads = Rotation.from_quat(self.listener.orientations_at(times))
        sources = Rotation.from_quat(self.source.orientations_at(times))
        return Poses(self.positions_at(times), (heads.inv() * sources).as_quat())

    def positions_at(self, times: Float[np.ndarray, " times"]) -> Float[np.ndarray, "times 3"]:
        """Positions relative to the head, without propagation delay."""
        paths = self.source.positions_at(times) - self.listener.positions_at(times)
        return rotate(paths, self.listener.orientations_at(times), inverse=True)

    def delayed(self, seconds: float) -> "SeenTrajectory":
        """The same, later by this time, or earlier if it is negative."""
        return SeenTrajectory(self.source.delayed(seconds), self.listener.delayed(seconds))

    @property
    def is_oriented(self) -> bool:
        """Whether the source has orientations."""
        return self.source.is_oriented

    @cached_property
    def is_static(self) -> bool:
        """Whether the position relative to the head is constant."""
        still = self.listener.is_static and not self.listener.is_rotating
        return still and self.source.is_static

    @cached_property
    def is_rotating(self) -> bool:
        """Whether the orientation of the source or of the head changes."""
        return self.source.is_rotating or self.listener.is_rotating

    @property
    def min_distance(self) -> float:
        """Smallest distance from the center of the head, in meters."""
        return self._extremes.nearest.meters

    @property
    def max_distance(self) -> float:
        """Bound of the distance from the center of the head at any two times, in meters."""
        return self.source.max_distance + self.listener.max_distance

    @cached_property
    def _extremes(self) -> "_Extremes":
        if not self.listener.max_distance:
            start = float(self.source.times[0])
            nearest = _Distance(self.source.min_distance, start)
            return _Extremes(nearest, _Distance(self.source.max_distance, start))
        nearest, farthest = _Distance(np.inf, 0.0), _Distance(0.0, 0.0)
        times = self._checked_times()
        for first in range(0, len(times), _ROWS):
            some = times[first : first + _ROWS + 1]
            paths = self.source.positions_at(some) - self.listener.positions_at(some)
            distances = np.linalg.norm(paths, axis=1)
            passing = np.append(distances[:1], segment_distances(paths))
            closest, remotest = int(passing.argmin()), int(distances.argmax())
            nearest = min(nearest, _passing(paths, some, closest))
            remote = _Distance(float(distances[remotest]), float(some[remotest]))
            farthest = max(farthest, remote)
        return _Extremes(nearest, farthest)

    def _checked_times(self) -> Float[np.ndarray, " times"]:
        """Times between which the path from the head is nearly a straight line."""
        times = np.union1d(self.source.times, self.listener.times)
        if not self.source.along_sphere or len(times) == 1:
            return times
        angles = self.source.angles_at(times)
        turned = np.abs(np.diff(angles, axis=0)).max(axis=1)
        step = max(_STEP, float(turned.sum()) / _MOST_STEPS)
        steps = np.maximum(np.ceil(turned / step), 1).astype(int)
        number = np.arange(steps.sum()) - np.repeat(steps.cumsum() - steps, steps)
        share = number / np.repeat(steps, steps)
        between = np.repeat(times[:-1], steps) + share * np.repeat(np.diff(times), steps)
        return np.append(between, times[-1])


class _Distance(NamedTuple):
    meters: float
    time: float
    """In seconds."""


class _Extremes(NamedTuple):
    nearest: _Distance
    farthest: _Distance


def _passing(
    paths: Float[np.ndarray, "times 3"], times: Float[np.ndarray, " times"], point: int
) -> _Distance:
    """The smallest distance on the straight line to a point from the one before."""
    before = max(point - 1, 0)
    step = paths[point] - paths[before]
    length = float(step @ step)
    share = float(np.clip(-(paths[before] @ step) / length, 0, 1)) if length else 0.0
    distance = float(np.linalg.norm(paths[before] + share * step))
    return _Distance(distance, float(times[before] + share * (times[point] - times[before])))


def seen_by(listener: Listener | None, trajectory: Trajectory) -> "Trajectory | SeenTrajectory":
    """A trajectory relative to a head; None is at rest in the origin, looking ahead.

    Raises:
        OptionError: the source comes too close, or is too far away.
    """
    if listener is None and trajectory.around_head:
        return trajectory
    return SeenTrajectory(trajectory, listener or Listener.turned())


def source_and_listener(
    trajectory: "Trajectory | SeenTrajectory",
) -> tuple[Trajectory, Listener | None]:
    """The trajectory in the scene and the head; None is at rest in the origin, looking ahead."""
    if isinstance(trajectory, SeenTrajectory):
        return trajectory.source, trajectory.listener
    return trajectory, None
