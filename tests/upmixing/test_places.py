import contextlib
import string
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.errors import OptionError
from soundstage.separation.placement import DIFFUSENESS, PlaceRequest, place_sources
from soundstage.separation.separator import Kind, SourceInfo
from soundstage.upmixing.generative.style import parse_style
from soundstage.upmixing.place_words import INSTRUMENTS, PLACE_WORDS, SIDE_WORDS, SOURCE_WORDS
from soundstage.upmixing.places import (
    check_places,
    find_request,
    known_names,
    parse_places,
    requests_for,
    stage_requests,
)
from soundstage.upmixing.plan import PlacedSource, Plan

ALL_KINDS = get_args(Kind)
SONG = [
    SourceInfo("lead", "lead", 0.3, 1_200.0),
    SourceInfo("backing", "voice", 0.1, 1_500.0),
    SourceInfo("drums", "drums", 0.3, 3_000.0),
    SourceInfo("bass", "bass", 0.1, 150.0),
    SourceInfo("other-1", "object", 0.1, 800.0),
    SourceInfo("other-2", "object", 0.1, 2_000.0),
    SourceInfo("ambience", "ambience", 0.05, 1_000.0),
    SourceInfo("residual", "residual", 0.02, 1_000.0),
]
NAMES_BY_WORD = {
    "lead": {"lead"},
    "vocals": {"lead"},
    "voices": {"lead", "backing"},
    "backing vocals": {"backing"},
    "percussion": {"drums"},
    "bass guitar": {"bass"},
    "other": {"other-1", "other-2"},
    "instruments": {"other-1", "other-2"},
    "reverb": {"ambience"},
    "residual": {"residual"},
}


def only(text):
    (request,) = parse_places(text)
    return request.request


@given(st.floats(-12, 12), st.sampled_from(["{:.3f}", "{:+.2f} dB", "{:.1f}db"]))
def test_numbers_are_decibels_of_left_over_right(pan_db, form):
    written = form.format(pan_db)
    expected = float(written.lower().removesuffix("db"))
    assert only(f"other={written}") == PlaceRequest(pan_db=expected)
    assert only(f"other={written.replace('-', '−')}") == PlaceRequest(pan_db=expected)


@pytest.mark.parametrize("written", ["13", "-12.5", "1e9", "nan", "inf", "--3", "3 4", "0x3"])
def test_other_numbers_are_refused_by_name(written):
    with pytest.raises(OptionError, match="'other'"):
        parse_places(f"other={written}")


def test_sides_are_symmetrical_and_ordered():
    sides = ["hard left", "left", "half left", "center", "half right", "right", "hard right"]
    found = [only(f"other={side}").pan_db for side in sides]
    assert found == sorted(found, reverse=True) == [-pan for pan in reversed(found)]


def test_widths_are_ordered_about_the_own_width():
    words = ["very narrow", "narrow", "wide", "very wide"]
    found = [only(f"other={word}").width for word in words]
    assert found == sorted(found)
    assert found[1] < 1 < found[2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("other=half left", "other=Half-Left"),
        ("other=center", "other=Centre"),
        ("other=left", "Other = LEFT"),
        ("other=left wide", "other=wide left"),
        ("other=slightly left", "other=half left"),
        ("lead=0", "lead=0 dB; lead=0"),
        ("lead=0, drums=wide", "lead=0 and drums=wide"),
        ("lead=to the left", "lead=left"),
        ("lead=on the left side", "lead=left"),
    ],
)
def test_spelling_and_order_make_no_difference(one, other):
    assert [each.request for each in parse_places(one)] == [
        each.request for each in parse_places(other)
    ]


def test_a_side_and_a_width_go_together():
    assert only("other=wide left") == PlaceRequest(8.0, width=1.6)
    assert only("other=mono wide").diffuseness == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("lead", "'lead' must be a name, an equals sign and a place"),
        ("=left", "must be a name"),
        ("lead=", "no place ''"),
        ("lead=up", "no place 'up' for 'lead'"),
        ("lead=left right", "no place 'left right'"),
        ("lead=left, vocals=right", "'lead=left' and 'vocals=right'"),
        ("other-1=2, Other 1=3", "'other-1=2' and 'Other 1=3'"),
    ],
)
def test_other_text_is_refused_with_its_part(text, problem):
    with pytest.raises(OptionError) as caught:
        parse_places(text)
    assert problem in str(caught.value)
    assert str(caught.value).endswith(".")


@given(st.text(string.printable, max_size=30), st.text(string.printable, max_size=10))
def test_any_text_is_places_or_an_option_error(text, more):
    for each in (text, f"lead={text}", f"{text}={more}"):
        with contextlib.suppress(OptionError):
            assert isinstance(parse_places(each), tuple)


@pytest.mark.parametrize(("word", "names"), NAMES_BY_WORD.items())
def test_a_word_means_the_sources_of_its_kind(word, names):
    found = requests_for(parse_places(f"{word}=left"), SONG)
    assert found == dict.fromkeys(names, PlaceRequest(8.0))


def test_every_word_means_some_kind():
    for word, kinds in SOURCE_WORDS.items():
        assert set(kinds) <= set(ALL_KINDS)
        assert requests_for(parse_places(f"{word}=left"), SONG)


def test_a_source_goes_before_its_kind_in_any_order():
    for text in ("other=wide, other-2=-3", "other-2=-3, other=wide"):
        found = requests_for(parse_places(text), SONG)
        assert found == {"other-1": PlaceRequest(width=1.6), "other-2": PlaceRequest(-3.0)}
    found = requests_for(parse_places("voices=left, lead=0"), SONG)
    assert found == {"lead": PlaceRequest(0.0), "backing": PlaceRequest(8.0)}


