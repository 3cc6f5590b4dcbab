import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from sounds import decibels, noise
from soundstage.ambisonics.conventions import channels_of
from soundstage.ambisonics.harmonics import degrees, even_directions, harmonics
from soundstage.ambisonics.rotation import (
    CONTROL,
    RotationStream,
    head_rotation,
    mirror,
    rotation_matrix,
)
from soundstage.binaural.geometry import from_angles
from soundstage.errors import OptionError
from spaudiopy_reference import ambix_rotation

ORDERS = [1, 2, 3]
ANGLES = st.tuples(st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180))


@pytest.mark.parametrize("order", ORDERS)
@given(angles=ANGLES)
def test_matrices_are_those_of_spaudiopy(order: int, angles: tuple[float, float, float]) -> None:
    ours = rotation_matrix(head_rotation(*angles), order)
    np.testing.assert_allclose(ours, ambix_rotation(*angles, order), atol=1e-6)


@pytest.mark.parametrize("order", ORDERS)
@given(angles=ANGLES, others=ANGLES)
def test_matrices_compose_invert_and_send_sources_where_the_rotation_does(
    order: int, angles: tuple[float, float, float], others: tuple[float, float, float]
) -> None:
    one, other = head_rotation(*angles), head_rotation(*others)
    first, second = rotation_matrix(one, order), rotation_matrix(other, order)
    np.testing.assert_allclose(second @ first, rotation_matrix(other * one, order), atol=1e-12)
    np.testing.assert_allclose(
        rotation_matrix(one.inv(), order) @ first, np.eye(len(first)), atol=1e-12
    )
    directions = even_directions(26)
    turned = harmonics(directions, order) @ first.T
    np.testing.assert_allclose(turned, harmonics(one.apply(directions), order), atol=1e-12)
    gains = np.sqrt(2 * degrees(order) + 1)
    n3d = first * gains[:, None] / gains  # where a rotation keeps the energy
    np.testing.assert_allclose(n3d @ n3d.T, np.eye(len(first)), atol=1e-12)


@given(angles=ANGLES)
def test_a_head_has_the_orientation_that_trajectories_have(
    angles: tuple[float, float, float],
) -> None:
    quaternion = from_angles(np.array(angles))
    np.testing.assert_allclose(
        head_rotation(*angles).as_matrix(), Rotation.from_quat(quaternion).as_matrix(), atol=1e-9
    )


def test_yaw_is_to_the_left_pitch_up_and_roll_to_the_right() -> None:
    ahead, left = np.eye(3)[:2]
    np.testing.assert_allclose(head_rotation(90).apply(ahead), [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(head_rotation(0, 90).apply(ahead), [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(head_rotation(0, 0, 90).apply(left), [0, 0, 1], atol=1e-12)


@pytest.mark.parametrize("axis", ["left-right", "front-back", "up-down"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_mirror_reflects_directions_and_twice_is_nothing(axis: str, order: int) -> None:
    directions = even_directions(26)
    signs = {"left-right": (1, -1, 1), "front-back": (-1, 1, 1), "up-down": (1, 1, -1)}[axis]
    field = harmonics(directions, order).T
    expected = harmonics(directions * signs, order).T
    np.testing.assert_allclose(mirror(field, axis), expected, atol=1e-12)
    np.testing.assert_array_equal(mirror(mirror(field, axis), axis), field)


def test_an_unknown_mirror_is_refused() -> None:
    with pytest.raises(OptionError, match="left-right, front-back, up-down"):
        mirror(np.zeros((4, 1)), "sideways")


def turning(degrees_a_second: float):
    return lambda times: Rotation.from_euler("Z", degrees_a_second * times[:, None], degrees=True)


@pytest.mark.parametrize("order", ORDERS)
def test_a_turning_field_follows_its_rotation(order: int) -> None:
    rate, sound = 44_100, noise(44_100).numpy()
    field = harmonics(np.array([1.0, 0, 0]), order)[:, None].astype(np.float32) * sound
    stream = RotationStream(order, rate, turning(360.0))
    turned = np.concatenate([stream.push(field), stream.finish()], axis=1)
    azimuths = 2 * np.pi * np.arange(rate) / rate
    directions = np.stack([np.cos(azimuths), np.sin(azimuths), np.zeros(rate)], axis=1)
    assert decibels(turned - harmonics(directions, order).T * sound, turned) < -60


@given(cuts=st.lists(st.integers(0, 2_000), max_size=5))
def test_blocks_of_any_size_turn_alike(cuts: list[int]) -> None:
    field = noise(4 * 2_000).numpy().reshape(4, -1)
    streams = [RotationStream(1, 8_000, turning(300.0)) for _ in range(2)]
    whole = np.concatenate([streams[0].push(field), streams[0].finish()], axis=1)
    parts = np.split(field, sorted(cuts), axis=1)
    pieces = [streams[1].push(part) for part in parts] + [streams[1].finish()]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)


def test_a_field_shorter_than_a_control_step_comes_whole() -> None:
    stream = RotationStream(1, 8_000, turning(0.0))
    field = np.ones((channels_of(1), CONTROL - 3), np.float32)
    assert stream.push(field).shape[1] == 0
    np.testing.assert_allclose(stream.finish(), field, atol=1e-6)
