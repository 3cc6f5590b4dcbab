"""Prompts in English: the sentences of the test set, mirrored sentences, and any text at all."""

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.errors import OptionError
from soundstage.scene.description import SceneDescription, SceneEvent
from soundstage.scene.prompts import parse_prompt
from soundstage.scene.prompts.direction import wrapped

ROWS = json.loads(Path(__file__).with_name("sentences.json").read_text(encoding="utf-8"))
DESCRIBED = [row for row in ROWS if "events" in row]
REFUSED = [row for row in ROWS if "error" in row]


def stated(event: SceneEvent) -> dict:
    """What an event states, as the rows of the test set write it."""
    values = event.to_dict()
    values.pop("along_sphere", None)
    path = values.pop("trajectory", [])
    values |= {"path": [point["azimuth"] for point in path]} if path else {}
    return {
        name: pytest.approx(value, abs=1e-3) if name == "distance" else value
        for name, value in values.items()
    }


def expected(row: dict) -> list[dict]:
    return [{name: each[name] for name in each if name != "moves"} for each in row["events"]]


@pytest.mark.parametrize("row", DESCRIBED, ids=lambda row: row["prompt"])
def test_a_sentence_is_parsed_right(row):
    scene = parse_prompt(row["prompt"])
    assert expected(row) == [stated(event) for event in scene.events]
    assert (scene.room, scene.seconds) == (row.get("room"), row.get("seconds"))
    for event, each in zip(scene.events, row["events"], strict=True):
        if moves := each.get("moves"):
            first, last = event.trajectory[0].distance, event.trajectory[-1].distance
            assert first > last if moves == "closer" else first < last


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row["prompt"])
def test_a_sentence_that_is_not_understood_is_an_error_with_its_words(row):
    with pytest.raises(OptionError) as caught:
        parse_prompt(row["prompt"])
    assert row["error"] in str(caught.value)


def test_the_set_has_two_hundred_sentences_and_sixty_adversarial_ones():
    assert len(ROWS) >= 200
    assert sum(row.get("adversarial", False) for row in ROWS) >= 60


SWAPPED = {"left": "right", "right": "left", "clockwise": "counterclockwise"}
SWAPPED |= {"counterclockwise": "clockwise", "east": "west", "west": "east"}
SWAPPED |= {"northeast": "northwest", "southwest": "southeast"}
ASYMMETRIC = re.compile(
    r"right (behind|in front|next|whale|hand)|left-|right-|lft|rig?h?tg?h?\b(?<!right)"
    r"|north-east|north wind|\d:\d|azimuth|minus|rihgt|oclock|(three|ten) o"
)


def mirrored_text(prompt: str) -> str | None:
    """The prompt with left and right swapped; None if it has words without a mirror."""
    if ASYMMETRIC.search(prompt):
        return None
    hours = re.sub(r"\b(\d{1,2}) (?=o.clock)", lambda m: f"{12 - int(m[1]) % 12} ", prompt)
    return re.sub(r"[a-z]+", lambda m: SWAPPED.get(m[0], m[0]), hours)


def mirrored(scene: SceneDescription) -> list[tuple]:
    return [
        (
            None if event.azimuth is None else wrapped(-event.azimuth),
            [wrapped(-point.azimuth) for point in event.trajectory],
            event.elevation,
            event.distance,
        )
        for event in scene.events
    ]


@pytest.mark.parametrize(
    "row", [row for row in DESCRIBED if mirrored_text(row["prompt"])], ids=lambda row: row["prompt"]
)
def test_the_mirrored_sentence_gives_the_mirrored_scene(row):
    scene = parse_prompt(row["prompt"])
    if any(re.search("not stated|counted", note.meaning) for note in scene.understood):
        pytest.skip("a sense of rotation is chosen")
    other = parse_prompt(mirrored_text(row["prompt"]))
    assert mirrored(scene) == [
        (
            None if event.azimuth is None else wrapped(event.azimuth),
            [wrapped(point.azimuth) for point in event.trajectory],
            event.elevation,
            event.distance,
        )
        for event in other.events
    ]


PLACES = {
    "on the left": 90, "to my right": -90, "behind me": 180, "in front of me": 0, "ahead": 0,
    "behind me to the left": 135, "in front of me, slightly to the right": -30,
    "at 9 o'clock": 90, "from the 4 o'clock direction": -120, "at half past 1 o'clock": -45,
    "at 20 degrees to the right": -20, "70° left": 70, "at azimuth -100": -100,
    "to the south-west": 135, "over my right shoulder": -135, "on the rear left": 135,
    "to the left and slightly behind": 120, "at thirty-five degrees to the left": 35,
}  # fmt: skip
SOUNDS = ("dog barking", "right-handed drummer", "train whistle", "clock ticking", "running water")
EXTRAS = ("", " 3 m away", " quietly", ", very loud,", " in the distance", " for 4 seconds")
EVENT = st.tuples(
    st.sampled_from(SOUNDS), st.sampled_from(sorted(PLACES)), st.sampled_from(EXTRAS), st.booleans()
)


