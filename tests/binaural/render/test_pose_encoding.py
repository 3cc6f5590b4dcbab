import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from soundstage.binaural.binaural_speech_poses import to_tracked
from soundstage.binaural.geometry import HEAD_RADIUS, SPEED_OF_SOUND, Poses, rotate, to_cartesian
from soundstage.binaural.render.pose_encoding import (
    POSE_FEATURES,
    POSE_ENCODINGS,
    PoseEncoding,
    ear_delays,
    towards_head,
    encode_poses,
)

MIRROR = np.array([1.0, -1.0, 1.0])
MIRROR_TURN = np.array([-1.0, 1.0, -1.0, 1.0])  # of a quaternion: its axis is a pseudovector
SIDEWAYS = [1, 3, 5]  # y, qx and qz of the one view; y, x·y and y·z of the other
FAR = (0.5, 3.0)


@st.composite
def poses(draw: st.DrawFn) -> Poses:
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    direction = generator.standard_normal((5, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    distance = draw(st.floats(0.1, 10))
    return Poses(distance * direction, Rotation.random(5, generator).as_quat())


def circle(points: int = 720) -> np.ndarray:
    """Around the head and back to the first place."""
    azimuth = np.linspace(-270, 270, points)
    return to_cartesian(np.stack([azimuth, 0 * azimuth + 20, 0 * azimuth + 1.5], axis=1))


@pytest.mark.parametrize("name", POSE_ENCODINGS)
@given(told=poses())
def test_a_view_has_its_numbers_for_every_pose(name: PoseEncoding, told: Poses) -> None:
    rows = encode_poses(name, told, FAR)
    assert rows.shape == (POSE_FEATURES[name], 5)
    assert bool(np.isfinite(rows).all())


@pytest.mark.parametrize("name", POSE_ENCODINGS)
@given(told=poses())
def test_a_mirrored_pose_gives_the_mirrored_view(name: PoseEncoding, told: Poses) -> None:
    mirrored = Poses(told.positions * MIRROR, told.orientations * MIRROR_TURN)
    wanted = encode_poses(name, told, FAR)
    wanted[SIDEWAYS] *= -1
    np.testing.assert_allclose(encode_poses(name, mirrored, FAR), wanted, atol=1e-12)


@given(poses())
def test_directions_are_what_the_equation_says(told: Poses) -> None:
    distance = np.linalg.norm(told.positions, axis=1)
    x, y, z = (told.positions / distance[:, None]).T
    # The first column of a rotation is where it turns what looks ahead
    looks = Rotation.from_quat(told.orientations).as_matrix()[:, :, 0]
    to_head = -told.positions / distance[:, None]
    facing = np.einsum("ij,ij->i", looks, to_head)
    wanted = [x, y, z, x * y, x * z, y * z, x * x - y * y, z * z]
    rows = encode_poses("directions", told, (0.01, 100.0))
    np.testing.assert_allclose(rows, [*wanted, np.log2(distance), facing], atol=1e-12)


@given(poses())
def test_the_published_view_is_the_row_of_the_data_set(told: Poses) -> None:
    rows = encode_poses("published", told, (0.01, 100.0))
    np.testing.assert_allclose(rows.T, to_tracked(told), atol=1e-12)


@given(poses())
def test_directions_do_not_know_the_sign_of_a_quaternion(told: Poses) -> None:
    other = Poses(told.positions, -told.orientations)
    np.testing.assert_allclose(
        encode_poses("directions", other, FAR), encode_poses("directions", told, FAR), atol=1e-12
    )


def test_nothing_jumps_around_a_circle_where_a_quaternion_turns_its_sign() -> None:
    places = circle()
    told = Poses(places, towards_head(places))
    published = np.abs(np.diff(encode_poses("published", told, FAR))).max()
    directions = np.abs(np.diff(encode_poses("directions", told, FAR))).max()
    assert published > 1  # the trap is there
    assert directions < 0.03  # twice the angle from point to point


@pytest.mark.parametrize("name", POSE_ENCODINGS)
@given(told=poses())
def test_poses_beyond_what_is_learned_are_told_as_at_the_bound(
    name: PoseEncoding, told: Poses
) -> None:
    distance = np.linalg.norm(told.positions[0])
    scales = [(FAR[0], 0.1), (FAR[1], 20.0)]
    for bound, beyond in scales:
        at_bound = Poses(told.positions * bound / distance, told.orientations)
        farther = Poses(told.positions * beyond / distance, told.orientations)
        one, other = (encode_poses(name, each, FAR) for each in (at_bound, farther))
        np.testing.assert_allclose(other, one, atol=1e-12)


@pytest.mark.parametrize("name", POSE_ENCODINGS)
def test_poses_within_what_is_learned_are_told_as_they_are(name: PoseEncoding) -> None:
    places = circle(5)
    told = Poses(places, towards_head(places))
    wide = encode_poses(name, told, (0.1, 100.0))
    np.testing.assert_array_equal(encode_poses(name, told, (1.4, 1.6)), wide)


@given(poses())
def test_a_mouth_that_is_turned_towards_the_head_points_at_it_and_is_upright(told: Poses) -> None:
    turned = towards_head(told.positions)
    ahead, left, up = (rotate(axis, turned) for axis in np.eye(3))
    distance = np.linalg.norm(told.positions, axis=1, keepdims=True)
    np.testing.assert_allclose(ahead, -told.positions / distance, atol=1e-12)
    np.testing.assert_allclose(left[:, 2], 0, atol=1e-12)
    assert bool((up[:, 2] > -1e-12).all())
    facing = encode_poses("directions", Poses(told.positions, turned), FAR)[-1]
    np.testing.assert_allclose(facing, 1, atol=1e-12)


@pytest.mark.parametrize("height", [1.0, -1.0])
def test_a_mouth_above_or_below_points_at_the_head_too(height: float) -> None:
    turned = towards_head(np.array([[0.0, 0.0, height]]))
    np.testing.assert_allclose(rotate(np.eye(3)[0], turned), [[0, 0, -height]], atol=1e-15)


@given(poses())
def test_mirrored_places_have_their_delays_swapped(told: Poses) -> None:
    delays, mirrored = ear_delays(told.positions), ear_delays(told.positions * MIRROR)
    np.testing.assert_allclose(mirrored, delays[::-1], rtol=1e-12)


@given(poses(), st.sampled_from([8000, 44_100, 96_000]))
def test_delays_are_those_of_straight_ways(told: Poses, rate: int) -> None:
    left, right = ear_delays(told.positions, rate) * SPEED_OF_SOUND / rate
    x, y, z = told.positions.T
    np.testing.assert_allclose(left, np.sqrt(x**2 + (y - HEAD_RADIUS) ** 2 + z**2), rtol=1e-12)
    np.testing.assert_allclose(right, np.sqrt(x**2 + (y + HEAD_RADIUS) ** 2 + z**2), rtol=1e-12)


def test_sound_from_the_left_is_at_the_left_ear_first() -> None:
    (left,), (right,) = ear_delays(np.array([[0.0, 1.0, 0.0]]))
    assert right - left == pytest.approx(2 * HEAD_RADIUS / SPEED_OF_SOUND * 48_000)
    assert left == pytest.approx((1 - HEAD_RADIUS) / SPEED_OF_SOUND * 48_000)
