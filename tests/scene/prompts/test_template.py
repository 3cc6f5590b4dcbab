"""The template of prompts: every form gives its azimuth back; both senses of DOA are printed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.errors import OptionError
from soundstage.scene.prompts.direction import wrapped
from soundstage.scene.prompts.template import (
    KINDS,
    location_words,
    parse_template,
    template_prompt,
)

AZIMUTHS = range(0, 360, 30)
EVENTS = st.text(st.characters(codec="ascii", exclude_characters="&\n:;,"), min_size=1).filter(
    lambda text: text.strip() and "location" not in text.lower()
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("azimuth", AZIMUTHS)
def test_a_prompt_gives_its_azimuth_back(azimuth, kind):
    scene = parse_template(template_prompt("Walk and footsteps", azimuth, kind))
    (event,) = scene.events
    assert (event.text, event.azimuth) == ("Walk and footsteps", wrapped(azimuth))


@pytest.mark.parametrize("kind", KINDS)
def test_azimuths_have_twelve_different_locations(kind):
    assert len({location_words(azimuth, kind) for azimuth in AZIMUTHS}) == 12


@given(EVENTS, st.integers(0, 359))
def test_the_words_of_an_event_are_kept(event, azimuth):
    scene = parse_template(template_prompt(event, azimuth, "doa"))
    assert scene.events[0].text == event.strip()
    assert scene.events[0].azimuth == wrapped(azimuth)


@pytest.mark.parametrize(
    ("prompt", "azimuth"),
    [
        ("EVENT: Waves and surf & LOCATION: DOA 180", 180),
        ("EVENT: Organ & LOCATION: 12 o' clock direction", 0),
        ("EVENT: Walk and footsteps & LOCATION: Right rear, slightly toward the back", -150),
        ("event: dog & location: 3 o’clock", -90),
        ("EVENT: Left-hand piano & LOCATION: on the right.", -90),
    ],
)
def test_prompts_of_the_paper_are_read(prompt, azimuth):
    assert parse_template(prompt).events[0].azimuth == azimuth


def test_both_senses_of_doa_are_printed():
    (understood,) = parse_template("EVENT: dog & LOCATION: DOA 90").understood
    assert "on the left, 9 o'clock" in understood.meaning
    assert "clockwise would be on the right, 3 o'clock" in understood.meaning


def test_a_sentence_is_no_template():
    assert parse_template("the location of an event: a dog") is None


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("EVENT: dog & LOCATION: port bow", "'port bow' is not understood as a direction"),
        ("EVENT: dog & LOCATION: DOA 90 or so", "'or so' is not understood"),
        ("EVENT: dog & LOCATION: DOA 400", "angles are from -360 to 360"),
        ("EVENT: dog & LOCATION: 13 o' clock direction", "the clock has 1 to 12"),
        ("EVENT: dog & LOCATION: left right", "'left right' is not understood"),
        ("EVENT: dog & LOCATION: ", "no words"),
        ("EVENT: & LOCATION: DOA 90", "the text of an event"),
    ],
)
def test_a_location_that_is_not_understood_is_named(prompt, words):
    with pytest.raises(OptionError, match=words):
        parse_template(prompt)


def test_words_exist_only_for_the_twelve_azimuths():
    with pytest.raises(OptionError, match="multiple of 30"):
        location_words(45, "clock")
    with pytest.raises(OptionError, match="kind must be one of doa, clock, general"):
        location_words(30, "compass")
