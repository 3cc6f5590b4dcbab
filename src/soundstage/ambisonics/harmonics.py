"""Real spherical harmonics to degree 3 as polynomials of a direction, in ACN order and SN3D.

A harmonic of degree l and index m has the number n = l² + l + m (ACN). With SN3D degree 1 is
the direction itself, and no harmonic exceeds 1; the Condon–Shortley phase is left out (Nachbar et
al. 2011, "AmbiX: a suggested ambisonics format").
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
        third = np.sqrt(3)
        values += [
            third * x * y,
            third * y * z,
            (3 * z**2 - 1) / 2,
            third * x * z,
            third * (x**2 - y**2) / 2,
        ]
    if order >= 3:
        values += [
            np.sqrt(5 / 8) * y * (3 * x**2 - y**2),
            np.sqrt(15) * x * y * z,
            np.sqrt(3 / 8) * y * (5 * z**2 - 1),
            z * (5 * z**2 - 3) / 2,
            np.sqrt(3 / 8) * x * (5 * z**2 - 1),
            np.sqrt(15) * z * (x**2 - y**2) / 2,
            np.sqrt(5 / 8) * x * (x**2 - 3 * y**2),
        ]
    return np.stack(values[: channels_of(order)], axis=-1)
