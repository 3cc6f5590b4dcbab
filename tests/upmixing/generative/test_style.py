import contextlib
import math
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.errors import OptionError
from soundstage.stereo.descriptors import DESCRIPTORS
from soundstage.stereo.style_prior import style_features
from soundstage.upmixing.generative.style import (
    MUSIC,
    NAMES,
    RANGES,
    WORDS,
    Style,
    parse_style,
)
from soundstage.upmixing.places import parse_places


def in_range(name):
    return (
        st.floats(*RANGES[name])
        .map(lambda value: float(f"{value:g}"))
        .filter(lambda value: RANGES[name][0] <= value <= RANGES[name][1])
    )


STYLES = st.fixed_dictionaries({}, optional={name: in_range(name) for name in DESCRIPTORS}).map(
    lambda values: Style(**values)
)


def test_a_style_has_one_value_for_each_descriptor():
    assert (*DESCRIPTORS, "places") == tuple(Style.__dataclass_fields__)
    assert DESCRIPTORS == NAMES == tuple(RANGES) == tuple(MUSIC)


def test_an_empty_style_requests_nothing():
    assert parse_style("") == parse_style(" , ") == Style()
    assert Style().requested() == {}
    assert Style().to_tensor().isnan().all()


@given(STYLES)
def test_a_tensor_has_the_values_in_the_order_of_descriptors(style):
    found = dict(zip(DESCRIPTORS, style.to_tensor().tolist(), strict=True))
    requested = {name: value for name, value in found.items() if not math.isnan(value)}
    assert requested == pytest.approx(style.requested())


def test_the_median_of_music_is_near_zero_in_features():
    median = Style(**{name: values[len(values) // 2] for name, values in MUSIC.items()})
    assert style_features(median.to_tensor())[: len(DESCRIPTORS)].abs().max() < 0.6


@given(STYLES)
def test_the_text_of_a_style_is_a_style(style):
    assert parse_style(str(style)) == style


@pytest.mark.parametrize(
    ("name", "value"),
    [("width", math.nan), ("width_low", 99), ("balance", -9), ("offset", "1"), ("offset", True)],
)
def test_values_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(OptionError, match=f"^{name} must be"):
        Style(**{name: value})


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_the_whole_of_every_range_is_allowed(name):
    for value in RANGES[name]:
        assert Style(**{name: np.float64(value)}).requested() == {name: value}
    assert RANGES[name][0] <= MUSIC[name][0]
    assert MUSIC[name][-1] <= RANGES[name][1]
    assert list(MUSIC[name]) == sorted(set(MUSIC[name]))


def test_every_word_and_synonym_is_read_in_any_spelling():
    for word, entry in WORDS.items():
        for name in (word, *entry.also):
            for written in (name, name.upper(), name.replace(" ", "-"), f"  {name} ,"):
                assert parse_style(written) == Style(**entry.values), written


def test_no_word_stands_for_two_entries():
    names = [
        " ".join(sorted(name.split()))
        for word, entry in WORDS.items()
        for name in (word, *entry.also)
    ]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("centered", "Centred"),
        ("wide bass", "wide lows"),
        ("wide highs", "wide treble"),
        ("slightly left", "a bit left"),
        ("left", "to the left"),
        ("narrow bass", "The bass narrow"),
        ("wide, airy", "airy; wide"),
        ("wide, airy", "airy and wide"),
        ("width-high=1.2", "WIDTH_HIGH = 1.20"),
        ("balance=-2", "balance=−2"),
        ("narrow, intimate, narrow", "intimate"),
    ],
)
def test_spelling_and_order_make_no_difference(one, other):
    assert parse_style(one) == parse_style(other)


def test_words_and_numbers_are_combined():
    style = parse_style("wide, narrow bass, centered, balance=-1.5")
    assert style == Style(width=1.91, width_low=0.3, offset=0.19, balance=-1.5)


def test_words_are_ordered_by_their_meaning():
    def value(text):
        (found,) = parse_style(text).requested().values()
        return found

    widths = ["very narrow", "narrow", "slightly narrow", "natural", "slightly wide", "wide"]
    values = [value(word) for word in [*widths, "very wide"]]
    assert values == sorted(set(values))
    for region in ("bass", "mids", "highs"):
        assert value(f"narrow {region}") < value(f"wide {region}")
    assert value("mono bass") < value("narrow bass")
    assert value("centered") < value("spread out")
    assert value("dry") < value("diffuse")
    assert value("left") > value("slightly left") > 0 == value("balanced")
    assert value("slightly right") == -value("slightly left")
    assert value("right") == -value("left")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("wide, narrow", ("'wide'", "'narrow'")),
        ("Mono-Bass, wide bass", ("'Mono-Bass'", "'wide bass'")),
        ("airy, width_high=0.5", ("'airy'", "'width_high=0.5'")),
        ("width=1, dry, width=2", ("'width=1'", "'width=2'")),
    ],
)
def test_contradictions_are_refused_with_both_parts(text, parts):
    with pytest.raises(OptionError, match="contradicts itself") as caught:
        parse_style(text)
    assert all(part in str(caught.value) for part in parts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wyde", "'wide'"),
        ("centerd", "'centered'"),
        ("purple elephants", "soundstage styles"),
        ("width high", "needs a number"),
        ("widht=1", "no parameter 'widht': choose among width, "),
        ("width=loud", "needs a number"),
        ("width=", "needs a number"),
        ("width=nan", "from 0.1 to 3"),
        ("balance=-9", "from -6 to 6"),
    ],
)
def test_other_text_is_refused_with_a_hint(text, expected):
    with pytest.raises(OptionError, match=expected) as caught:
        parse_style(f"airy, {text}")
    assert str(caught.value).endswith(".")


