"""Trajectories: position and orientation of a source over time, interpolated between points.

Positions are interpolated linearly in x, y and z, or *along the sphere*: linearly in azimuth (along
the shorter arc), elevation and radius, so that an orbit given by a few azimuths keeps its radius
and height. Orientations, and the rest at both ends, are those of every `PoseTrajectory`.

The origin is the center of the listener's head; a trajectory keeps `NEAREST` away from it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from soundstage.binaural.geometry import to_cartesian, to_spherical
from soundstage.binaural.pose_trajectory import (
    PoseTrajectory,
    read_only,
    refuse_not_finite,
    refuse_points,
    segment_distances,
)

NEAREST = 0.1  # m: just outside the head
FARTHEST = 1_000.0  # m: a propagation delay of three seconds
_ROUNDING = 1e-9  # tolerance of the bounds, in meters or degrees


@dataclass(frozen=True, eq=False)
class Trajectory(PoseTrajectory):
    """The trajectory of a source around a head. Immutable.

    Attributes:
        times: of the points, in seconds, ascending.
        positions: of the points, in meters (see `geometry`), 0.1 to 1,000 m from the origin.
        orientations: quaternions x y z w of any nonzero norm; None is upright, looking ahead.
        along_sphere: interpolate along the sphere; an arc of exactly half a turn is
            counter-clockwise.
        around_head: whether the head is in the origin; False of a head that is elsewhere, from
            which `SeenTrajectory` keeps the distance.

    Raises:
        OptionError: there is no point, or the arrays have different lengths.
        PointError: an OptionError with the index of the first invalid point.

    >>> left_to_right = Trajectory.from_spherical([0.0, 2.0], [[90, 0, 2.0], [-90, 0, 2.0]])
    >>> left_to_right.at(np.array([0.0, 1.0])).positions.round(6)
    array([[ 0.,  2.,  0.],
           [-2.,  0.,  0.]])
    """

    along_sphere: bool = False
    around_head: bool = True

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
        spherical = read_only("spherical points", spherical, (np.size(times), 3))
        refuse_not_finite(spherical)
        azimuth, elevation, radius = spherical.T
        refuse_points(
            np.abs(elevation) > 90 + _ROUNDING,
            lambda point: f"the elevation is -90 to 90 degrees, not {elevation[point]:g}.",
        )
        refuse_points(radius < 0, lambda point: f"the radius of {radius[point]:g} m is negative.")
        refuse_points(
            np.abs(np.diff(azimuth, prepend=azimuth[:1])) >= 360,
            lambda point: (
                f"the azimuth changes from {azimuth[point - 1]:g} to {azimuth[point]:g} degrees, "
                "a turn or more; add points between, at least three per turn."
            ),
        )
        return cls(times, to_cartesian(spherical), orientations, along_sphere=True)

    def positions_at(self, times: Float[np.ndarray, "*times"]) -> Float[np.ndarray, "*times 3"]:
        """Positions only, at a tenth of the cost."""
        positions = super().positions_at(times)
        return to_cartesian(positions) if self.along_sphere else positions

    def angles_at(self, times: Float[np.ndarray, " times"]) -> Float[np.ndarray, "times 2"]:
        """Azimuth without jumps, and elevation, in degrees; of a trajectory along the sphere."""
        return np.stack([np.interp(times, self._knots, each) for each in self._columns[:2]], axis=1)

    @cached_property
    def min_distance(self) -> float:
        """Smallest distance from the center of the head, in meters."""
        if self.along_sphere:
            return float(np.linalg.norm(self.positions, axis=1).min())
        return float(
            min(
                np.linalg.norm(self.positions[0]),
                segment_distances(self.positions).min(initial=np.inf),
            )
        )

    @cached_property
    def max_distance(self) -> float:
        """Largest distance from the center of the head, in meters."""
        return float(np.linalg.norm(self.positions, axis=1).max())

    @cached_property
    def _columns(self) -> Float[np.ndarray, "3 points"]:
        """The linearly interpolated coordinates, each contiguous for `numpy.interp`."""
        if not self.along_sphere:
            return np.ascontiguousarray(self.positions.T)
        azimuth, elevation, radius = to_spherical(self.positions).T
        return np.stack([_unwrapped(azimuth), elevation, radius])

    def _check_positions(self) -> None:
        with np.errstate(over="ignore"):
            distance = np.linalg.norm(self.positions, axis=1)
        nearest = NEAREST if self.around_head else 0.0
        refuse_points(
            (distance < nearest - _ROUNDING) | (distance > FARTHEST + _ROUNDING),
            lambda point: (
                f"the source is {distance[point]:.3g} m from the center of the head; "
                f"{nearest:g} to {FARTHEST:,g} m are possible."
            ),
        )
        if self.around_head and not self.along_sphere:
            passing = segment_distances(self.positions)
            refuse_points(
                np.append(False, passing < NEAREST - _ROUNDING),
                lambda point: (
                    "on the straight line to it the source passes the center of the head at "
                    f"{passing[point - 1]:.3g} m; keep at least {NEAREST:g} m away."
                ),
            )


def _unwrapped(azimuth: Float[np.ndarray, " points"]) -> Float[np.ndarray, " points"]:
    """Azimuths without jumps: each step is −180 to 180 degrees."""
    turns = np.floor((180 + _ROUNDING - np.diff(azimuth)) / 360).cumsum()
    return azimuth + 360 * np.append(0, turns)
