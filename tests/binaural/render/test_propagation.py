import numpy as np
import pytest

from soundstage.binaural import constant, fly_by, orbit
from soundstage.binaural.geometry import SPEED_OF_SOUND
from soundstage.binaural.render.propagation import (
    DistanceModel,
    arrivals,
    between_controls,
    control_frames,
)


def test_emission_and_arrival_differ_by_the_propagation_delay() -> None:
    trajectory, no_delay = fly_by(speed=60, closest=2, duration=4), 2.0
    times = np.linspace(0, 4, 50)
    arrived = arrivals(trajectory.positions_at, times, no_delay)
    emitted = times - (arrived.distances - no_delay) / SPEED_OF_SOUND
    np.testing.assert_allclose(arrived.positions, trajectory.positions_at(emitted), atol=1e-6)
    np.testing.assert_allclose(
        np.linalg.norm(arrived.positions, axis=1), arrived.distances, atol=1e-9
    )


@pytest.mark.parametrize("speed", [10.0, 300.0])
def test_the_doppler_shift_is_exact(speed: float) -> None:
    trajectory = fly_by(speed=speed, closest=1, duration=4)
    emission = 0.5  # s, long before it passes the head
    arrival = emission + (np.linalg.norm(trajectory.positions_at(emission)) - 1.0) / SPEED_OF_SOUND
    times = arrival + np.array([-1e-3, 1e-3])
    emitted = (
        times - (arrivals(trajectory.positions_at, times, 1.0).distances - 1.0) / SPEED_OF_SOUND
    )
    assert np.diff(emitted)[0] / 2e-3 == pytest.approx(1 / (1 - speed / SPEED_OF_SOUND), rel=2e-3)


def test_a_static_source_has_a_constant_distance() -> None:
    arrived = arrivals(constant(30, radius=7).positions_at, np.arange(5.0), 1.5)
    np.testing.assert_allclose(arrived.distances, 7)


def test_points_are_solved_independently() -> None:
    trajectory, offsets = orbit(2, 4), np.array([[[0.0, 0, 0]], [[0, 8.0, 0]]])
    times = np.tile(np.linspace(0, 4, 20), (2, 1))
    both = arrivals(lambda each: trajectory.positions_at(each) + offsets, times, 1.0)
    alone = arrivals(lambda each: trajectory.positions_at(each) + offsets[1], times[1], 1.0)
    np.testing.assert_allclose(both.positions[1], alone.positions, atol=1e-6)


@pytest.mark.parametrize("step", [8, 32])
def test_interpolation_between_control_points_follows_curves(step: int) -> None:
    start, frames = 96, 10 * step
    frame, bend = np.arange(start, start + frames), 3.0 / (40 * step)
    found = between_controls(np.sin(bend * control_frames(start, frames, step)), step)
    assert found.shape == (frames,)
    np.testing.assert_allclose(found, np.sin(bend * frame), atol=1e-5)
    straight = between_controls(2.0 * control_frames(start, frames, step) + 1, step)
    np.testing.assert_allclose(straight, 2.0 * frame + 1, atol=1e-9)


def test_gain_and_delay_follow_the_distance() -> None:
    model = DistanceModel(no_delay=1.0, unit_gain=1.5)
    assert model.gain(1.5) == 1
    assert model.gain(3.0) == 0.5
    assert model.delay(1.0, 48_000) == 0
    assert model.delay(344.0, 48_000) == 48_000
