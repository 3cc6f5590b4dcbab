"""Where sources and ears are: one frame of coordinates for all of `binaural`, that of SOFA.

AES69-2022 places a source either in meters, x ahead, y to the left, z up, or by azimuth (degrees
counter-clockwise from ahead: 90 is left), elevation (degrees up) and radius (meters):

    x = r·cos ε·cos α,    y = r·cos ε·sin α,    z = r·sin ε

An orientation is a unit quaternion (x, y, z, w) that turns what belongs to a body, such as its
ears, into the room: a body at p has its point b at p + R·b. So a head at h with the orientation R
sees a source at s in the direction and at the distance of R⁻¹·(s − h).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

HEAD_RADIUS = 0.0875  # m, the sphere that predicts most people's time differences (Woodworth 1938)
SPEED_OF_SOUND = 343.0  # m/s, in dry air of 20 °C
ORIGIN = np.zeros(3)
UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])  # the orientation of who looks ahead


class Poses(NamedTuple):
    """Of sources, talkers or heads."""

    positions: Float[np.ndarray, "*points 3"]
    """x, y and z in meters."""
    orientations: Float[np.ndarray, "*points 4"]
    """Quaternions x y z w."""


def to_cartesian(spherical: Float[np.ndarray, "*points 3"]) -> Float[np.ndarray, "*points 3"]:
    """x, y and z in meters, of azimuth and elevation in degrees and radius in meters.

    >>> to_cartesian(np.array([90.0, 0.0, 2.0])).round(6)
    array([0., 2., 0.])
    """
    azimuth, elevation = np.deg2rad(spherical[..., 0]), np.deg2rad(spherical[..., 1])
    level = np.cos(elevation)
    direction = [level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)]
    return spherical[..., 2:] * np.stack(direction, axis=-1)


def to_spherical(cartesian: Float[np.ndarray, "*points 3"]) -> Float[np.ndarray, "*points 3"]:
    """Azimuth (−180 to 180 degrees), elevation (−90 to 90 degrees) and radius of x, y and z.

    >>> to_spherical(np.array([0.0, -2.0, 0.0]))
    array([-90.,   0.,   2.])
    """
    x, y, z = np.moveaxis(cartesian, -1, 0)
    level = np.hypot(x, y)
    azimuth, elevation = np.rad2deg(np.arctan2(y, x)), np.rad2deg(np.arctan2(z, level))
    return np.stack([azimuth, elevation, np.hypot(level, z)], axis=-1)


def rotate(
    vectors: Float[np.ndarray, "*#points 3"],
    orientations: Float[np.ndarray, "*#points 4"],
    *,
    inverse: bool = False,
) -> Float[np.ndarray, "*points 3"]:
    """Vectors turned by orientations of any length but 0, or back (`inverse`)."""
    points = np.broadcast_shapes(vectors.shape[:-1], orientations.shape[:-1])
    rotation = Rotation.from_quat(np.broadcast_to(orientations, (*points, 4)).reshape(-1, 4))
    flat = np.array(np.broadcast_to(vectors, (*points, 3))).reshape(-1, 3)  # scipy wants its own
    return rotation.apply(flat, inverse=inverse).reshape(*points, 3)


def are_rotations(quaternions: Float[np.ndarray, "*points 4"]) -> Bool[np.ndarray, "*points"]:
    """Whether quaternions are finite and have a length that can be told from 0."""
    largest = np.abs(quaternions).max(axis=-1)
    return (largest > 1e-9) & (largest < 1e9)  # NaN is neither


def ear_positions(
    position: Float[np.ndarray, "*#points 3"] = ORIGIN,
    orientation: Float[np.ndarray, "*#points 4"] = UPRIGHT,
    *,
    head_radius: float = HEAD_RADIUS,
) -> Float[np.ndarray, "*points 2 3"]:
    """Left and right ear, at the ends of the axis through the middle of a head at `position`."""
    ears = np.array([[0.0, head_radius, 0.0], [0.0, -head_radius, 0.0]])
    return position[..., None, :] + rotate(ears, orientation[..., None, :])


def seen_from_head(
    source: Float[np.ndarray, "*#points 3"],
    position: Float[np.ndarray, "*#points 3"] = ORIGIN,
    orientation: Float[np.ndarray, "*#points 4"] = UPRIGHT,
) -> Float[np.ndarray, "*points 3"]:
    """Azimuth, elevation (degrees) and distance (meters) of a source, from a head's own view.

    >>> to_the_left = Rotation.from_euler("z", 90, degrees=True).as_quat()
    >>> seen_from_head(np.array([1.0, 0.0, 0.0]), orientation=to_the_left).round(6)
    array([-90.,   0.,   1.])
    """
    return to_spherical(rotate(source - position, orientation, inverse=True))