@given(st.text(string.printable, max_size=30))
def test_any_text_is_a_style_or_an_option_error(text):
    with contextlib.suppress(OptionError):
        assert isinstance(parse_style(text), Style)


def test_words_about_instruments_are_requests_for_places():
    style = parse_style("wide, voice centered and drums on the left", places=True)
    assert style.requested() == {"width": 1.91}
    assert style.without_places() == Style(width=1.91)
    expected = parse_places("voice=center, drums=left")
    found = [(each.name, each.request) for each in style.places]
    assert found == [(each.name, each.request) for each in expected]
    assert parse_style("wide drums").without_places() is None


def test_bass_is_an_instrument_only_where_instruments_are_told_apart():
    for word in ("narrow bass", "wide bass", "mono bass", "tight bass"):
        assert parse_style(word).requested().keys() == {"width_low"}
        assert not parse_style(word).places
        placed = parse_style(word, places=True)
        assert not placed.requested()
        assert [each.name for each in placed.places] == ["bass"]
        assert parse_style(word.replace("bass", "lows"), places=True) == parse_style(word)


@pytest.mark.parametrize("name", ["guitars", "cymbals", "keys", "strings", "vocals", "voice"])
def test_no_instrument_steers_a_range_of_frequencies(name):
    for places in (False, True):
        style = parse_style(f"wide {name}", places=places)
        assert not style.requested()
        assert [each.name for each in style.places] == [name]


def test_the_text_of_a_style_with_places_is_that_style():
    style = parse_style("airy, narrow bass, lead=-2, other-1=half left wide", places=True)
    assert parse_style(str(style), places=True) == style


def test_names_of_stems_are_instruments():
    style = parse_style("wide mellotron", names=["Mellotron"])
    assert style.places[0].name == "mellotron"
    with pytest.raises(OptionError, match="no style 'wide mellotron'"):
        parse_style("wide mellotron")


def test_contradicting_places_are_refused():
    with pytest.raises(OptionError, match="contradict each other"):
        parse_style("wide drums, narrow drums")
