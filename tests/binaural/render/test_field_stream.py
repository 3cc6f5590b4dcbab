"""Sound fields around a head that turns."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve
from scipy.spatial.transform import Rotation

from sounds import cut, decibels, noise
from soundstage.ambisonics.harmonics import harmonics
from soundstage.binaural import HrtfRenderer, Listener
from soundstage.binaural.geometry import from_angles
from soundstage.binaural.render.ambisonic_renderer import AmbisonicRenderer
from soundstage.binaural.render.field_stream import BLOCK, TurnedField
from soundstage.binaural.render.warp import WarpRenderer
from soundstage.binaural.renderers import FieldRenderer, render
from soundstage.binaural.trajectories import Trajectory
from spheres import RATE, grid, sphere_head

SOUND = noise(3 * BLOCK + 100).numpy()
DIRECTION = np.array([0.6, 0.7, 0.2]) / np.linalg.norm([0.6, 0.7, 0.2])
TURNING = Listener(
    np.array([0.0, 0.2]), np.zeros((2, 3)), from_angles(np.array([[0.0, 0, 0], [60, 10, 0]]))
)


@cache
def renderer(decoding: str = "magls") -> HrtfRenderer:
    return HrtfRenderer(sphere_head(grid(15)), decoding=decoding)


def plane_wave(direction: np.ndarray, order: int = 3) -> np.ndarray:
    return (harmonics(direction, order)[:, None] * SOUND).astype(np.float32)


def rendered(method, field: np.ndarray, listener: Listener | None = None) -> np.ndarray:
    stream = method.field_stream(int(np.sqrt(len(field))) - 1, RATE, listener)
    return np.concatenate([stream.push(field), stream.finish()], axis=-1)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("angles", [(30.0, 0.0, 0.0), (-100.0, 25.0, 10.0)])
def test_a_turned_head_equals_a_field_turned_the_other_way(order, angles) -> None:
    orientation = Rotation.from_quat(from_angles(np.array(angles)))
    found = rendered(renderer(), plane_wave(DIRECTION, order), Listener.turned(*angles))
    expected = rendered(renderer(), plane_wave(orientation.inv().apply(DIRECTION), order))
    assert decibels(found - expected, expected) < -110


@pytest.mark.parametrize("decoding", ["magls", "loudspeakers"])
def test_a_decoded_source_arrives_with_a_rendered_one(decoding) -> None:
    """Low frequencies have the level and the time of the direct rendering: no latency."""
    low = fftconvolve(SOUND, np.hanning(401) / 200, "same").astype(np.float32)
    field = harmonics(DIRECTION, 3)[:, None] * low
    found = rendered(renderer(decoding), field)[:, : len(low)]
    place = Trajectory(np.zeros(1), 1.5 * DIRECTION[None])
    expected = render(low, place, RATE, renderer())[:, : len(low)]
    assert decibels(found - expected, expected) < -30


def test_a_field_turns_with_the_head_over_time() -> None:
    """At the end of the turn the field is that of a head that has turned."""
    found = rendered(renderer(), plane_wave(DIRECTION), TURNING)
    turned = rendered(renderer(), plane_wave(DIRECTION), Listener.turned(60, 10))
    ahead = rendered(renderer(), plane_wave(DIRECTION))
    end = slice(round(0.25 * RATE), SOUND.size)
    assert decibels(found[:, end] - turned[:, end], turned[:, end]) < -60
    start = slice(0, 200)
    assert decibels(found[:, start] - ahead[:, start], ahead[:, start]) < -20


@pytest.mark.parametrize("listener", [None, Listener.turned(20), TURNING])
@settings(max_examples=4)
@given(cuts=st.lists(st.integers(0, SOUND.size), max_size=5))
def test_block_sizes_do_not_matter(listener, cuts) -> None:
    field = plane_wave(DIRECTION)
    whole = rendered(renderer(), field, listener)
    stream = renderer().field_stream(3, RATE, listener)
    parts = [
        stream.push(np.stack(block))
        for block in zip(*(cut(each, cuts) for each in field), strict=True)
    ]
    found = np.concatenate([*parts, stream.finish()], axis=-1)
    assert found.shape[1] == SOUND.size + stream.tail
    np.testing.assert_array_equal(found, whole)


def test_a_field_of_no_frames_has_no_ears() -> None:
    stream = renderer().field_stream(1, RATE)
    assert stream.push(np.zeros((4, 0))).shape == (2, 0)
    assert stream.finish().shape == (2, 0)


@pytest.mark.parametrize(("order", "channels"), [(1, 16), (3, 4)])
def test_another_order_leaves_out_channels_or_adds_silent_ones(order, channels) -> None:
    method = AmbisonicRenderer(int(np.sqrt(channels)) - 1)
    found = rendered(method, plane_wave(DIRECTION, order))
    assert found.shape == (channels, SOUND.size)
    np.testing.assert_array_equal(found[:4], plane_wave(DIRECTION, 1))
    assert not found[(order + 1) ** 2 :].any()


def test_a_field_is_turned_before_channels_are_left_out() -> None:
    turned = TurnedField(3, RATE, Listener.turned(90), 4)
    left_becomes_ahead = turned.push(plane_wave(np.array([0.0, 1, 0])))
    expected = plane_wave(np.array([1.0, 0, 0]), 1)
    assert np.abs(left_becomes_ahead - expected).max() < 1e-5


def test_delays_only_cannot_render_a_field() -> None:
    assert isinstance(renderer(), FieldRenderer)
    assert not isinstance(WarpRenderer(), FieldRenderer)
