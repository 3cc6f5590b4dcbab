import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from soundstage.binaural.geometry import seen_from_head, to_spherical
from soundstage.binaural.pose_trajectory import PointError
from soundstage.binaural.trajectories import FARTHEST, NEAREST, Trajectory
from soundstage.errors import OptionError

MIRROR = np.array([1.0, -1.0, 1.0])
AHEAD = np.array([[1.0, 0.0, 0.0]])


@st.composite
def trajectories(draw, *, along_sphere=None, rotating=None):
    """Trajectories of 1 to 6 points, at least 0.2 m from the head and ahead of it if straight."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    points = draw(st.integers(1, 6))
    times = generator.uniform(-1, 1) + generator.uniform(0.01, 2, points).cumsum()
    orientations = Rotation.random(points, generator).as_quat()
    if not (draw(st.booleans()) if rotating is None else rotating):
        orientations = None
    if draw(st.booleans()) if along_sphere is None else along_sphere:
        spherical = generator.uniform([-180, -90, 0.2], [180, 90, 5], (points, 3))
        return Trajectory.from_spherical(times, spherical, orientations)
    return Trajectory(times, generator.uniform([0.2, -5, -5], 5, (points, 3)), orientations)


def moments(path, count=50):
    """Before, in and after a trajectory, its points among them."""
    generator = np.random.default_rng(0)
    return np.sort(
        np.append(generator.uniform(path.times[0] - 1, path.times[-1] + 1, count), path.times)
    )


def test_a_point_error_goes_from_process_to_process():
    error = pickle.loads(pickle.dumps(PointError(2, "its radius is negative.")))
    assert (error.point, error.reason) == (2, "its radius is negative.")
    assert str(error) == "Point 3 of the trajectory: its radius is negative."


@given(trajectories())
def test_every_point_is_reached_at_its_time(path):
    positions, orientations = path.at(path.times)
    np.testing.assert_allclose(positions, path.positions, atol=1e-13)
    expected = np.tile([0.0, 0, 0, 1], (len(positions), 1))
    if path.orientations is not None:
        expected = path.orientations
    apart = (Rotation.from_quat(orientations) * Rotation.from_quat(expected).inv()).magnitude()
    np.testing.assert_allclose(apart, 0, atol=1e-7)


@given(trajectories())
def test_a_source_is_at_rest_before_the_first_point_and_after_the_last(path):
    ends, outside = path.at(path.times[[0, -1]]), path.at(path.times[[0, -1]] + [-1e6, 1e6])
    np.testing.assert_array_equal(outside.positions, ends.positions)
    np.testing.assert_array_equal(outside.orientations, ends.orientations)


@given(trajectories(along_sphere=False))
def test_straight_lines_are_linear_in_each_coordinate(path):
    times = moments(path)
    expected = [np.interp(times, path.times, axis) for axis in path.positions.T]
    np.testing.assert_allclose(path.at(times).positions, np.transpose(expected), atol=1e-14)


@given(trajectories(rotating=True))
def test_orientations_are_slerp(path):
    times = np.clip(moments(path), path.times[0], path.times[-1])
    ours = path.at(times).orientations
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-14)
    if len(path.times) == 1:
        expected = Rotation.from_quat(np.tile(path.orientations, (len(times), 1)))
    else:
        expected = Slerp(path.times, Rotation.from_quat(path.orientations))(times)
    np.testing.assert_allclose(
        (Rotation.from_quat(ours) * expected.inv()).magnitude(), 0, atol=1e-7
    )


def test_a_single_orientation_is_normalized():
    path = Trajectory(np.zeros(1), AHEAD, np.array([[0.0, 3.0, 0.0, -4.0]]))
    np.testing.assert_allclose(path.at(np.zeros(2)).orientations, [[0, 0.6, 0, -0.8]] * 2)


def test_rotation_is_even_along_the_shorter_arc():
    ends = Rotation.from_euler("z", [[0], [-90]], degrees=True).as_quat() * [[1], [-7]]
    path = Trajectory(np.array([0.0, 3.0]), np.tile(AHEAD, (2, 1)), ends)
    yaw = Rotation.from_quat(path.at(np.array([1.0, 2.0])).orientations).as_euler(
        "zyx", degrees=True
    )
    np.testing.assert_allclose(yaw, [[-30, 0, 0], [-60, 0, 0]], atol=1e-12)


@pytest.mark.parametrize("elevation", [-60, 0, 45])
def test_an_orbit_of_few_azimuths_keeps_radius_height_and_speed(elevation):
    azimuths = np.array([0, 90, 180, 270, 360, 450, 540]) % 360
    spherical = np.array([[azimuth, elevation, 2.0] for azimuth in azimuths])
    path = Trajectory.from_spherical(np.arange(7.0), spherical)
    times = np.linspace(0, 6, 601)
    seen = to_spherical(path.at(times).positions)
    np.testing.assert_allclose(seen[:, 1:], np.tile([elevation, 2.0], (601, 1)), atol=1e-12)
    np.testing.assert_allclose(np.unwrap(seen[:, 0], period=360), 90 * times, atol=1e-10)


@given(trajectories(along_sphere=True))
def test_the_sphere_is_followed_along_the_shorter_arc(path):
    for start, end in zip(range(len(path.times)), range(1, len(path.times)), strict=False):
        times = np.linspace(path.times[start], path.times[end], 60)
        azimuth, elevation, radius = to_spherical(path.at(times).positions).T
        steps = np.diff(np.unwrap(azimuth, period=360))
        assert abs(steps.sum()) < 180 + 1e-6
        np.testing.assert_allclose(steps, steps.sum() / 59, atol=1e-6)  # even
        np.testing.assert_allclose(np.diff(elevation, 2), 0, atol=1e-6)
        np.testing.assert_allclose(np.diff(radius, 2), 0, atol=1e-12)


def test_half_a_turn_is_counter_clockwise():
    for start, end in [(90, -90), (0, 180), (-180, 0), (30, 210), (10, -170)]:
        points = np.array([[start, 0.0, 1.0], [end, 0.0, 1.0]])
        middle = Trajectory.from_spherical(np.array([0.0, 1.0]), points).at(np.array([0.5]))
        apart = to_spherical(middle.positions)[0, 0] - (start + 90)
        assert (apart + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)


@given(trajectories(rotating=False))
def test_mirrored_points_give_a_mirrored_trajectory(path):
    mirrored = Trajectory(path.times, path.positions * MIRROR, along_sphere=path.along_sphere)
    times = moments(path)
    np.testing.assert_allclose(
        mirrored.at(times).positions, path.at(times).positions * MIRROR, atol=1e-12
    )


@given(trajectories(), st.integers(1, 17))
def test_a_pose_does_not_depend_on_the_other_times(path, size):
    times = moments(path)
    whole = path.at(times)
    blocks = [path.at(times[start : start + size]) for start in range(0, len(times), size)]
    for number in range(2):
        joined = np.concatenate([block[number] for block in blocks])
        np.testing.assert_array_equal(joined, whole[number])


@given(trajectories())
def test_no_times_give_no_poses(path):
    assert [each.shape for each in path.at(np.empty(0))] == [(0, 3), (0, 4)]


def test_memory_grows_with_the_times_not_with_the_points():
    points = 100_000
    positions = np.tile(AHEAD, (points, 1))
    paths = [
        Trajectory(np.arange(points) / 120, positions),
        Trajectory(np.arange(points) / 120, positions, along_sphere=True),
    ]
    for path in paths:
        path.at(np.zeros(1))  # caches
        tracemalloc.start()
        path.at(np.linspace(0, 800, 100))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 100_000  # bytes; a copy of one coordinate takes 800,000


def test_an_orbit_of_hours_stays_exact():
    turns = 7_200
    times = np.arange(3 * turns + 1) * 2 / 3
    spherical = np.stack([120 * np.arange(len(times)), 0 * times, 0 * times + 1.0], axis=1)
    found = Trajectory.from_spherical(times, spherical).at(np.array([14_399.0, 14_399.5]))
    seen = seen_from_head(found.positions)
    np.testing.assert_allclose(np.abs(seen[0, 0]), 180, atol=1e-6)
    np.testing.assert_allclose(seen[1, 0], -90, atol=1e-6)


def test_a_trajectory_is_immutable():
    times, positions = np.array([0.0]), AHEAD.copy()
    path = Trajectory(times, positions, np.array([[0.0, 0, 0, 2]]))
    positions[:], times[:] = 7, 7
    np.testing.assert_array_equal(path.at(np.zeros(1)).positions, AHEAD)
    for array in (path.times, path.positions, path.orientations):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 1
    with pytest.raises(AttributeError):
        path.times = times


@pytest.mark.parametrize("distance", [NEAREST, FARTHEST])
@pytest.mark.parametrize("azimuth", [0, 17, 111])
def test_the_whole_range_of_distances_is_allowed(distance, azimuth):
    Trajectory.from_spherical(np.zeros(1), np.array([[azimuth, 33, distance]]))
    Trajectory(np.arange(2.0), np.array([[distance, 0, 0], [distance, 0, 0]]))


@pytest.mark.parametrize(
    ("times", "positions", "point", "reason"),
    [
        ([0, 1, 1], [AHEAD[0]] * 3, 2, "its time 1 s is not later than 1 s"),
        ([0, 2, 1.5], [AHEAD[0]] * 3, 2, "its time 1.5 s is not later than 2 s"),
        ([0, np.nan], [AHEAD[0]] * 2, 1, "its time or position is not finite"),
        ([0, 1], [AHEAD[0], [1, np.inf, 0]], 1, "its time or position is not finite"),
        ([0], [[0, 0.05, 0]], 0, "the source is 0.05 m from the center of the head"),
        ([0], [[0, 1e200, 0]], 0, "0.1 to 1,000 m are possible"),
        ([0, 1], [[1, 0.02, 0], [-1, 0.02, 0]], 1, "center of the head at 0.02 m; keep"),
    ],
)
def test_an_invalid_point_is_refused_by_number(times, positions, point, reason):
    with pytest.raises(
        PointError, match=f"^Point {point + 1} of the trajectory: .*{reason}"
    ) as caught:
        Trajectory(np.array(times), np.array(positions))
    assert caught.value.point == point
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("quaternion", [[0, 0, 0, 0], [0, np.nan, 0, 1]])
def test_an_invalid_quaternion_is_refused(quaternion):
    with pytest.raises(PointError, match=r"^Point 2 .* not a unit quaternion\.$"):
        Trajectory(np.arange(2), np.tile(AHEAD, (2, 1)), np.array([[0, 0, 0, 1], quaternion]))


@pytest.mark.parametrize(
    ("spherical", "reason"),
    [
        ([0, 90.1, 1], "the elevation is -90 to 90 degrees, not 90.1"),
        ([0, 0, -1], "the radius of -1 m is negative"),
        ([0, 0, 0.05], "0.05 m from the center of the head"),
        ([-360, 0, 1], "from 0 to -360 degrees, a turn or more; add points between"),
        ([0, np.nan, 1], "not finite"),
    ],
)
def test_invalid_angles_are_refused(spherical, reason):
    with pytest.raises(PointError, match=f"^Point 2 .*{reason}") as caught:
        Trajectory.from_spherical(np.arange(2), np.array([[0, 0, 1], spherical]))
    assert str(caught.value).endswith(".")


def test_arrays_of_different_lengths_are_refused():
    with pytest.raises(OptionError, match="at least one point"):
        Trajectory(np.empty(0), np.empty((0, 3)))
    with pytest.raises(OptionError, match="at least one point"):
        Trajectory.from_spherical(np.empty(0), np.empty((0, 3)))
    for positions in (np.ones(3), np.ones((2, 2)), np.ones((3, 3))):
        with pytest.raises(OptionError, match=r"positions have the shape .* must be \(2, 3\)"):
            Trajectory(np.arange(2), positions)
        with pytest.raises(OptionError, match=r"spherical points .* must be \(2, 3\)"):
            Trajectory.from_spherical(np.arange(2), positions)
    with pytest.raises(OptionError, match="times have the shape"):
        Trajectory(np.ones((1, 1)), AHEAD)
    with pytest.raises(OptionError, match="orientations have the shape"):
        Trajectory(np.zeros(1), AHEAD, np.ones((2, 4)))


def test_a_source_that_rotates_in_place_is_static_and_rotating():
    orientations = np.array([[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]])
    position = np.tile([1.0, 0.0, 0.0], (2, 1))
    rotating = Trajectory(np.arange(2.0), position, orientations)
    assert rotating.is_static
    assert rotating.is_rotating
    assert not Trajectory(np.arange(2.0), position, orientations[[0, 0]]).is_rotating
    assert not Trajectory(np.arange(2.0), position).is_rotating
