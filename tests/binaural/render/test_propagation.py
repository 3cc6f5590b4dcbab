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


def test_sound_is_heard_when_its_way_is_done() -> None:
    way, no_delay = fly_by(speed=60, closest=2, duration=4), 2.0
    times = np.linspace(0, 4, 50)
    heard = arrivals(way.positions_at, times, no_delay)
    sent = times - (heard.distances - no_delay) / SPEED_OF_SOUND
    np.testing.assert_allclose(heard.positions, way.positions_at(sent), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(heard.positions, axis=1), heard.distances, atol=1e-9)


@pytest.mark.parametrize("speed", [10.0, 100.0, 300.0])
def test_the_pitch_bends_as_doppler_says(speed: float) -> None:
    way = fly_by(speed=speed, closest=1, duration=4)
    leaving = 0.5  # s, long before it passes: it comes straight at the head
    arriving = leaving + (np.linalg.norm(way.positions_at(leaving)) - 1.0) / SPEED_OF_SOUND
    times = arriving + np.array([-1e-3, 1e-3])
    sent = times - (arrivals(way.positions_at, times, 1.0).distances - 1.0) / SPEED_OF_SOUND
    assert np.diff(sent)[0] / 2e-3 == pytest.approx(1 / (1 - speed / SPEED_OF_SOUND), rel=2e-3)


def test_a_source_that_rests_is_where_it_is() -> None:
    heard = arrivals(constant(30, radius=7).positions_at, np.arange(5.0), 1.5)
    np.testing.assert_allclose(heard.distances, 7)


def test_points_are_solved_each_for_itself() -> None:
    way, offsets = orbit(2, 4), np.array([[[0.0, 0, 0]], [[0, 8.0, 0]]])
    times = np.tile(np.linspace(0, 4, 20), (2, 1))
    both = arrivals(lambda each: way.positions_at(each) + offsets, times, 1.0)
    alone = arrivals(lambda each: way.positions_at(each) + offsets[1], times[1], 1.0)
    np.testing.assert_allclose(both.positions[1], alone.positions, atol=1e-6)


@pytest.mark.parametrize("step", [8, 32])
def test_curves_between_controls_follow_what_bends(step: int) -> None:
    start, frames = 96, 10 * step
    frame, bend = np.arange(start, start + frames), 3.0 / (40 * step)
    found = between_controls(np.sin(bend * control_frames(start, frames, step)), step)
    assert found.shape == (frames,)
    np.testing.assert_allclose(found, np.sin(bend * frame), atol=1e-5)
    straight = between_controls(2.0 * control_frames(start, frames, step) + 1, step)
    np.testing.assert_allclose(straight, 2.0 * frame + 1, atol=1e-9)


def test_twice_the_distance_is_half_the_amplitude_and_comes_later() -> None:
    leveling = DistanceModel(no_delay=1.0, unit_gain=1.5)
    assert leveling.gain(1.5) == 1
    assert leveling.gain(3.0) == 0.5
    assert leveling.delay(1.0, 48_000) == 0
    assert leveling.delay(344.0, 48_000) == 48_000
