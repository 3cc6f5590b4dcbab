import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from soundstage.binaural.geometry import (
    HEAD_RADIUS,
    are_rotations,
    ear_positions,
    rotate,
    seen_from_head,
    to_cartesian,
    to_spherical,
)

MIRROR = np.array([1.0, -1.0, 1.0])


def vectors(*shape):
    return arrays(float, (*shape, 3), elements=st.floats(-10, 10))


def orientations(*shape):
    seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
    return seeds.map(lambda generator: generator.standard_normal((*shape, 4)))


@pytest.mark.parametrize(
    ("spherical", "cartesian"),
    [
        ((0, 0, 2), (2, 0, 0)),
        ((90, 0, 2), (0, 2, 0)),
        ((180, 0, 2), (-2, 0, 0)),
        ((-90, 0, 2), (0, -2, 0)),
        ((0, 90, 2), (0, 0, 2)),
        ((0, -90, 2), (0, 0, -2)),
        ((45, 45, 2), (1, 1, 2**0.5)),
    ],
)
def test_coordinates_follow_sofa(spherical, cartesian):
    np.testing.assert_allclose(to_cartesian(np.array(spherical, float)), cartesian, atol=1e-15)
    back = to_spherical(np.array(cartesian, float))
    np.testing.assert_allclose(back, spherical, atol=1e-13)


@given(vectors(2, 3))
def test_cartesian_to_spherical_and_back_is_the_identity(positions):
    spherical = to_spherical(positions)
    assert spherical.shape == positions.shape
    assert (np.abs(spherical[..., 0]) <= 180).all()
    assert (np.abs(spherical[..., 1]) <= 90).all()
    np.testing.assert_allclose(spherical[..., 2], np.linalg.norm(positions, axis=-1), atol=1e-13)
    np.testing.assert_allclose(to_cartesian(spherical), positions, atol=1e-13)


@given(st.floats(-179.9, 179.9), st.floats(-89.9, 89.9), st.floats(0.1, 100))
def test_spherical_to_cartesian_and_back_is_the_identity(azimuth, elevation, radius):
    spherical = np.array([azimuth, elevation, radius])
    np.testing.assert_allclose(to_spherical(to_cartesian(spherical)), spherical, atol=1e-9)


@given(vectors(4))
def test_mirroring_inverts_the_azimuth(positions):
    positions = np.where(np.abs(positions) < 1e-6, 1.0, positions)
    mirrored = to_spherical(positions * MIRROR)
    np.testing.assert_allclose(mirrored, to_spherical(positions) * (-1, 1, 1), rtol=1e-14)


def test_ears_are_a_diameter_apart_with_the_left_one_first():
    np.testing.assert_allclose(
        ear_positions(), [[0, HEAD_RADIUS, 0], [0, -HEAD_RADIUS, 0]], atol=1e-15
    )
    orientation = Rotation.from_euler("z", 90, degrees=True).as_quat()  # looks to the left
    ears = ear_positions(np.array([1.0, 2.0, 3.0]), orientation, head_radius=0.1)
    np.testing.assert_allclose(ears, [[0.9, 2, 3], [1.1, 2, 3]], atol=1e-15)


@given(vectors(5), orientations(5))
def test_ears_follow_the_poses_of_a_head(positions, orientation):
    ears = ear_positions(positions, orientation)
    assert ears.shape == (5, 2, 3)
    for each, place, quaternion in zip(ears, positions, orientation, strict=True):
        np.testing.assert_allclose(each, ear_positions(place, quaternion), atol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(ears[:, 0] - ears[:, 1], axis=-1), 2 * HEAD_RADIUS)
    np.testing.assert_allclose(ears.mean(axis=1), positions, atol=1e-14)


@given(vectors(3), vectors(3), orientations(3))
def test_relative_coordinates_reproduce_the_source(sources, heads, orientation):
    seen = seen_from_head(sources, heads, orientation)
    np.testing.assert_allclose(seen[:, 2], np.linalg.norm(sources - heads, axis=-1), atol=1e-13)
    np.testing.assert_allclose(heads + rotate(to_cartesian(seen), orientation), sources, atol=1e-12)


@pytest.mark.parametrize(
    ("axis", "degrees", "source", "direction"),
    [
        ("z", 90, (2, 0, 0), (-90, 0)),  # looks left
        ("y", -90, (0, 0, 2), (0, 0)),  # looks up
        ("x", 90, (0, 0, 2), (90, 0)),  # lies on its right ear
    ],
)
def test_rotating_the_head_rotates_sources_the_other_way(axis, degrees, source, direction):
    orientation = Rotation.from_euler(axis, degrees, degrees=True).as_quat()
    seen = seen_from_head(np.array(source, float), orientation=orientation)
    np.testing.assert_allclose(seen, [*direction, 2], atol=1e-13)


def test_vectors_and_rotations_broadcast():
    many = np.random.default_rng(0).standard_normal((4, 1, 3))
    orientation = np.random.default_rng(1).standard_normal((5, 4))
    rotated = rotate(many, orientation)
    assert rotated.shape == (4, 5, 3)
    wanted = Rotation.from_quat(orientation[3]).as_matrix() @ many[2, 0]
    np.testing.assert_allclose(rotated[2, 3], wanted, atol=1e-14)
    np.testing.assert_allclose(
        rotate(rotated, orientation, inverse=True), np.broadcast_to(many, (4, 5, 3)), atol=1e-14
    )


def test_a_zero_quaternion_is_not_a_rotation():
    asked = [[0, 0, 0, 1], [0, 0, 0, 5], [0, 0, 0, 0], [0, np.nan, 0, 1], [np.inf, 0, 0, 1]]
    assert are_rotations(np.array(asked)).tolist() == [True, True, False, False, False]
