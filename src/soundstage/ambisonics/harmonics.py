"""Real spherical harmonics to degree 3 as polynomials of a direction, in ACN order and SN3D.

A harmonic of degree l and index m has the number l² + l + m (ACN). With SN3D degree 1 is the
direction itself, and no harmonic exceeds 1; the Condon–Shortley phase is left out (Nachbar et al.
2011, "AmbiX: a suggested ambisonics format").
"""

import numpy as np
from jaxtyping import Float

from soundstage.ambisonics.conventions import channels_of


def harmonics(
    directions: Float[np.ndarray, "*points 3"], order: int
) -> Float[np.ndarray, "*points channels"]:
    """Harmonics of degrees 0 to `order` in some directions.

    Args:
        directions: x ahead, y left, z up, of any length but 0.
        order: 1 to 3.

    >>> harmonics(np.array([0.0, 2.0, 0.0]), 1).tolist()        # from the left: W, Y, Z, X
    [1.0, 1.0, 0.0, 0.0]
    """
    directions = np.asarray(directions, dtype=float)
    unit = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    x, y, z = np.moveaxis(unit, -1, 0)
    values = [np.ones_like(x), y, z, x]
    if order >= 2:
        root = np.sqrt(3)
        values += [root * x * y, root * y * z, (3 * z**2 - 1) / 2]
        values += [root * x * z, root * (x**2 - y**2) / 2]
    if order >= 3:
        values += [np.sqrt(5 / 8) * y * (3 * x**2 - y**2), np.sqrt(15) * x * y * z]
        values += [np.sqrt(3 / 8) * y * (5 * z**2 - 1), z * (5 * z**2 - 3) / 2]
        values += [np.sqrt(3 / 8) * x * (5 * z**2 - 1), np.sqrt(15) * z * (x**2 - y**2) / 2]
        values += [np.sqrt(5 / 8) * x * (x**2 - 3 * y**2)]
    return np.stack(values[: channels_of(order)], axis=-1)


def degrees(order: int) -> Float[np.ndarray, " channels"]:
    """The degree l of every channel."""
    return np.sqrt(np.arange(channels_of(order))).astype(int)


def to_direction(
    azimuth: Float[np.ndarray, "*points"] | float, elevation: Float[np.ndarray, "*points"] | float
) -> Float[np.ndarray, "*points 3"]:
    """Unit vectors.

    Args:
        azimuth: degrees counter-clockwise from ahead.
        elevation: degrees up.
    """
    azimuth, elevation = np.broadcast_arrays(np.radians(azimuth), np.radians(elevation))
    flat = np.cos(elevation)
    return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=-1)


def even_directions(count: int) -> Float[np.ndarray, "count 3"]:
    """Directions of equal density on the sphere: a spiral of the golden angle (Gonzalez 2010)."""
    number = np.arange(count) + 0.5
    azimuth = np.degrees(np.pi * (1 + np.sqrt(5)) * number)
    return to_direction(azimuth, np.degrees(np.arcsin(1 - 2 * number / count)))
