import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from soundstage.binaural.geometry import seen_from_head, to_spherical
from soundstage.binaural.trajectories import FARTHEST, NEAREST, PointError, Trajectory
from soundstage.errors import OptionError

MIRROR = np.array([1.0, -1.0, 1.0])
AHEAD = np.array([[1.0, 0.0, 0.0]])


@st.composite
def ways(draw, *, along_sphere=None, turned=None):
    """Trajectories of 1 to 6 points at least 0.2 m from the head, all ahead of it if straight."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    points = draw(st.integers(1, 6))
    times = generator.uniform(-1, 1) + generator.uniform(0.01, 2, points).cumsum()
    orientations = Rotation.random(points, generator).as_quat()
    if not (draw(st.booleans()) if turned is None else turned):
        orientations = None
    if draw(st.booleans()) if along_sphere is None else along_sphere:
        spherical = generator.uniform([-180, -90, 0.2], [180, 90, 5], (points, 3))
        return Trajectory.from_spherical(times, spherical, orientations)
    return Trajectory(times, generator.uniform([0.2, -5, -5], 5, (points, 3)), orientations)


def moments(way, count=50):
    """Before, in and after a trajectory, its points among them."""
    generator = np.random.default_rng(0)
    return np.sort(
        np.append(generator.uniform(way.times[0] - 1, way.times[-1] + 1, count), way.times)
    )


@given(ways())
def test_every_point_is_passed_at_its_time(way):
    positions, orientations = way.at(way.times)
    np.testing.assert_allclose(positions, way.positions, atol=1e-13)
    wanted = np.tile([0.0, 0, 0, 1], (len(positions), 1))
    if way.orientations is not None:
        wanted = way.orientations
    apart = (Rotation.from_quat(orientations) * Rotation.from_quat(wanted).inv()).magnitude()
    np.testing.assert_allclose(apart, 0, atol=1e-7)


@given(ways())
def test_a_source_rests_before_the_first_point_and_after_the_last(way):
    ends, outside = way.at(way.times[[0, -1]]), way.at(way.times[[0, -1]] + [-1e6, 1e6])
    np.testing.assert_array_equal(outside.positions, ends.positions)
    np.testing.assert_array_equal(outside.orientations, ends.orientations)


@given(ways(along_sphere=False))
def test_straight_ways_are_even_in_each_coordinate(way):
    times = moments(way)
    wanted = [np.interp(times, way.times, axis) for axis in way.positions.T]
    np.testing.assert_allclose(way.at(times).positions, np.transpose(wanted), atol=1e-14)


@given(ways(turned=True))
def test_orientations_are_slerp(way):
    times = np.clip(moments(way), way.times[0], way.times[-1])
    ours = way.at(times).orientations
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-14)
    if len(way.times) == 1:
        wanted = Rotation.from_quat(np.tile(way.orientations, (len(times), 1)))
    else:
        wanted = Slerp(way.times, Rotation.from_quat(way.orientations))(times)
    np.testing.assert_allclose((Rotation.from_quat(ours) * wanted.inv()).magnitude(), 0, atol=1e-7)


def test_a_single_orientation_comes_back_with_a_length_of_1():
    way = Trajectory(np.zeros(1), AHEAD, np.array([[0.0, 3.0, 0.0, -4.0]]))
    np.testing.assert_allclose(way.at(np.zeros(2)).orientations, [[0, 0.6, 0, -0.8]] * 2)


def test_a_head_turns_evenly_and_the_shorter_way():
    ends = Rotation.from_euler("z", [[0], [-90]], degrees=True).as_quat() * [[1], [-7]]
    way = Trajectory(np.array([0.0, 3.0]), np.tile(AHEAD, (2, 1)), ends)
    yaw = Rotation.from_quat(way.at(np.array([1.0, 2.0])).orientations).as_euler(
        "zyx", degrees=True
    )
    np.testing.assert_allclose(yaw, [[-30, 0, 0], [-60, 0, 0]], atol=1e-12)


@pytest.mark.parametrize("elevation", [-60, 0, 45])
def test_an_orbit_of_few_azimuths_keeps_its_radius_its_height_and_its_speed(elevation):
    azimuths = np.array([0, 90, 180, 270, 360, 450, 540]) % 360
    spherical = np.array([[azimuth, elevation, 2.0] for azimuth in azimuths])
    way = Trajectory.from_spherical(np.arange(7.0), spherical)
    times = np.linspace(0, 6, 601)
    seen = to_spherical(way.at(times).positions)
    np.testing.assert_allclose(seen[:, 1:], np.tile([elevation, 2.0], (601, 1)), atol=1e-12)
    np.testing.assert_allclose(np.unwrap(seen[:, 0], period=360), 90 * times, atol=1e-10)


@given(ways(along_sphere=True))
def test_the_sphere_is_followed_the_shorter_way_round(way):
    for start, end in zip(range(len(way.times)), range(1, len(way.times)), strict=False):
        times = np.linspace(way.times[start], way.times[end], 60)
        azimuth, elevation, radius = to_spherical(way.at(times).positions).T
        steps = np.diff(np.unwrap(azimuth, period=360))
        assert abs(steps.sum()) < 180 + 1e-6
        np.testing.assert_allclose(steps, steps.sum() / 59, atol=1e-6)  # even
        np.testing.assert_allclose(np.diff(elevation, 2), 0, atol=1e-6)
        np.testing.assert_allclose(np.diff(radius, 2), 0, atol=1e-12)


def test_exactly_half_a_turn_goes_counter_clockwise():
    for start, end in [(90, -90), (0, 180), (-180, 0), (30, 210), (10, -170)]:
        points = np.array([[start, 0.0, 1.0], [end, 0.0, 1.0]])
        middle = Trajectory.from_spherical(np.array([0.0, 1.0]), points).at(np.array([0.5]))
        apart = to_spherical(middle.positions)[0, 0] - (start + 90)
        assert (apart + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)


@given(ways(turned=False))
def test_a_mirrored_way_is_heard_in_the_mirror(way):
    mirrored = Trajectory(way.times, way.positions * MIRROR, along_sphere=way.along_sphere)
    times = moments(way)
    np.testing.assert_allclose(
        mirrored.at(times).positions, way.at(times).positions * MIRROR, atol=1e-12
    )


@given(ways(), st.integers(1, 17))
def test_a_pose_is_the_same_to_the_last_bit_in_blocks_of_any_size(way, size):
    times = moments(way)
    whole = way.at(times)
    blocks = [way.at(times[start : start + size]) for start in range(0, len(times), size)]
    for number in range(2):
        join_clips = np.concatenate([block[number] for block in blocks])
        np.testing.assert_array_equal(join_clips, whole[number])


@given(ways())
def test_no_times_are_no_poses(way):
    assert [each.shape for each in way.at(np.empty(0))] == [(0, 3), (0, 4)]


def test_a_block_of_a_long_way_reads_no_more_than_it_needs():
    points = 100_000
    way = Trajectory(np.arange(points) / 120, np.tile(AHEAD, (points, 1)))
    assert all(column.flags.c_contiguous for column in way._columns)  # else interp copies them
    assert way._columns is way._columns


def test_hours_into_an_orbit_it_is_where_it_should_be():
    turns = 7_200
    times = np.arange(3 * turns + 1) * 2 / 3
    spherical = np.stack([120 * np.arange(len(times)), 0 * times, 0 * times + 1.0], axis=1)
    late = Trajectory.from_spherical(times, spherical).at(np.array([14_399.0, 14_399.5]))
    seen = seen_from_head(late.positions)
    np.testing.assert_allclose(np.abs(seen[0, 0]), 180, atol=1e-6)
    np.testing.assert_allclose(seen[1, 0], -90, atol=1e-6)


def test_nobody_can_change_a_trajectory():
    times, places = np.array([0.0]), AHEAD.copy()
    way = Trajectory(times, places, np.array([[0.0, 0, 0, 2]]))
    places[:], times[:] = 7, 7
    np.testing.assert_array_equal(way.at(np.zeros(1)).positions, AHEAD)
    for array in (way.times, way.positions, way.orientations):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 1
    with pytest.raises(AttributeError):
        way.times = times


@pytest.mark.parametrize("distance", [NEAREST, FARTHEST])
@pytest.mark.parametrize("azimuth", [0, 17, 111])
def test_the_whole_range_of_distances_is_allowed(distance, azimuth):
    Trajectory.from_spherical(np.zeros(1), np.array([[azimuth, 33, distance]]))
    Trajectory(np.arange(2.0), np.array([[distance, 0, 0], [distance, 0, 0]]))


@pytest.mark.parametrize(
    ("times", "places", "point", "fault"),
    [
        ([0, 1, 1], [AHEAD[0]] * 3, 2, "1 s comes after 1 s, and times ascend"),
        ([0, 2, 1.5], [AHEAD[0]] * 3, 2, "1.5 s comes after 2 s, and times ascend"),
        ([0, np.nan], [AHEAD[0]] * 2, 1, "its time or its place is not finite"),
        ([0, 1], [AHEAD[0], [1, np.inf, 0]], 1, "its time or its place is not finite"),
        ([0], [[0, 0.05, 0]], 0, "the source is 0.05 m from the middle of the head"),
        ([0], [[0, 0, 0]], 0, "may be 0.1 to 1,000 m"),
        ([0], [[0, 1001, 0]], 0, "may be 0.1 to 1,000 m"),
        ([0], [[0, 1e200, 0]], 0, "may be 0.1 to 1,000 m"),
        ([0, 1], [[1, 0.02, 0], [-1, 0.02, 0]], 1, "middle of the head at 0.02 m; lead it around"),
    ],
)
def test_a_point_that_cannot_be_is_refused_by_its_number(times, places, point, fault):
    with pytest.raises(
        PointError, match=f"^Point {point + 1} of the trajectory: .*{fault}"
    ) as caught:
        Trajectory(np.array(times), np.array(places))
    assert caught.value.point == point
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("quaternion", [[0, 0, 0, 0], [0, np.nan, 0, 1], [0, 0, 0, 1e-12]])
def test_an_orientation_that_is_no_rotation_is_refused(quaternion):
    with pytest.raises(PointError, match=r"^Point 2 .* no rotation; .*\.$"):
        Trajectory(np.arange(2), np.tile(AHEAD, (2, 1)), np.array([[0, 0, 0, 1], quaternion]))


@pytest.mark.parametrize(
    ("spherical", "fault"),
    [
        ([0, 90.1, 1], "an elevation of 90.1 is not from -90 to 90 degrees"),
        ([0, -91, 1], "an elevation of -91 is not from -90 to 90 degrees"),
        ([0, 0, -1], "a radius of -1 m is below 0"),
        ([0, 0, 0.05], "0.05 m from the middle of the head"),
        ([360, 0, 1], "from 0 to 360 degrees, a turn or more; give points between"),
        ([-3600, 0, 1], "from 0 to -3600 degrees, a turn or more; give points between"),
        ([np.inf, 0, 1], "not finite"),
        ([0, np.nan, 1], "not finite"),
    ],
)
def test_angles_that_cannot_be_are_refused(spherical, fault):
    with pytest.raises(PointError, match=f"^Point 2 .*{fault}") as caught:
        Trajectory.from_spherical(np.arange(2), np.array([[0, 0, 1], spherical]))
    assert str(caught.value).endswith(".")


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(OptionError, match="at least one point"):
        Trajectory(np.empty(0), np.empty((0, 3)))
    with pytest.raises(OptionError, match="at least one point"):
        Trajectory.from_spherical(np.empty(0), np.empty((0, 3)))
    for places in (np.ones(3), np.ones((2, 2)), np.ones((3, 3))):
        with pytest.raises(OptionError, match=r"positions have the shape .* \(2, 3\) goes with"):
            Trajectory(np.arange(2), places)
        with pytest.raises(OptionError, match=r"spherical points .* \(2, 3\) goes with"):
            Trajectory.from_spherical(np.arange(2), places)
    with pytest.raises(OptionError, match="times have the shape"):
        Trajectory(np.ones((1, 1)), AHEAD)
    with pytest.raises(OptionError, match="orientations have the shape"):
        Trajectory(np.zeros(1), AHEAD, np.ones((2, 4)))


def test_who_turns_on_the_spot_rests_and_turns():
    looks = np.array([[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]])
    place = np.tile([1.0, 0.0, 0.0], (2, 1))
    turning = Trajectory(np.arange(2.0), place, looks)
    assert turning.rests
    assert turning.turns
    assert not Trajectory(np.arange(2.0), place, looks[:1].repeat(2, axis=0)).turns
    assert not Trajectory(np.arange(2.0), place).turns
