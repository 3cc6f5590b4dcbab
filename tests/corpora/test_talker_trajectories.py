import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.binaural import Trajectory, rotate
from soundstage.corpora.simulation_plan import random_room
from soundstage.corpora.talker_trajectories import talker_trajectory

SEEDS = st.integers(0, 2**32 - 1)


def random_walk(seed: int, seconds: float = 40):
    generator = np.random.default_rng(seed)
    room = random_room(generator)
    return room, talker_trajectory(room, seconds, generator)


@settings(max_examples=8)
@given(SEEDS)
def test_a_talker_stays_in_the_room_and_near_the_listener(seed: int) -> None:
    room, poses = random_walk(seed)
    assert len(poses.positions) == 40 * 120
    room.check(Trajectory(np.arange(4800) / 120, *poses))
    assert (np.hypot(*poses.positions.T[:2]) > 0.5).all()
    assert (np.linalg.norm(poses.positions, axis=1) < 2.7).all()


@settings(max_examples=8)
@given(SEEDS)
def test_speed_and_acceleration_are_those_of_walking(seed: int) -> None:
    _, poses = random_walk(seed)
    speed = np.linalg.norm(np.diff(poses.positions, axis=0), axis=1) * 120
    assert np.median(speed) > 0.15
    assert speed.max() < 2
    jerks = np.linalg.norm(np.diff(poses.positions, 2, axis=0), axis=1) * 120**2
    assert jerks.max() < 12  # m/s², that of a step
    axes = rotate(np.array([1.0, 0.0, 0.0]), poses.orientations)
    assert np.linalg.norm(np.diff(axes, axis=0), axis=1).max() * 120 < np.radians(300)


def test_talkers_come_from_all_sides_and_stop_sometimes() -> None:
    _, poses = random_walk(1, 600)
    x, y, z = poses.positions.T
    quarters = np.histogram(np.arctan2(y, x), 4, (-np.pi, np.pi))[0] / len(x)
    assert quarters.min() > 0.1
    speed = np.linalg.norm(np.diff(poses.positions, axis=0), axis=1) * 120
    assert 0.02 < (speed < 0.1).mean() < 0.4
    assert np.ptp(z) > 0.3


def test_the_mouth_points_mostly_at_the_listener() -> None:
    _, poses = random_walk(2, 600)
    axes = rotate(np.array([1.0, 0.0, 0.0]), poses.orientations)
    along = -(axes * poses.positions).sum(axis=1) / np.linalg.norm(poses.positions, axis=1)
    assert 0.5 < (along > np.cos(np.radians(30))).mean() < 0.9
    assert (along < 0).mean() > 0.03


@pytest.mark.parametrize("seed", [3])
def test_a_trajectory_is_a_function_of_the_seed(seed: int) -> None:
    for one, other in zip(random_walk(seed)[1], random_walk(seed)[1], strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(random_walk(seed)[1].positions, random_walk(seed + 1)[1].positions)
