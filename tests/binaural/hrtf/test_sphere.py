import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.binaural.hrtf.sphere import SphereMesh, gap_corners
from spheres import directions, grid, spread

MESH = SphereMesh(spread(400))


def test_a_corner_has_weight_one() -> None:
    corners, weights = MESH.locate(MESH.corners)
    chosen = corners[np.arange(400), weights.argmax(axis=1)]
    np.testing.assert_array_equal(chosen, np.arange(400))
    np.testing.assert_allclose(weights.max(axis=1), 1, atol=1e-12)


@given(azimuth=st.floats(0, 360), elevation=st.floats(-90, 90))
def test_weights_are_barycentric(azimuth: float, elevation: float) -> None:
    expected = directions(azimuth, elevation)
    corners, weights = MESH.locate(expected[None])
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    middle = weights[0] @ MESH.corners[corners[0]]
    np.testing.assert_allclose(middle / np.linalg.norm(middle), expected, atol=1e-9)


def test_the_triangulation_is_delaunay() -> None:
    for triangle in MESH.triangles:
        corners = MESH.corners[triangle]
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        heights = MESH.corners @ (normal * np.sign(normal @ corners[0]))
        assert heights.max() <= heights[triangle].max() + 1e-12


def test_gradients_approximate_a_smooth_function() -> None:
    x, y, z = MESH.corners.T
    values = x * y + z  # with the tangential gradient
    expected = np.stack([y, x, np.ones_like(z)], axis=1)
    expected -= (expected * MESH.corners).sum(axis=1, keepdims=True) * MESH.corners
    found = (MESH.gradients() @ values).reshape(-1, 3)
    assert np.abs(found - expected).mean() < 0.03


def test_a_full_sphere_has_no_gaps() -> None:
    corners, shares = gap_corners(grid(15))
    assert corners.shape == (0, 3)
    assert shares.shape == (0, len(grid(15)))


def test_a_missing_cap_has_the_mean_of_its_rim() -> None:
    towards = grid(15, lowest=-45)
    corners, shares = gap_corners(towards)
    np.testing.assert_array_equal(corners, [[0, 0, -1]])
    rim = towards[:, 2] < -0.7
    np.testing.assert_allclose(shares[0], rim / rim.sum())


@pytest.mark.parametrize(
    ("azimuths", "gaps"),
    [(np.arange(0, 360, 10), 2), (np.arange(-90, 91, 5), 3), (np.array([20.0]), 5)],
)
def test_partial_measurements_cover_all_directions(azimuths: np.ndarray, gaps: int) -> None:
    towards = directions(azimuths, 0.0 * azimuths)
    corners, _ = gap_corners(towards)
    assert len(corners) == gaps
    mesh = SphereMesh(np.concatenate([towards, corners]))
    found, weights = mesh.locate(spread(500))
    middle = np.einsum("nk,nkx->nx", weights, mesh.corners[found])
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    np.testing.assert_allclose(middle, spread(500), atol=1e-9)
