import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from soundstage.binaural.binaural_speech_poses import to_tracked
from soundstage.binaural.geometry import HEAD_RADIUS, SPEED_OF_SOUND, Poses, rotate, to_cartesian
from soundstage.binaural.render.pose_encoding import (
    POSE_ENCODINGS,
    POSE_FEATURES,
    PoseEncoding,
    ear_delays,
    encode_poses,
    facing_head,
)

MIRROR = np.array([1.0, -1.0, 1.0])
MIRROR_TURN = np.array([-1.0, 1.0, -1.0, 1.0])  # of a quaternion, whose axis is a pseudovector
LATERAL = [1, 3, 5]  # y, qx and qz of `published`; y, x·y and y·z of `directions`
FAR = (0.5, 3.0)


@st.composite
def poses(draw: st.DrawFn) -> Poses:
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    direction = generator.standard_normal((5, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    distance = draw(st.floats(0.1, 10))
    return Poses(distance * direction, Rotation.random(5, generator).as_quat())


def circle(points: int = 720) -> np.ndarray:
    """One and a half turns around the head."""
    azimuth = np.linspace(-270, 270, points)
    return to_cartesian(np.stack([azimuth, 0 * azimuth + 20, 0 * azimuth + 1.5], axis=1))


@pytest.mark.parametrize("encoding", POSE_ENCODINGS)
def test_an_encoding_has_its_number_of_features(encoding: PoseEncoding) -> None:
    positions = circle(5)
    encoded = encode_poses(encoding, Poses(positions, facing_head(positions)), FAR)
    assert encoded.shape == (POSE_FEATURES[encoding], 5)


@pytest.mark.parametrize("encoding", POSE_ENCODINGS)
@given(pose=poses())
def test_a_mirrored_pose_has_the_mirrored_encoding(encoding: PoseEncoding, pose: Poses) -> None:
    mirrored = Poses(pose.positions * MIRROR, pose.orientations * MIRROR_TURN)
    expected = encode_poses(encoding, pose, FAR)
    expected[LATERAL] *= -1
    np.testing.assert_allclose(encode_poses(encoding, mirrored, FAR), expected, atol=1e-12)


@given(poses())
def test_directions_follow_the_equation(pose: Poses) -> None:
    distance = np.linalg.norm(pose.positions, axis=1)
    x, y, z = (pose.positions / distance[:, None]).T
    # The first column of a rotation is the direction of its x axis
    looks = Rotation.from_quat(pose.orientations).as_matrix()[:, :, 0]
    to_head = -pose.positions / distance[:, None]
    facing = np.einsum("ij,ij->i", looks, to_head)
    expected = [x, y, z, x * y, x * z, y * z, x * x - y * y, z * z]
    encoded = encode_poses("directions", pose, (0.01, 100.0))
    np.testing.assert_allclose(encoded, [*expected, np.log2(distance), facing], atol=1e-12)


@given(poses())
def test_published_is_the_pose_of_the_data_set(pose: Poses) -> None:
    encoded = encode_poses("published", pose, (0.01, 100.0))
    np.testing.assert_allclose(encoded.T, to_tracked(pose), atol=1e-12)


@given(poses())
def test_directions_ignore_the_sign_of_a_quaternion(pose: Poses) -> None:
    other = Poses(pose.positions, -pose.orientations)
    np.testing.assert_allclose(
        encode_poses("directions", other, FAR), encode_poses("directions", pose, FAR), atol=1e-12
    )


def test_directions_are_continuous_around_the_head() -> None:
    positions = circle()
    pose = Poses(positions, facing_head(positions))
    published = np.abs(np.diff(encode_poses("published", pose, FAR))).max()
    directions = np.abs(np.diff(encode_poses("directions", pose, FAR))).max()
    assert published > 1  # a quaternion flips its sign
    assert directions < 0.03  # twice the angle from point to point


@pytest.mark.parametrize("encoding", POSE_ENCODINGS)
@given(pose=poses())
def test_distances_are_clipped_to_those_of_the_training_data(
    encoding: PoseEncoding, pose: Poses
) -> None:
    distance = np.linalg.norm(pose.positions[0])
    scales = [(FAR[0], 0.1), (FAR[1], 20.0)]
    for bound, beyond in scales:
        at_bound = Poses(pose.positions * bound / distance, pose.orientations)
        farther = Poses(pose.positions * beyond / distance, pose.orientations)
        one, other = (encode_poses(encoding, each, FAR) for each in (at_bound, farther))
        np.testing.assert_allclose(other, one, atol=1e-12)


@pytest.mark.parametrize("encoding", POSE_ENCODINGS)
def test_distances_of_the_training_data_are_unchanged(encoding: PoseEncoding) -> None:
    positions = circle(5)
    pose = Poses(positions, facing_head(positions))
    wide = encode_poses(encoding, pose, (0.1, 100.0))
    np.testing.assert_array_equal(encode_poses(encoding, pose, (1.4, 1.6)), wide)


@given(poses())
def test_a_mouth_that_faces_the_head_has_no_roll(pose: Poses) -> None:
    turned = facing_head(pose.positions)
    ahead, left, up = (rotate(axis, turned) for axis in np.eye(3))
    distance = np.linalg.norm(pose.positions, axis=1, keepdims=True)
    np.testing.assert_allclose(ahead, -pose.positions / distance, atol=1e-12)
    np.testing.assert_allclose(left[:, 2], 0, atol=1e-12)
    assert bool((up[:, 2] > -1e-12).all())
    facing = encode_poses("directions", Poses(pose.positions, turned), FAR)[-1]
    np.testing.assert_allclose(facing, 1, atol=1e-12)


@pytest.mark.parametrize("height", [1.0, -1.0])
def test_a_mouth_above_or_below_faces_the_head(height: float) -> None:
    turned = facing_head(np.array([[0.0, 0.0, height]]))
    np.testing.assert_allclose(rotate(np.eye(3)[0], turned), [[0, 0, -height]], atol=1e-15)


@given(poses())
def test_mirrored_positions_swap_the_delays(pose: Poses) -> None:
    delays, mirrored = ear_delays(pose.positions), ear_delays(pose.positions * MIRROR)
    np.testing.assert_allclose(mirrored, delays[::-1], rtol=1e-12)


@given(poses(), st.sampled_from([8000, 44_100, 96_000]))
def test_delays_are_those_of_straight_lines(pose: Poses, rate: int) -> None:
    left, right = ear_delays(pose.positions, rate) * SPEED_OF_SOUND / rate
    x, y, z = pose.positions.T
    np.testing.assert_allclose(left, np.sqrt(x**2 + (y - HEAD_RADIUS) ** 2 + z**2), rtol=1e-12)
    np.testing.assert_allclose(right, np.sqrt(x**2 + (y + HEAD_RADIUS) ** 2 + z**2), rtol=1e-12)


def test_sound_from_the_left_reaches_the_left_ear_first() -> None:
    (left,), (right,) = ear_delays(np.array([[0.0, 1.0, 0.0]]))
    assert right - left == pytest.approx(2 * HEAD_RADIUS / SPEED_OF_SOUND * 48_000)
    assert left == pytest.approx((1 - HEAD_RADIUS) / SPEED_OF_SOUND * 48_000)
