from itertools import pairwise

import numpy as np
import pytest

from soundstage.binaural import to_spherical
from soundstage.scene.description import SceneEvent, Waypoint
from soundstage.scene.placing import (
    APART,
    COPIES,
    angle,
    chosen_azimuths,
    is_chosen,
    is_periodic,
    motion,
    motion_words,
    places,
    trajectory_of,
)


def event(**values):
    return SceneEvent("sound", **values)


def random():
    return np.random.default_rng(0)


def test_stated_azimuths_are_kept_and_others_are_apart_from_them():
    events = [event(azimuth=10.0), event(), event(), event(around=True), event(azimuth=-45.0)]
    found = chosen_azimuths(events)
    assert (found[0], found[4]) == (10.0, -45.0)
    directed = [*found[:3], found[4]]
    for one in range(4):
        for other in range(one):
            assert angle(directed[one], directed[other]) >= APART
    assert [is_chosen(each) for each in events] == [False, True, True, False, False]


def test_the_first_event_without_a_place_is_ahead_and_many_find_one():
    assert chosen_azimuths([event()]) == [0.0]
    found = chosen_azimuths([event()] * 12)
    assert found[:3] == [0.0, 45.0, -45.0]
    assert len(set(found)) == 12


def test_several_sounds_stand_close_to_the_place_and_apart_from_each_other():
    found = places(event(azimuth=90.0, count=3, distance=4.0), 90.0, random())
    azimuths = [place.azimuth for place in found]
    assert np.mean(azimuths) == pytest.approx(90)
    assert all(5 <= angle(one, other) <= 40 for one, other in pairwise(azimuths))
    assert all(3 <= place.distance <= 5 for place in found)
    wide = places(event(azimuth=0.0, count=12), 0.0, random())
    assert max(angle(place.azimuth, 0) for place in wide) <= 40


def test_all_around_is_an_even_circle():
    found = places(event(around=True, distance=3.0), 0.0, random())
    assert len(found) == COPIES
    assert np.abs(sum(place.position for place in found)).max() < 1e-9
    assert len(places(event(around=True, count=4), 0.0, random())) == 4


def test_a_straight_motion_is_a_line_between_its_waypoints():
    passing = event(
        trajectory=(Waypoint(0, 90, 0, 5), Waypoint(0.5, 0, 0, 2), Waypoint(1, -90, 0, 5))
    )
    path = trajectory_of(motion(passing, 2.0, 4.0))
    assert path.positions_at(np.array([2.0, 4.0, 6.0])) == pytest.approx(
        np.array([[0, 5, 0], [2, 0, 0], [0, -5, 0]]), abs=1e-3
    )
    assert path.positions_at(np.array([3.0]))[0] == pytest.approx([1, 2.5, 0], abs=1e-3)
    assert motion_words(passing) == (
        "from 90° (on the left), 5 m away to -90° (on the right), 5 m away"
    )
    half = trajectory_of(motion(passing, 2.0, 4.0, 0.5))
    assert half.max_distance == pytest.approx(2.5)


@pytest.mark.parametrize("turns", [2, -1.5, 0.25])
def test_an_orbit_keeps_its_turns_and_radius(turns):
    orbit = event(
        trajectory=(Waypoint(0, 30, 0, 2), Waypoint(1, 30 + 360 * turns, 0, 2)), along_sphere=True
    )
    path = trajectory_of(motion(orbit, 0.0, 6.0))
    times = np.linspace(0, 6, 200)
    azimuths, _, radii = to_spherical(path.positions_at(times)).T
    assert radii == pytest.approx(2, abs=1e-3)
    expected = 30 + 60 * turns * times
    assert np.abs((azimuths - expected + 180) % 360 - 180).max() < 0.01
    assert is_periodic(orbit) == (turns == 2)


def test_words_of_an_orbit_name_turns_and_sense():
    points = (Waypoint(0, 0), Waypoint(1, -720))
    assert motion_words(event(trajectory=points, along_sphere=True)) == (
        "clockwise around the head, 2 turns"
    )
