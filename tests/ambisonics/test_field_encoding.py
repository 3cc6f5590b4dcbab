import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sounds import decibels, noise
from soundstage.ambisonics.encoding import CONTROL, control_points, encode
from soundstage.ambisonics.harmonics import even_directions, to_direction
from soundstage.ambisonics.intensity import direction_of
from soundstage.ambisonics.near_field import NEAREST, SPEED_OF_SOUND, NearField
from spaudiopy_reference import ambix_harmonics

RATE = 44_100


def twenty_six() -> np.ndarray:
    """Faces, edges and corners of a cube."""
    steps = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), axis=-1).reshape(-1, 3)
    return steps[np.any(steps != 0, axis=1)].astype(float)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_encoding_is_that_of_spaudiopy(order: int) -> None:
    sound = noise(500).numpy().astype(float)
    for direction in even_directions(20):
        expected = ambix_harmonics(direction[None], order).T * sound
        assert decibels(encode(sound, direction, order) - expected, expected) < -250


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("direction", twenty_six())
def test_a_source_comes_from_where_it_was_sent(order: int, direction: np.ndarray) -> None:
    found = direction_of(encode(noise(2_000).numpy(), direction, order))
    back = to_direction(found.azimuth, found.elevation)
    cosine = back @ direction / np.linalg.norm(direction)
    assert np.degrees(np.arccos(min(cosine, 1.0))) < 0.1
    assert found.diffuseness < 1e-4


@given(frames=st.integers(1, 400))
def test_a_source_that_moves_has_a_position_at_each_control_point(frames: int) -> None:
    sound = np.ones(frames)
    azimuths = control_points(frames) / CONTROL  # a degree a step
    field = encode(sound, to_direction(azimuths, 0.0), 1)
    assert field.shape == (4, frames)
    expected = to_direction(np.arange(frames) / CONTROL, 0.0)
    np.testing.assert_allclose(field[[3, 1, 2]].T, expected, atol=1e-4)


@pytest.mark.parametrize("distance", [0.5, 0.8, 1.5, 20.0])
def test_degrees_of_a_near_source_have_the_spectra_of_a_point_source(distance: float) -> None:
    near = NearField(3, RATE)
    impulse = np.zeros(1 << 16)
    impulse[0] = 1
    made = near.degrees(near.push(impulse), near.weights(np.array(distance))[:, None])
    frequencies = np.fft.rfftfreq(impulse.size, 1 / RATE)[1:300]  # bilinear, so exact below 200 Hz
    for degree in range(4):
        expected = spherical_wave(degree, frequencies, min(distance, 1.5))
        expected = expected / spherical_wave(degree, frequencies, 1.5)
        np.testing.assert_allclose(np.fft.rfft(made[degree])[1:300], expected, rtol=2e-3)


def spherical_wave(degree: int, frequencies: np.ndarray, distance: float) -> np.ndarray:
    """h_l(kr)/h_0(kr)·i^l, by the recurrence of spherical Hankel functions."""
    x = 2 * np.pi * frequencies * distance / SPEED_OF_SOUND
    rows = [np.ones_like(x, dtype=complex), 1 + 1 / (1j * x)]
    for n in range(1, degree):
        rows.append((2 * n + 1) / (1j * x) * rows[n] + rows[n - 1])
    return rows[degree]


def test_a_source_nearer_than_the_nearest_has_its_gain() -> None:
    near = NearField(3, RATE)
    at, nearer = near.weights(np.array([NEAREST, 0.01]))
    np.testing.assert_array_equal(at, nearer)
    hum = np.sin(2 * np.pi * 5 * np.arange(RATE) / RATE)
    field = encode(hum, np.array([0.01, 0, 0]), 3, rate=RATE)
    assert np.abs(field).max() < 10 ** (28.6 / 20)


def test_near_and_plane_waves_are_alike_at_high_frequencies() -> None:
    sound = np.sin(2 * np.pi * 5_000 * np.arange(RATE) / RATE)
    near = encode(sound, np.array([0.0, 0.5, 0.0]), 3, rate=RATE)
    plane = encode(sound, np.array([0.0, 1.0, 0.0]), 3)
    assert decibels(near[:, 9_000:] - plane[:, 9_000:], plane) < -20
