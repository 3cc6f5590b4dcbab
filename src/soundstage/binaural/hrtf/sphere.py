"""A triangulation of measured directions, and interpolation within its triangles.

The convex hull of points on a sphere is their Delaunay triangulation. In the triangle that a
direction d passes through it has barycentric weights w, and a quantity f with gradients g is

    f(d) = Σ_k w_k·[f_k + ½·g_k·(d − u_k)]

which is exact for quadratic f, where the linear form (without g) is off by its curvature. The
gradients are those of least squares over the neighbors.

Where the measurements leave a gap around one of the six axes, a corner is put there that stands for
the mean of what was measured nearest to it. So the hull always holds the origin (any direction is
within 54.7° of an axis, plus 30° to a corner), and a head that was measured in the horizontal plane
alone, or only in front, has a value everywhere: one that fades to that mean.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from scipy.spatial import ConvexHull

GAP = np.radians(30)  # from an axis to the nearest measurement
RING = np.radians(5)  # beyond the nearest: what the mean is taken over
REACH = np.radians(40)  # to neighbors that a gradient believes
_UNEVEN = 1e-6  # a thousandth of what the hull of directions 5° apart bulges by
_BLOCK = 256  # directions located together
_AXES = np.concatenate([np.eye(3), -np.eye(3)])


def even_directions(count: int) -> Float[np.ndarray, "count 3"]:
    """Unit vectors that share the sphere evenly: the Fibonacci lattice (González 2010)."""
    height = 1 - (2 * np.arange(count) + 1) / count
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    level = np.sqrt(1 - height**2)
    return np.stack([level * np.cos(turn), level * np.sin(turn), height], axis=-1)


def gap_corners(
    directions: Float[np.ndarray, "measured 3"],
) -> tuple[Float[np.ndarray, "gaps 3"], Float[np.ndarray, "gaps measured"]]:
    """Corners for the gaps, and the share of every measurement in each."""
    angles = np.arccos((_AXES @ directions.T).clip(-1, 1))
    smallest = angles.min(axis=1, keepdims=True)
    near = (angles <= smallest + RING)[smallest[:, 0] > GAP].astype(np.float64)
    return _AXES[smallest[:, 0] > GAP], near / near.sum(axis=1, keepdims=True)


def _uneven(corners: Float[np.ndarray, "corners 3"]) -> Float[np.ndarray, "corners 3"]:
    """Corners moved in or out by next to nothing, those that mirror each other alike.

    Four corners of a regular grid lie in a plane and may be cut along either diagonal, which would
    go one way on the left and the other on the right.
    """
    moved = np.sin(corners[:, 0] * 157.3 + np.abs(corners[:, 1]) * 211.7 + corners[:, 2] * 97.1)
    return corners * (1 + _UNEVEN * moved[:, None])


class SphereMesh:
    """The Delaunay triangulation of corners on the unit sphere.

    Args:
        corners: unit vectors, all different, with the origin inside their hull.
    """

    def __init__(self, corners: Float[np.ndarray, "corners 3"]) -> None:
        self.corners = corners
        self.triangles = ConvexHull(_uneven(corners)).simplices
        self._inverse = np.linalg.inv(corners[self.triangles].transpose(0, 2, 1)).reshape(-1, 3)

    def locate(
        self, directions: Float[np.ndarray, "wanted 3"]
    ) -> tuple[Int[np.ndarray, "wanted 3"], Float[np.ndarray, "wanted 3"]]:
        """The corners of the triangles that these directions pass through, and their weights."""
        best, found = [], []
        for start in range(0, len(directions), _BLOCK):
            block = directions[start : start + _BLOCK]
            weights = (self._inverse @ block.T).reshape(-1, 3, len(block))
            triangle = weights.min(axis=1).argmax(axis=0)
            best.append(self.triangles[triangle])
            found.append(weights[triangle, :, np.arange(len(block))].clip(0))
        weights = np.concatenate(found)
        return np.concatenate(best), weights / weights.sum(axis=1, keepdims=True)

    def gradients(self) -> csr_array:
        """From values at the corners to their gradients: a matrix of 3·corners by corners.

        Rows 3k to 3k + 2 are the gradient at corner k, which lies in the tangent plane.
        """
        around: list[set[int]] = [set() for _ in self.corners]
        for triangle in self.triangles.tolist():
            for corner in triangle:
                around[corner].update(triangle)
        rows, columns, values = [], [], []
        for k, corner in enumerate(self.corners):
            others = np.array(sorted(around[k] - {k}))
            others = others[self.corners[others] @ corner > np.cos(REACH)]
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
