import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.binaural.listener import Listener
from soundstage.binaural.pose_trajectory import PointError
from soundstage.binaural.room.absorption import OCTAVE_BANDS
from soundstage.binaural.room.shoebox import ShoeBox, parse_room, parse_rt60
from soundstage.binaural.trajectories import Trajectory
from soundstage.errors import OptionError

lengths = st.floats(1, 100)
BOX = ShoeBox((6.0, 4.0, 3.0), 0.4)


@given(size=st.tuples(lengths, lengths, lengths), rt60=st.floats(0.6, 20))
def test_the_absorption_inverts_eyrings_formula(size: tuple, rt60: float) -> None:
    x, y, z = size
    room = ShoeBox(size, rt60)
    walls = 2 * (x * y + x * z + y * z)
    found = 0.1611 * x * y * z / (-walls * np.log(1 - room.absorption))
    np.testing.assert_allclose(found, rt60, rtol=1e-4)
    np.testing.assert_allclose(room.reflection_gains**2, 1 - room.absorption)


def test_eyrings_formula_agrees_with_pyroomacoustics() -> None:
    rt60_eyring = pytest.importorskip("pyroomacoustics").rt60_eyring
    room = ShoeBox((6.0, 4.0, 3.0), (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9))
    found = [rt60_eyring(room.surface, room.volume, a, 0, 343.0) for a in room.absorption]
    np.testing.assert_allclose(found, room.rt60, rtol=1e-3)


def test_the_shortest_time_in_the_message_is_possible() -> None:
    with pytest.raises(OptionError, match=r"100 x 100 x 100 m is 0\.584 to 20 s"):
        ShoeBox((100, 100, 100), 0.3)
    assert 0.985 < ShoeBox((100, 100, 100), 0.584).absorption[0] <= 0.99


@pytest.mark.parametrize("rt60", [0.049, 20.1, np.nan, (0.4,) * 7, (0.4,) * 7 + (30.0,)])
def test_impossible_reverberation_times_are_refused(rt60: float) -> None:
    with pytest.raises(OptionError, match="everberation time"):
        ShoeBox((6, 4, 3), rt60)


@pytest.mark.parametrize("size", [(0.9, 4, 3), (6, 101, 3), (6, 4, np.nan), (6, 4)])
def test_impossible_sizes_are_refused(size: tuple) -> None:
    with pytest.raises(OptionError, match="room"):
        ShoeBox(size, 0.4)


@pytest.mark.parametrize("listener", [(0.05, 1, 1), (3, 2, 2.95), (3, 2)])
def test_a_head_too_close_to_a_wall_is_refused(listener: tuple) -> None:
    with pytest.raises(OptionError, match="head"):
        ShoeBox((6, 4, 3), 0.4, listener)


def test_the_default_listener_is_in_the_center_at_ear_height() -> None:
    assert ShoeBox((6, 4, 5), 0.4).listener == (3, 2, 1.5)
    assert ShoeBox((6, 4, 2.4), 0.4).listener == (3, 2, 1.2)


def test_wall_positions_are_relative_to_the_head() -> None:
    room = ShoeBox((6, 4, 3), 0.4, (1, 3, 1.2))
    np.testing.assert_allclose(room.walls, [[-1, -3, -1.2], [5, 1, 1.8]])


def test_equal_rooms_compare_and_hash_alike() -> None:
    assert ShoeBox([6, 4, 3], [0.4] * 8) == ShoeBox((6.0, 4.0, 3.0), (0.4,) * 8)
    assert hash(BOX) == hash(ShoeBox((6, 4, 3), 0.4))


@pytest.mark.parametrize("text", ["6x4x3", "6.0 X 4 x 3", "6×4×3"])
def test_a_size_is_parsed(text: str) -> None:
    assert parse_room(text) == (6, 4, 3)


@pytest.mark.parametrize("text", ["6x4", "6x4x3x2", "sixx4x3"])
def test_a_malformed_size_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="6x4x3"):
        parse_room(text)


