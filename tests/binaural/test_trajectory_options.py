import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.binaural import seen_from_head
from soundstage.binaural.trajectory_options import TrajectoryOptions
from soundstage.errors import InputError, OptionError, SoundstageError

AZIMUTHS, ELEVATIONS = st.floats(-179, 180), st.floats(-85, 85)
DISTANCES = st.floats(0.2, 900)


def seen(way, times, seconds=20.0):
    """Azimuth, elevation and distance at these times."""
    return seen_from_head(way.trajectory(seconds).positions_at(np.array(times, dtype=float)))


def turned(one, other):
    """Degrees counter-clockwise from one azimuth to the other, −180 to 180."""
    return (other - one + 180) % 360 - 180


@given(AZIMUTHS, ELEVATIONS, DISTANCES)
def test_a_place_is_where_it_is_asked_for_at_any_time(azimuth, elevation, distance):
    for time in (0.0, 7.0, 1e5):
        (found,) = seen(TrajectoryOptions(azimuth, elevation, distance), [time])
        assert turned(azimuth, found[0]) == pytest.approx(0, abs=1e-6)
        assert found[1:] == pytest.approx([elevation, distance], abs=1e-6)


@pytest.mark.parametrize(
    ("way", "place"),
    [
        (TrajectoryOptions(azimuth=90.0), (90, 0, 1.5)),
        (TrajectoryOptions(elevation=45.0), (0, 45, 1.5)),
        (TrajectoryOptions(distance=3.0), (0, 0, 3.0)),
        (TrajectoryOptions(azimuth=0.0), (0, 0, 1.5)),
    ],
)
def test_what_is_left_out_of_a_place_is_ahead_level_and_at_the_distance_of_heads(way, place):
    assert way.is_asked
    assert seen(way, [0.0])[0] == pytest.approx(place, abs=1e-9)


def test_nothing_asked_is_no_way():
    assert not TrajectoryOptions().is_asked
    assert TrajectoryOptions().trajectory(3.0) is None


@given(st.floats(0.2, 100), st.booleans(), AZIMUTHS, st.floats(-60, 60), st.floats(0.2, 50))
def test_an_orbit_turns_once_in_its_time_to_the_left_or_to_the_right_where_negative(
    seconds, clockwise, azimuth, elevation, distance
):
    way = TrajectoryOptions(azimuth, elevation, distance, orbit=-seconds if clockwise else seconds)
    begin, quarter, whole = seen(way, [0, seconds / 4, seconds], 2 * seconds)
    assert turned(azimuth, begin[0]) == pytest.approx(0, abs=1e-4)
    assert turned(begin[0], quarter[0]) == pytest.approx(-90 if clockwise else 90, abs=1e-4)
    assert turned(begin[0], whole[0]) == pytest.approx(0, abs=1e-4)
    for each in (begin, quarter, whole):
        assert each[1:] == pytest.approx([elevation, distance], abs=1e-4)


@given(st.floats(0.1, 50), st.floats(0.3, 20), st.floats(1, 20), st.booleans())
def test_a_fly_by_is_beside_the_asked_ear_at_half_of_the_time(speed, distance, seconds, right):
    way = TrajectoryOptions(azimuth=-1.0 if right else None, distance=distance, fly_by=speed)
    before, beside, after = way.trajectory(seconds).positions_at(
        np.array([seconds / 2 - 0.1, seconds / 2, seconds / 2 + 0.1])
    )
    assert beside == pytest.approx([0, -distance if right else distance, 0], abs=1e-6)
    assert before[0] == pytest.approx(0.1 * speed, abs=1e-6)  # ahead
    assert after[0] == pytest.approx(-0.1 * speed, abs=1e-6)


@given(AZIMUTHS, ELEVATIONS, st.floats(0.2, 5), st.floats(6, 900), st.floats(1, 1000))
def test_an_approach_comes_evenly_to_its_distance_at_the_end_of_the_sound(
    azimuth, elevation, last, first, seconds
):
    way = TrajectoryOptions(azimuth, elevation, last, approach=first)
    course = seen(way, [0, seconds / 2, seconds, 2 * seconds], seconds)
    assert course[:, 2] == pytest.approx([first, (first + last) / 2, last, last])
    assert turned(azimuth, course[:, 0]) == pytest.approx(np.zeros(4), abs=1e-6)
    assert course[:, 1] == pytest.approx(np.full(4, elevation), abs=1e-6)


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_path_is_read_from_its_file(tmp_path, suffix):
    path = tmp_path / f"way.{suffix}"
    if suffix == "csv":
        path.write_text("time,azimuth\n0,0\n1,90\n")
    else:
        path.write_text(json.dumps([{"time": 0, "azimuth": 0}, {"time": 1, "azimuth": 90}]))
    assert seen(TrajectoryOptions(path=path), [0.5])[0] == pytest.approx([45, 0, 1.5], abs=1e-6)


WAYS = {"path": "x.csv", "orbit": 3.0, "fly_by": 3.0, "approach": 3.0}


@given(st.sets(st.sampled_from(sorted(WAYS)), min_size=2))
def test_two_ways_are_refused_by_the_names_of_their_options(names):
    with pytest.raises(OptionError) as refused:
        TrajectoryOptions(**{name: WAYS[name] for name in names})
    for name in names:
        assert "--" + name.replace("_", "-") in str(refused.value)


@given(st.sets(st.sampled_from(["azimuth", "elevation", "distance"]), min_size=1))
def test_a_place_beside_a_file_is_refused_by_name(names):
    with pytest.raises(OptionError) as refused:
        TrajectoryOptions(path="x.csv", **dict.fromkeys(names, 0.0))
    assert all(f"--{name}" in str(refused.value) for name in names)


def test_a_fly_by_has_a_side_and_a_distance_and_no_elevation():
    TrajectoryOptions(azimuth=-90.0, distance=3.0, fly_by=5.0)
    with pytest.raises(OptionError, match="leave out --elevation") as refused:
        TrajectoryOptions(azimuth=-90.0, elevation=10.0, fly_by=5.0)
    assert "--azimuth" not in str(refused.value)


@pytest.mark.parametrize("name", ["azimuth", "elevation", "distance", "orbit", "fly_by"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_cannot_be_are_one_sentence(name, value):
    with pytest.raises(SoundstageError) as refused:
        TrajectoryOptions(**{name: value}).trajectory(1.0)
    assert "\n" not in str(refused.value)


def test_a_fly_by_that_begins_too_far_away_says_how_fast_it_may_be():
    with pytest.raises(OptionError, match=r"1,800 m.*1,000 m.*11.1 m/s"):
        TrajectoryOptions(fly_by=20.0).trajectory(180.0)
    TrajectoryOptions(fly_by=11.1).trajectory(180.0)


@pytest.mark.parametrize("value", [0.0, -1.0, 0.05, 1001.0, float("nan")])
def test_an_approach_from_within_the_head_or_from_too_far_is_refused(value):
    with pytest.raises(OptionError):
        TrajectoryOptions(approach=value).trajectory(1.0)


def test_a_path_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="no such file"):
        TrajectoryOptions(path="nowhere.csv").trajectory(1.0)
