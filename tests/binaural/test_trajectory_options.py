import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.binaural import TrajectoryOptions, seen_from_head
from soundstage.errors import InputError, OptionError, SoundstageError

AZIMUTHS, ELEVATIONS = st.floats(-179, 180), st.floats(-85, 85)
DISTANCES = st.floats(0.2, 900)


def seen(options, times, seconds=20.0):
    """Azimuth, elevation and distance at given times."""
    trajectory = options.build(seconds)
    return seen_from_head(trajectory.positions_at(np.array(times, dtype=float)))


def turned(one, other):
    """Degrees counter-clockwise from one azimuth to the other, −180 to 180."""
    return (other - one + 180) % 360 - 180


@given(AZIMUTHS, ELEVATIONS, DISTANCES)
def test_a_position_is_constant(azimuth, elevation, distance):
    options = TrajectoryOptions(azimuth, elevation, distance)
    for found in seen(options, [0.0, 7.0, 1e5]):
        assert turned(azimuth, found[0]) == pytest.approx(0, abs=1e-6)
        assert found[1:] == pytest.approx([elevation, distance], abs=1e-6)


@pytest.mark.parametrize(
    ("options", "position"),
    [
        (TrajectoryOptions(azimuth=90.0), (90, 0, 1.5)),
        (TrajectoryOptions(elevation=45.0), (0, 45, 1.5)),
        (TrajectoryOptions(distance=3.0), (0, 0, 3.0)),
        (TrajectoryOptions(azimuth=0.0), (0, 0, 1.5)),
    ],
)
def test_a_position_defaults_to_ahead_at_ear_height_and_1_5_meters(options, position):
    assert options.is_set
    assert seen(options, [0.0])[0] == pytest.approx(position, abs=1e-9)


def test_no_option_gives_no_trajectory():
    assert not TrajectoryOptions().is_set
    assert TrajectoryOptions().build(3.0) is None


@given(st.floats(0.2, 100), st.booleans(), AZIMUTHS, st.floats(-60, 60), st.floats(0.2, 50))
def test_an_orbit_takes_its_seconds_per_turn_and_a_negative_one_is_clockwise(
    seconds, clockwise, azimuth, elevation, distance
):
    orbit = -seconds if clockwise else seconds
    options = TrajectoryOptions(azimuth, elevation, distance, orbit=orbit)
    start, quarter, whole = seen(options, [0, seconds / 4, seconds], 2 * seconds)
    assert turned(azimuth, start[0]) == pytest.approx(0, abs=1e-4)
    assert turned(start[0], quarter[0]) == pytest.approx(-90 if clockwise else 90, abs=1e-4)
    assert turned(start[0], whole[0]) == pytest.approx(0, abs=1e-4)
    for each in (start, quarter, whole):
        assert each[1:] == pytest.approx([elevation, distance], abs=1e-4)


@given(st.floats(0.1, 50), st.floats(0.3, 20), st.floats(1, 20), st.booleans())
def test_a_fly_by_passes_the_ear_at_half_of_the_duration(speed, distance, seconds, right):
    options = TrajectoryOptions(
        azimuth=-1.0 if right else None, distance=distance, fly_by=speed
    ).build(seconds)
    before, beside, after = options.positions_at(
        np.array([seconds / 2 - 0.1, seconds / 2, seconds / 2 + 0.1])
    )
    assert beside == pytest.approx([0, -distance if right else distance, 0], abs=1e-6)
    assert before[0] == pytest.approx(0.1 * speed, abs=1e-6)  # ahead
    assert after[0] == pytest.approx(-0.1 * speed, abs=1e-6)


@given(AZIMUTHS, ELEVATIONS, st.floats(0.2, 5), st.floats(6, 900), st.floats(1, 1000))
def test_an_approach_reaches_its_distance_at_the_end(azimuth, elevation, last, first, seconds):
    options = TrajectoryOptions(azimuth, elevation, last, approach=first)
    points = seen(options, [0, seconds / 2, seconds, 2 * seconds], seconds)
    assert points[:, 2] == pytest.approx([first, (first + last) / 2, last, last])
    assert turned(azimuth, points[:, 0]) == pytest.approx(np.zeros(4), abs=1e-6)
    assert points[:, 1] == pytest.approx(np.full(4, elevation), abs=1e-6)


def test_a_trajectory_file_is_read(tmp_path):
    path = tmp_path / "path.csv"
    path.write_text("time,azimuth\n0,0\n1,90\n")
    assert seen(TrajectoryOptions(trajectory=path), [0.5])[0] == pytest.approx([45, 0, 1.5])
    with pytest.raises(InputError, match="there is no such file"):
        TrajectoryOptions(trajectory=tmp_path / "missing.csv").build(1.0)


KINDS = {"trajectory": "x.csv", "orbit": 3.0, "fly_by": 3.0, "approach": 3.0}


@given(st.sets(st.sampled_from(sorted(KINDS)), min_size=2))
def test_two_kinds_of_movement_are_refused_by_name(names):
    with pytest.raises(OptionError) as refused:
        TrajectoryOptions(**{name: KINDS[name] for name in names})
    for name in names:
        assert f"`{name}`" in str(refused.value)


def test_a_position_beside_a_file_is_refused_by_name():
    with pytest.raises(OptionError, match="leave out `azimuth`, `distance`"):
        TrajectoryOptions(trajectory="x.csv", azimuth=0.0, distance=2.0)


def test_a_fly_by_has_no_elevation():
    TrajectoryOptions(azimuth=-90.0, distance=3.0, fly_by=5.0)
    with pytest.raises(OptionError, match="leave out `elevation`"):
        TrajectoryOptions(azimuth=-90.0, elevation=10.0, fly_by=5.0)


@pytest.mark.parametrize("name", ["azimuth", "elevation", "distance", "orbit", "fly_by"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused_in_one_sentence(name, value):
    with pytest.raises(SoundstageError) as refused:
        TrajectoryOptions(**{name: value}).build(1.0)
    assert "\n" not in str(refused.value)


def test_a_fly_by_from_too_far_away_is_refused_with_the_highest_speed():
    with pytest.raises(OptionError, match=r"1,800 m.*1,000 m.*11.1 m/s"):
        TrajectoryOptions(fly_by=20.0).build(180.0)
    TrajectoryOptions(fly_by=11.1).build(180.0)


@pytest.mark.parametrize("value", [0.05, 1001.0, float("nan")])
def test_an_approach_from_an_impossible_distance_is_refused(value):
    with pytest.raises(OptionError):
        TrajectoryOptions(approach=value).build(1.0)


@pytest.mark.parametrize("option", ["orbit", "fly_by"])
def test_a_value_out_of_range_is_named_after_its_option(option):
    with pytest.raises(OptionError, match=f"`{option}` is 0.1 to|`{option}` is 0.01 to"):
        TrajectoryOptions(**{option: 0.0}).build(10.0)
