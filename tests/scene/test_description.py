"""Scene descriptions: values within their ranges, and JSON that gives the same description back."""

import json
import subprocess
import sys

import pytest

from soundstage.errors import OptionError
from soundstage.scene.description import (
    MAX_EVENTS,
    SceneDescription,
    SceneEvent,
    Understood,
    Waypoint,
)

CROSSING = (Waypoint(0, -90, 0, 8), Waypoint(0.5, 0, 0, 2), Waypoint(1, 90, 0, 8))
SCENE = SceneDescription(
    (
        SceneEvent("dog barking", azimuth=135, distance=3, gain_db=-6, count=3, seconds=2),
        SceneEvent("car passing", trajectory=CROSSING, after=0, start=1.5),
        SceneEvent("drone", trajectory=(Waypoint(0, 0), Waypoint(1, 720)), along_sphere=True),
        SceneEvent("rain", around=True, loop=True),
    ),
    room="large hall",
    seconds=8,
    text="ein Hündchen …",
    understood=(Understood("behind me to the left", "135° counter-clockwise"),),
)


def test_json_gives_the_description_back():
    assert SceneDescription.from_json(json.loads(SCENE.to_json())) == SCENE


def test_json_has_a_line_for_each_event_without_defaults():
    lines = SCENE.to_json().splitlines()
    assert '{"text": "rain", "around": true, "loop": true}' in [line.strip(" ,") for line in lines]


def test_integers_become_floats():
    event = SceneEvent("dog", azimuth=90)
    assert isinstance(event.azimuth, float)
    assert event == SceneEvent("dog", azimuth=90.0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"text": ""}, "the text of an event must have 1 to 200 characters"),
        ({"text": None}, "the text of an event"),
        ({"azimuth": 361}, "azimuth must be from -360 to 360, not 361"),
        ({"azimuth": float("nan")}, "azimuth must be a number"),
        ({"azimuth": True}, "azimuth must be a number, not True"),
        ({"elevation": -91}, "elevation must be from -90 to 90"),
        ({"distance": 0}, "distance must be from 0.1 to 1,000"),
        ({"gain_db": "loud"}, "gain_db must be a number, not 'loud'"),
        ({"start": -1}, "start must be from 0"),
        ({"seconds": 0}, "seconds must be from 0.01"),
        ({"count": 0}, "count must be an integer from 1 to 12"),
        ({"count": 2.0}, "count must be an integer"),
        ({"after": -1}, "after must be an integer"),
        ({"loop": 1}, "loop must be true or false"),
        ({"trajectory": [Waypoint(0, 0)]}, "2 to 64 waypoints"),
        ({"trajectory": [Waypoint(0.5, 0), Waypoint(0.5, 9)]}, "must increase"),
        ({"trajectory": CROSSING, "azimuth": 0}, "more than one of azimuth, trajectory and around"),
        ({"around": True, "azimuth": 0}, "more than one of"),
    ],
)
def test_a_value_out_of_its_range_is_one_sentence(values, words):
    with pytest.raises(OptionError, match="(?s)" + words) as caught:
        SceneEvent(**{"text": "dog", **values})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"events": ()}, "1 to 32 events"),
        ({"events": (SceneEvent("dog"),) * (MAX_EVENTS + 1)}, "not 33"),
        ({"room": "shed"}, "room must be one of outdoors, "),
        ({"seconds": 0}, "seconds must be"),
        ({"text": "x" * 2001}, "at most 2,000 characters"),
        ({"events": (SceneEvent("dog", after=0),)}, "can follow only an earlier one"),
    ],
)
def test_a_scene_out_of_its_range_is_one_sentence(values, words):
    with pytest.raises(OptionError, match=words):
        SceneDescription(**{"events": (SceneEvent("dog"),), **values})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "a scene must have keys and values in braces"),
        ({"events": []}, "a scene needs the key 'version'"),
        ({"version": 2, "events": []}, "version must be 1, not 2"),
        ({"version": True, "events": []}, "version must be 1"),
        ({"version": 1}, "a scene needs the key 'events'"),
        ({"version": 1, "events": {}}, "events must be a list"),
        ({"version": 1, "events": [], "sound": 1}, "a scene has no key 'sound'"),
        ({"version": 1, "events": [3]}, "an event must have keys"),
        ({"version": 1, "events": [{"azimuth": 3}]}, "an event needs the key 'text'"),
        ({"version": 1, "events": [{"text": "a", "place": 3}]}, "an event has no key 'place'"),
        ({"version": 1, "events": [{"text": "a", "trajectory": 3}]}, "trajectory must be a list"),
        ({"version": 1, "events": [{"text": "a", "trajectory": [{"share": 0}]}]}, "'azimuth'"),
        ({"version": 1, "events": [{"text": "a"}], "understood": [{"words": "a"}]}, "'meaning'"),
        ({"version": 1, "events": [{"text": "a"}], "room": ["hall"]}, "room must be one of"),
    ],
)
def test_content_that_is_no_description_is_one_sentence(content, words):
    with pytest.raises(OptionError, match=words):
        SceneDescription.from_json(content)


def test_reading_a_description_does_not_import_torch():
    program = "import sys, soundstage.scene.prompts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