def test_a_voice_that_counts_as_the_lead_is_the_lead():
    song = [SourceInfo("singer", "voice", 0.5, 900.0), SONG[4]]
    assert requests_for(parse_places("lead=3"), song) == {"singer": PlaceRequest(3.0)}


def test_a_kind_that_a_song_lacks_has_no_effect_and_a_source_is_an_error():
    assert requests_for(parse_places("drums=left"), SONG[:1]) == {}
    with pytest.raises(OptionError, match="no source 'other-7': it has lead, backing, drums"):
        requests_for(parse_places("other-7=left"), SONG)


def test_stems_of_ones_own_are_found_by_name_in_singular_and_plural():
    song = [SourceInfo("Guitar", "object"), SourceInfo("bass", "bass")]
    assert requests_for(parse_places("guitars=left"), song) == {"Guitar": PlaceRequest(8.0)}
    check_places(parse_places("guitars=left"), ("bass",), ["Guitar"])


@pytest.mark.parametrize("name", ["guitar", "keys", "snare", "my thing", "cymbals", "other-1x"])
def test_what_a_separator_cannot_tell_apart_is_refused_with_what_it_can(name):
    with pytest.raises(OptionError) as caught:
        check_places(parse_places(f"lead=0, {name}=left"), ALL_KINDS, separator="stems")
    message = str(caught.value)
    assert message.startswith(f"stems does not tell '{name}' apart")
    assert "choose among lead, backing, drums, bass, other, " in message


def test_kinds_decide_what_is_told_apart():
    check_places(parse_places("lead=0"), ("lead", "residual"))
    check_places(parse_places("voices=left"), ("lead", "residual"))
    check_places(parse_places("other-3=left"), ("object",))
    for text in ("drums=0", "other=wide", "other-3=left", "backing=left"):
        with pytest.raises(OptionError, match="choose among lead, residual"):
            check_places(parse_places(text), ("lead", "residual"))


@given(st.sets(st.sampled_from(ALL_KINDS)))
def test_the_names_that_are_listed_are_accepted(kinds):
    names = known_names(kinds, ["my stem"])
    plain = [name.removesuffix(", ...") for name in names]
    for name in plain:
        check_places(parse_places(f"{name}=left"), kinds, ["my stem"])
    assert {kind for name in plain for kind in SOURCE_WORDS.get(name, ())} == kinds


def test_the_instruments_are_no_words_for_kinds():
    assert not {word.removesuffix("s") for word in SOURCE_WORDS} & INSTRUMENTS


@pytest.mark.parametrize(
    ("phrase", "name", "request_of_place"),
    [
        ("voice centered", "voice", SIDE_WORDS["center"].request),
        ("Vocals Centred", "vocals", SIDE_WORDS["center"].request),
        ("wide guitars", "guitars", PlaceRequest(width=1.6)),
        ("the drums on the left", "drums", PlaceRequest(8.0)),
        ("backing vocals very wide", "backing vocals", PlaceRequest(width=2.2)),
        ("other-2 half right", "other 2", PlaceRequest(-4.0)),
        ("narrow bass guitar", "bass guitar", PlaceRequest(width=0.4)),
    ],
)
def test_phrases_with_an_instrument_are_requests(phrase, name, request_of_place):
    found = find_request(phrase)
    assert (found.name, found.request) == (name, request_of_place)


@pytest.mark.parametrize("phrase", ["wide", "airy", "left", "wide highs", "purple elephants", ""])
def test_phrases_without_an_instrument_are_none(phrase):
    assert find_request(phrase) is None


@pytest.mark.parametrize("phrase", ["drums", "loud drums", "guitar solo", "lead left and up"])
def test_an_instrument_without_a_place_is_refused(phrase):
    with pytest.raises(OptionError, match="needs a place"):
        find_request(phrase)


PLAN = Plan((PlacedSource("other-1", "object", 6.0, 1.0), PlacedSource("lead", "lead", 1.0, 0.2)))


def test_a_place_goes_before_a_style_and_a_style_before_a_plan():
    words = parse_style("other-1 left, wide drums", places=True).places
    found = stage_requests(SONG, plan=PLAN, words=words, place="other-1=-2")
    assert found == {
        "other-1": PlaceRequest(-2.0),
        "lead": PlaceRequest(1.0, 0.2),
        "drums": PlaceRequest(width=1.6),
    }
    assert stage_requests(SONG) == {}


def test_a_width_changes_the_place_of_a_plan():
    requested = stage_requests(SONG, plan=PLAN, place="other-1=narrow")
    place = place_sources(SONG, requested=requested)[4]
    assert (place.pan_db, place.diffuseness) == pytest.approx((2.4, 0.4))


@pytest.mark.parametrize("word", PLACE_WORDS)
@pytest.mark.parametrize("name", ["lead", "backing", "drums", "bass", "other", "ambience"])
def test_a_word_moves_its_sources_as_it_says_and_no_other(word, name):
    own = place_sources(SONG, 2)
    requested = stage_requests(SONG, place=f"{name}={word}")
    made = place_sources(SONG, 2, requested=requested)
    request = PLACE_WORDS[word].request
    for source, before, after in zip(SONG, own, made, strict=True):
        if source.name not in requested:
            assert after == before
        elif request.pan_db is not None:
            assert after.pan_db == request.pan_db
        elif request.width < 1:
            assert abs(after.pan_db) <= abs(before.pan_db)
            assert after.diffuseness < DIFFUSENESS[source.kind]
        else:
            assert abs(after.pan_db) >= abs(before.pan_db)
            assert after.diffuseness > DIFFUSENESS[source.kind]