def test_times_are_linear_in_log_frequency() -> None:
    assert parse_rt60("0.4") == 0.4
    found = parse_rt60(" 8000:0.3, 125:0.6,1000:0.4")
    np.testing.assert_allclose(found[:4], np.linspace(0.6, 0.4, 4))
    np.testing.assert_allclose(found[3:7], np.linspace(0.4, 0.3, 4))
    assert found[7] == 0.3
    assert parse_rt60("500:1.5") == (1.5,) * len(OCTAVE_BANDS)


@pytest.mark.parametrize("text", ["long", "125:", "125:0.6:1", "0:0.6", "125:0.6,125:0.4", "nan:1"])
def test_a_malformed_time_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"125:0\.6"):
        parse_rt60(text)


def test_a_trajectory_inside_the_room_passes() -> None:
    BOX.check(Trajectory(np.arange(2.0), np.array([[2.95, 1.95, 1.45], [-2.95, 1.95, -1.45]])))


@pytest.mark.parametrize("far", [[2.96, 0, 0], [0, -1.96, 0], [0, 0, 1.46]])
def test_the_first_point_outside_of_the_room_is_named(far: list) -> None:
    path = Trajectory(np.arange(4.0), np.array([[1, 0, 0], [1, 0, 1], far, far], dtype=float))
    with pytest.raises(PointError, match=r"at 2 s .* x = -3\.00 and 3\.00, y = -2\.00") as refused:
        BOX.check(path)
    assert refused.value.point == 2


@pytest.mark.parametrize("far", [[2.91, 0, 0], [0, -1.91, 0], [0, 0, 1.41]])
def test_the_first_point_at_which_a_head_is_too_close_to_a_wall_is_named(far: list) -> None:
    head = Listener(np.arange(3.0), np.array([[2.9, 1.9, -1.4], [0, 0, 0], far]))
    with pytest.raises(PointError, match=r"at 2 s the head is .* origin of the scene") as refused:
        BOX.check_listener(head)
    assert refused.value.point == 2


def test_a_room_heard_from_elsewhere_has_its_listener_there() -> None:
    assert BOX.heard_from((1.0, -0.5, 0.25)).listener == (4.0, 1.5, 1.75)
    assert BOX.heard_from((2.9 + 1e-12, 0, 0)).listener == (5.9, 2.0, 1.5)


def test_an_arc_along_the_sphere_may_not_cross_a_wall() -> None:
    corners = np.array([[10, 0, 2.0], [30, 0, 2.15], [150, 0, 2.15]])
    cartesian = Trajectory.from_spherical(np.arange(3.0), corners)
    assert abs(cartesian.positions[:, 1]).max() < 1.2  # where the wall is at 2
    BOX.check(Trajectory(np.arange(3.0), cartesian.positions))
    with pytest.raises(PointError) as refused:
        BOX.check(cartesian)
    assert refused.value.point == 2


@given(seed=st.integers(0, 10_000), turn=st.floats(1, 350))
def test_the_check_agrees_with_fine_sampling(seed: int, turn: float) -> None:
    rng = np.random.default_rng(seed)
    points = np.stack(
        [rng.uniform(-turn / 2, turn / 2, 6), rng.uniform(-60, 60, 6), rng.uniform(0.5, 2.2, 6)],
        axis=-1,
    )
    path = Trajectory.from_spherical(np.arange(6.0), points)
    positions = path.at(np.linspace(0, 5, 20_001)).positions
    lower, upper = BOX.walls
    space = np.minimum(positions - lower, upper - positions).min()
    if abs(space - 0.05) < 1e-3:
        return
    if space > 0.05:
        BOX.check(path)
    else:
        with pytest.raises(OptionError):
            BOX.check(path)


@pytest.mark.parametrize(
    ("size", "seconds"), [((6, 4, 3), 0.37), ((1, 1, 1), 0.09), ((30, 20, 10), 1.5)]
)
def test_a_room_without_a_time_is_furnished(size: tuple, seconds: float) -> None:
    room = ShoeBox(size)
    assert room.rt60 == pytest.approx(seconds, rel=0.05)
    assert room.absorption == pytest.approx(0.25)
