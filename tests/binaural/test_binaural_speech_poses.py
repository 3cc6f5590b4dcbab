import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from soundstage.binaural.binaural_speech_poses import (
    EAR_RADIUS,
    from_tracked,
    seen_by_receiver,
    to_tracked,
)
from soundstage.binaural.geometry import ear_positions, rotate

MIRROR = np.diag([1.0, -1.0, 1.0])
MOUTH = np.array([0.09, 0.0, -0.20])  # these and the ears in the axes of the data set
EARS = np.array([[0.0, -0.08, -0.22], [0.0, 0.08, -0.22]])


@st.composite
def rows(draw, shape=(4,)):
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    quaternions = Rotation.random(int(np.prod(shape)), generator).as_quat().reshape(*shape, 4)
    return np.concatenate([generator.uniform(-2, 2, (*shape, 3)), quaternions], axis=-1)


@given(rows((2, 3)))
def test_poses_come_back(tracked):
    np.testing.assert_allclose(to_tracked(from_tracked(tracked)), tracked, atol=1e-15)


@given(rows())
def test_from_mouth_to_ear_it_is_as_far_as_in_the_published_renderer(tracked):
    places, turned = tracked[:, :3], Rotation.from_quat(tracked[:, 3:])
    published = (places + turned.apply(MOUTH, inverse=True))[:, None] - EARS
    ours = from_tracked(tracked).positions[:, None] - ear_positions(head_radius=EAR_RADIUS)
    np.testing.assert_allclose(ours, published @ MIRROR, atol=1e-14)


@given(rows())
def test_the_rotation_is_the_inverse_of_theirs_seen_in_the_mirror(tracked):
    matrices = Rotation.from_quat(tracked[:, 3:]).inv().as_matrix()
    ours = Rotation.from_quat(from_tracked(tracked).orientations).as_matrix()
    np.testing.assert_allclose(ours, MIRROR @ matrices @ MIRROR, atol=1e-14)


@given(rows())
def test_mirrored_talkers_are_mirrored(tracked):
    mirrored = tracked * (1, -1, 1, -1, 1, -1, 1)
    ahead = np.array([1.0, 0.0, 0.0])
    one, other = from_tracked(tracked), from_tracked(mirrored)
    np.testing.assert_allclose(other.positions, one.positions @ MIRROR, atol=1e-14)
    looks = [rotate(ahead, poses.orientations) for poses in (one, other)]
    np.testing.assert_allclose(looks[1], looks[0] @ MIRROR, atol=1e-14)


@pytest.mark.parametrize(("degrees", "mouth"), [(90, (0, 0.09)), (-90, (0, -0.09)), (0, (0.09, 0))])
def test_a_talker_who_looks_to_the_left_speaks_from_there(degrees, mouth):
    half = np.deg2rad(degrees / 2)
    row = np.array([1.5, -0.5, 0.1, 0, 0, np.sin(half), np.cos(half)])  # 0.5 m to the left
    poses = from_tracked(row)
    wanted = [1.5 + mouth[0], 0.5 + mouth[1], 0.1 - 0.20 + 0.22]
    np.testing.assert_allclose(poses.positions, wanted, atol=1e-15)
    looks = rotate(np.array([1.0, 0.0, 0.0]), poses.orientations)
    np.testing.assert_allclose(looks[:2] * 0.09, mouth, atol=1e-15)


@given(rows())
def test_a_head_at_the_origin_sees_what_the_data_set_says(tracked):
    origin = np.tile([0.0, 0, 0, 0, 0, 0, 1], (4, 1))
    found, wanted = seen_by_receiver(tracked, origin), from_tracked(tracked)
    np.testing.assert_allclose(found.positions, wanted.positions, atol=1e-14)
    np.testing.assert_allclose(
        Rotation.from_quat(found.orientations).as_matrix(),
        Rotation.from_quat(wanted.orientations).as_matrix(),
        atol=1e-14,
    )
