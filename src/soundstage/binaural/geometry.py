"""Positions, orientations and ears, in the coordinates of SOFA (AES69-2022).

A position is given in meters, x ahead, y to the left, z up, or as azimuth (degrees
counter-clockwise from ahead: 90 is left), elevation (degrees up) and radius (meters):

    x = r·cos ε·cos α,    y = r·cos ε·sin α,    z = r·sin ε

An orientation is a unit quaternion (x, y, z, w) that rotates body to room coordinates: the point b
of a body at p is at p + R·b. Relative to a head at h with orientation R, a source at s is at
R⁻¹·(s − h).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

HEAD_RADIUS = 0.0875  # m, of a sphere with the average human ITD (Woodworth 1938)
SPEED_OF_SOUND = 343.0  # m/s, in dry air of 20 °C
ORIGIN = np.zeros(3)
UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])  # looking ahead


class Poses(NamedTuple):
    """Positions and orientations of sources, talkers or heads."""

    positions: Float[np.ndarray, "*points 3"]
    """x, y and z in meters."""
    orientations: Float[np.ndarray, "*points 4"]
    """Quaternions x y z w."""


def to_cartesian(spherical: Float[np.ndarray, "*points 3"]) -> Float[np.ndarray, "*points 3"]:
    """Convert azimuth and elevation (degrees) and radius (m) to x, y and z (m).

    >>> to_cartesian(np.array([90.0, 0.0, 2.0])).round(6)
    array([0., 2., 0.])
    """
    azimuth, elevation = np.deg2rad(spherical[..., 0]), np.deg2rad(spherical[..., 1])
    level = np.cos(elevation)
    direction = [level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)]
    return spherical[..., 2:] * np.stack(direction, axis=-1)


def to_spherical(cartesian: Float[np.ndarray, "*points 3"]) -> Float[np.ndarray, "*points 3"]:
    """Convert x, y and z to azimuth (−180 to 180 degrees), elevation (−90 to 90 degrees), radius.

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
    """Rotate vectors by quaternions of any nonzero norm, or by their inverses."""
    from scipy.spatial.transform import Rotation

    points = np.broadcast_shapes(vectors.shape[:-1], orientations.shape[:-1])
    rotation = Rotation.from_quat(np.broadcast_to(orientations, (*points, 4)).reshape(-1, 4))
    flat = np.array(np.broadcast_to(vectors, (*points, 3))).reshape(
        -1, 3
    )  # scipy needs a writable copy
    return rotation.apply(flat, inverse=inverse).reshape(*points, 3)


def from_angles(angles: Float[np.ndarray, "*points 3"]) -> Float[np.ndarray, "*points 4"]:
    """Orientations by yaw to the left, then pitch up, then roll to the right, in degrees.

    >>> from_angles(np.array([[90.0, 0.0, 0.0]])).round(3)
    array([[0.   , 0.   , 0.707, 0.707]])
    """
    from scipy.spatial.transform import Rotation

    turns = angles * (1, -1, 1)  # a rotation about y (left) pitches down
    return Rotation.from_euler("ZYX", turns, degrees=True).as_quat()


def are_rotations(quaternions: Float[np.ndarray, "*points 4"]) -> Bool[np.ndarray, "*points"]:
    """Whether quaternions are finite and their norm is not 0."""
    largest = np.abs(quaternions).max(axis=-1)
    return (largest > 1e-9) & (largest < 1e9)  # false for NaN


def ear_positions(
    position: Float[np.ndarray, "*#points 3"] = ORIGIN,
    orientation: Float[np.ndarray, "*#points 4"] = UPRIGHT,
    *,
    head_radius: float = HEAD_RADIUS,
) -> Float[np.ndarray, "*points 2 3"]:
    """Left and right ear of a spherical head centered at `position`, in meters."""
    ears = np.array([[0.0, head_radius, 0.0], [0.0, -head_radius, 0.0]])
    return position[..., None, :] + rotate(ears, orientation[..., None, :])


def seen_from_head(
    source: Float[np.ndarray, "*#points 3"],
    position: Float[np.ndarray, "*#points 3"] = ORIGIN,
    orientation: Float[np.ndarray, "*#points 4"] = UPRIGHT,
) -> Float[np.ndarray, "*points 3"]:
    """Azimuth, elevation (degrees) and distance (m) of a source relative to a head.

    >>> from scipy.spatial.transform import Rotation
    >>> to_the_left = Rotation.from_euler("z", 90, degrees=True).as_quat()
    >>> seen_from_head(np.array([1.0, 0.0, 0.0]), orientation=to_the_left).round(6)
    array([-90.,   0.,   1.])
    """
    return to_spherical(rotate(source - position, orientation, inverse=True))