@given(st.lists(EVENT, min_size=1, max_size=4), st.sampled_from([". ", "; ", ", then ", " while "]))
def test_composed_sentences_give_their_azimuths(events, joint):
    texts = [
        f"{place}, a {sound}{extra.rstrip(',')}" if first else f"a {sound}{extra} {place}"
        for sound, place, extra, first in events
    ]
    scene = parse_prompt(joint.join(texts))
    assert [event.azimuth for event in scene.events] == [PLACES[place] for _, place, _, _ in events]
    assert [event.text for event in scene.events] == [sound for sound, *_ in events]


_WORDS = """
a the dog cat rain left right front behind me my of on to from at in and , . then with 30 degrees
o'clock 9 m away far slightly up above around all clockwise twice past between passes not or lft °
' - ( ) : north port azimuth dB 3
"""
WORDS = st.sampled_from(_WORDS.split())


@given(st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=30).map(" ".join)))
def test_any_text_gives_a_scene_or_one_sentence(text):
    try:
        scene = parse_prompt(text)
    except OptionError as error:
        message = str(error)
    else:
        message = ""
        assert SceneDescription.from_json(json.loads(scene.to_json())) == scene
    assert "\n" not in message


@pytest.mark.parametrize(
    "unit", ["left ", "far ", "from left to ", "and ", "behind and ", "a dog, on the left, ", "3 "]
)
def test_long_prompts_take_bounded_time(unit):
    start = time.process_time()
    for length in (2000, 10_000):
        try:
            parse_prompt((unit * length)[:length])
        except OptionError:
            continue
    assert time.process_time() - start < 1


def test_corrections_are_reported():
    scene = parse_prompt("a dog barking on the lft")
    assert ("lft", 'spelled "left"') in scene.understood


def test_both_readings_of_an_angle_without_a_side_are_reported():
    (note,) = parse_prompt("a bell at 60 degrees").understood
    assert "ahead, to the left, 10 o'clock" in note.meaning
    assert "clockwise would be ahead, to the right, 2 o'clock" in note.meaning


def test_relations_to_other_things_are_wording_and_reported():
    scene = parse_prompt("a dog barking behind a fence on the left")
    assert (scene.events[0].text, scene.events[0].azimuth) == ("dog barking behind a fence", 90)
    assert ("behind a fence", "wording of the sound, no direction") in scene.understood


def test_the_template_is_read_as_well():
    assert parse_prompt("EVENT: Organ & LOCATION: 3 o' clock direction").events[0].azimuth == -90


def test_a_direction_after_an_order_word_belongs_to_the_sound_after_it():
    scene = parse_prompt("a cat on the left, then to my right, a dog")
    assert [(event.text, event.azimuth) for event in scene.events] == [("cat", 90), ("dog", -90)]
    assert scene.events[1].after == 0


def test_a_direction_after_an_order_word_alone_repeats_the_sound():
    scene = parse_prompt("keys jingling to the right, then to the left")
    assert [(event.text, event.azimuth) for event in scene.events] == [
        ("keys jingling", -90),
        ("keys jingling", 90),
    ]


def test_a_place_between_two_sounds_that_fits_both_is_an_error():
    with pytest.raises(OptionError, match="'on the left' could belong to the sound before it"):
        parse_prompt("a dog barks, on the left, a cat meows")


@pytest.mark.parametrize(
    ("prompt", "azimuths"),
    [
        ("a bullet flies past my left ear from behind", [180, 90, 0]),
        ("a car passes from the left", [90, 0, -90]),
        ("a car passes behind me from the right", [-90, -180, -270]),
        (
            "a ball bouncing back and forth between left and right",
            [90, 0, -90, 0, 90, 0, -90, 0, 90],
        ),
        ("a bird flies from behind me over my head to the front", [180, 0, 0]),
        ("a bee circles around me", [0, 360]),
        ("a man walking behind me", []),
        ("a bee circling the flower on the left", []),
    ],
)
def test_motion_gives_a_trajectory_and_rest_none(prompt, azimuths):
    (event,) = parse_prompt(prompt).events
    assert [point.azimuth for point in event.trajectory] == azimuths


@pytest.mark.parametrize(
    ("prompt", "azimuths"),
    [
        ("a fly buzzing near my right ear then moving to my left ear", [-90, 0, 90]),
        ("a dog on my left, then running to the right", [90, 0, -90]),
        ("a car on the left, then driving away", [90, 90]),
        ("a dog at 4 o'clock, then it runs to the left", [-120, -270]),
    ],
)
def test_a_sound_moves_on_from_where_it_was(prompt, azimuths):
    before, moving = parse_prompt(prompt).events
    assert moving.text == before.text
    assert moving.trajectory[0].azimuth == before.azimuth
    assert [point.azimuth for point in moving.trajectory] == azimuths


@pytest.mark.parametrize(
    "prompt",
    [
        "a voice from left to right",
        "a bus drives from the right to the left",
        "a jet flies over me",
    ],
)
def test_no_path_goes_through_the_head(prompt):
    (event,) = parse_prompt(prompt).events
    assert min(point.distance for point in event.trajectory) > 0.5
    begin, end = event.trajectory[0], event.trajectory[-1]
    assert len(event.trajectory) > 2 or abs(wrapped(begin.azimuth - end.azimuth)) < 170
