import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from soundstage.binaural.binaural_speech_poses import (
    from_tracked,
    seen_by_receiver,
    to_tracked,
)
from soundstage.binaural.geometry import ear_positions, rotate

MIRROR = np.diag([1.0, -1.0, 1.0])
MOUTH = np.array([0.09, 0.0, -0.20])  # these are in the axes of the data set
EARS = np.array([[0.0, -0.08, -0.22], [0.0, 0.08, -0.22]])


@st.composite
def tracked_poses(draw, shape=(4,)):
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    quaternions = Rotation.random(int(np.prod(shape)), generator).as_quat().reshape(*shape, 4)
    return np.concatenate([generator.uniform(-2, 2, (*shape, 3)), quaternions], axis=-1)


@given(tracked_poses((2, 3)))
def test_conversion_and_back_is_the_identity(tracked):
    np.testing.assert_allclose(to_tracked(from_tracked(tracked)), tracked, atol=1e-15)


@given(tracked_poses())
def test_mouth_and_ears_are_as_in_the_published_renderer(tracked):
    positions, rotation = tracked[:, :3], Rotation.from_quat(tracked[:, 3:])
    published = (positions + rotation.apply(MOUTH, inverse=True))[:, None] - EARS
    ours = from_tracked(tracked).positions[:, None] - ear_positions(head_radius=0.08)
    np.testing.assert_allclose(ours, published @ MIRROR, atol=1e-14)


@given(tracked_poses())
def test_orientations_are_inverted_and_mirrored(tracked):
    matrices = Rotation.from_quat(tracked[:, 3:]).inv().as_matrix()
    ours = Rotation.from_quat(from_tracked(tracked).orientations).as_matrix()
    np.testing.assert_allclose(ours, MIRROR @ matrices @ MIRROR, atol=1e-14)


@given(tracked_poses())
def test_mirrored_poses_are_mirrored(tracked):
    mirrored = tracked * (1, -1, 1, -1, 1, -1, 1)
    ahead = np.array([1.0, 0.0, 0.0])
    one, other = from_tracked(tracked), from_tracked(mirrored)
    np.testing.assert_allclose(other.positions, one.positions @ MIRROR, atol=1e-14)
    axes = [rotate(ahead, poses.orientations) for poses in (one, other)]
    np.testing.assert_allclose(axes[1], axes[0] @ MIRROR, atol=1e-14)


@pytest.mark.parametrize(("degrees", "mouth"), [(90, (0, 0.09)), (-90, (0, -0.09)), (0, (0.09, 0))])
def test_the_mouth_moves_with_the_yaw(degrees, mouth):
    half = np.deg2rad(degrees / 2)
    pose = np.array([1.5, -0.5, 0.1, 0, 0, np.sin(half), np.cos(half)])  # 0.5 m to the left
    poses = from_tracked(pose)
    expected = [1.5 + mouth[0], 0.5 + mouth[1], 0.1 - 0.20 + 0.22]
    np.testing.assert_allclose(poses.positions, expected, atol=1e-15)
    axes = rotate(np.array([1.0, 0.0, 0.0]), poses.orientations)
    np.testing.assert_allclose(axes[:2] * 0.09, mouth, atol=1e-15)


@given(tracked_poses())
def test_a_receiver_at_the_origin_changes_nothing(tracked):
    origin = np.tile([0.0, 0, 0, 0, 0, 0, 1], (4, 1))
    found, expected = seen_by_receiver(tracked, origin), from_tracked(tracked)
    np.testing.assert_allclose(found.positions, expected.positions, atol=1e-14)
    np.testing.assert_allclose(
        Rotation.from_quat(found.orientations).as_matrix(),
        Rotation.from_quat(expected.orientations).as_matrix(),
        atol=1e-14,
    )
