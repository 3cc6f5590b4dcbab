"""Triangulation of the measured directions on the sphere, and interpolation in its triangles.

The convex hull of points on a sphere is their Delaunay triangulation. A direction d has barycentric
weights w in its triangle, and a quantity f with gradients g is interpolated as

    f(d) = Σ_k w_k·[f_k + ½·g_k·(d − u_k)]

which is exact for quadratic f, unlike the linear form without g. The gradients are least-squares
fits over the neighbors.

If no measurement is within 30° of one of the six axes, a corner is added there with the mean of the
nearest measurements. The hull then always contains the origin (any direction is within 54.7° of an
axis, plus 30° to a corner), and a set measured only in the horizontal plane or in front is defined
everywhere: it fades to that mean.
"""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

if TYPE_CHECKING:
    from scipy.sparse import csr_array

GAP = np.radians(30)  # from an axis to the nearest measurement
RING = np.radians(5)  # measurements up to this much farther than the nearest enter the mean
MAX_NEIGHBOR = np.radians(40)  # largest angle to a neighbor that enters a gradient
_JITTER = 1e-6  # a thousandth of the sagitta of directions 5° apart
_BLOCK = 256  # directions per batch
_AXES = np.concatenate([np.eye(3), -np.eye(3)])


def even_directions(count: int) -> Float[np.ndarray, "count 3"]:
    """Unit vectors distributed evenly on the sphere: the Fibonacci lattice (González 2010)."""
    height = 1 - (2 * np.arange(count) + 1) / count
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    level = np.sqrt(1 - height**2)
    return np.stack([level * np.cos(turn), level * np.sin(turn), height], axis=-1)


def gap_corners(
    directions: Float[np.ndarray, "measured 3"],
) -> tuple[Float[np.ndarray, "gaps 3"], Float[np.ndarray, "gaps measured"]]:
    """Corners for the gaps, and the weight of each measurement in them."""
    angles = np.arccos((_AXES @ directions.T).clip(-1, 1))
    smallest = angles.min(axis=1, keepdims=True)
    near = (angles <= smallest + RING)[smallest[:, 0] > GAP].astype(np.float64)
    return _AXES[smallest[:, 0] > GAP], near / near.sum(axis=1, keepdims=True)


def _jittered(corners: Float[np.ndarray, "corners 3"]) -> Float[np.ndarray, "corners 3"]:
    """Corners moved radially by a tiny amount, mirrored corners alike.

    Four coplanar corners of a regular grid can be split along either diagonal; without jitter the
    left and the right hemisphere could differ.
    """
    moved = np.sin(corners[:, 0] * 157.3 + np.abs(corners[:, 1]) * 211.7 + corners[:, 2] * 97.1)
    return corners * (1 + _JITTER * moved[:, None])


class SphereMesh:
    """The Delaunay triangulation of corners on the unit sphere.

    Args:
        corners: distinct unit vectors with the origin inside their hull.
    """

    def __init__(self, corners: Float[np.ndarray, "corners 3"]) -> None:
        from scipy.spatial import ConvexHull

        self.corners = corners
        self.triangles = ConvexHull(_jittered(corners)).simplices
        self._inverse = np.linalg.inv(corners[self.triangles].transpose(0, 2, 1)).reshape(-1, 3)

    def locate(
        self, directions: Float[np.ndarray, "points 3"]
    ) -> tuple[Int[np.ndarray, "points 3"], Float[np.ndarray, "points 3"]]:
        """The corners of the triangle of each direction, and their barycentric weights."""
        best, found = [], []
        for start in range(0, len(directions), _BLOCK):
            block = directions[start : start + _BLOCK]
            weights = (self._inverse @ block.T).reshape(-1, 3, len(block))
            triangle = weights.min(axis=1).argmax(axis=0)
            best.append(self.triangles[triangle])
            found.append(weights[triangle, :, np.arange(len(block))].clip(0))
        weights = np.concatenate(found)
        return np.concatenate(best), weights / weights.sum(axis=1, keepdims=True)

    def gradients(self) -> "csr_array":
        """The matrix, (3·corners, corners), that maps values at the corners to gradients.

        Rows 3k to 3k + 2 give the gradient at corner k, in the tangent plane.
        """
        from scipy.sparse import csr_array

        around: list[set[int]] = [set() for _ in self.corners]
        for triangle in self.triangles.tolist():
            for corner in triangle:
                around[corner].update(triangle)
        rows, columns, values = [], [], []
        for k, corner in enumerate(self.corners):
            others = np.array(sorted(around[k] - {k}))
            others = others[self.corners[others] @ corner > np.cos(MAX_NEIGHBOR)]
            if len(others) < 3:
                continue
            steps = self.corners[others] - corner
            lengths = np.linalg.norm(steps, axis=1)
            steps -= np.outer(steps @ corner, corner)
            fit = np.linalg.pinv(steps / lengths[:, None], rcond=0.05) / lengths
            columns.append(np.tile([*others, k], (3, 1)))
            rows.append(np.tile(np.arange(3 * k, 3 * k + 3)[:, None], (1, len(others) + 1)))
            values.append(np.concatenate([fit, -fit.sum(axis=1, keepdims=True)], axis=1))
        size = len(self.corners)
        if not rows:
            return csr_array((3 * size, size))
        flat = [np.concatenate([part.ravel() for part in each]) for each in (values, rows, columns)]
        return csr_array((flat[0], (flat[1], flat[2])), shape=(3 * size, size))
