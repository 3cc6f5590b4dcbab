import contextlib
import math
import string

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.errors import OptionError
from soundstage.stereo.descriptors import DESCRIPTORS
from soundstage.stereo.style_prior import STYLE_FEATURES, style_features
from soundstage.upmixing.generative.style import MUSIC, RANGES, WORDS, Style, parse_style


def in_range(name):
    return (
        st.floats(*RANGES[name])
        .map(lambda value: float(f"{value:g}"))
        .filter(lambda value: RANGES[name][0] <= value <= RANGES[name][1])
    )


STYLES = st.fixed_dictionaries({}, optional={name: in_range(name) for name in DESCRIPTORS}).map(
    lambda values: Style(**values)
)


def test_a_style_has_one_number_for_each_descriptor():
    assert tuple(Style.__dataclass_fields__) == DESCRIPTORS == tuple(RANGES) == tuple(MUSIC)


def test_nothing_is_asked_unless_it_is():
    assert Style().asked() == {}
    assert Style().numbers().isnan().all()
    assert parse_style("") == parse_style(" , ") == Style()


@given(STYLES)
def test_a_network_is_told_what_is_asked_in_its_order(style):
    told = style.numbers()
    assert told.shape == (len(STYLE_FEATURES),)
    assert told[len(DESCRIPTORS) :].isnan().all()
    for name, number, value in zip(
        DESCRIPTORS, told.tolist(), style_features(_of(style)).tolist(), strict=False
    ):
        assert math.isnan(number) == (name not in style.asked())
        assert math.isnan(number) or number == value


def _of(style):
    return torch.tensor([style.asked().get(name, 1.0) for name in DESCRIPTORS])


def test_the_middle_of_music_is_near_zero_to_a_network():
    middle = Style(**{name: values[len(values) // 2] for name, values in MUSIC.items()})
    assert middle.numbers()[: len(DESCRIPTORS)].abs().max() < 0.6


@given(STYLES)
def test_a_style_reads_back_what_it_prints(style):
    assert parse_style(str(style)) == style


@pytest.mark.parametrize("name", DESCRIPTORS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 99, -99, "1", True, [1.0]])
def test_what_is_out_of_range_or_no_number_is_refused_by_name(name, value):
    with pytest.raises(OptionError, match=name) as caught:
        Style(**{name: value})
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_the_whole_of_every_range_is_allowed(name):
    for value in RANGES[name]:
        assert Style(**{name: value}).asked() == {name: value}
    assert RANGES[name][0] <= MUSIC[name][0]
    assert MUSIC[name][-1] <= RANGES[name][1]


def test_the_percentiles_of_music_rise():
    for values in MUSIC.values():
        assert list(values) == sorted(set(values))


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_table_is_heard(word):
    asked = Style(**WORDS[word].values)
    assert asked.asked()
    for name in (word, *WORDS[word].also):
        for written in (name, name.upper(), name.replace(" ", "-"), f"  {name} ,"):
            assert parse_style(written) == asked, written


def test_no_word_stands_for_two_lines_of_the_table():
    names = [
        " ".join(sorted(name.split()))
        for word, line in WORDS.items()
        for name in (word, *line.also)
    ]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("voice centered", "Vocals Centered"),
        ("voice centered", "centered"),
        ("voice-centered", "voices centered"),
        ("wide highs", "wide treble"),
        ("wide mids", "wide guitars"),
        ("mono bass", "mono lows"),
        ("slightly left", "a bit left"),
        ("left", "to the left"),
        ("narrow bass", "The bass narrow"),
        ("wide, airy", "airy and wide"),
        ("wide, airy", "airy; wide"),
        ("width-high=1.2", "WIDTH_HIGH = 1.20"),
        ("balance=-2", "balance=−2"),
    ],
)
def test_spelling_and_order_make_no_difference(one, other):
    assert parse_style(one) == parse_style(other)


def test_words_and_numbers_add_up():
    style = parse_style("wide, narrow bass, voice centered, balance=-1.5")
    assert style == Style(width=1.91, width_low=0.3, offset=0.19, balance=-1.5)


def test_words_go_the_way_they_say():
    def asked(text):
        (value,) = parse_style(text).asked().values()
        return value

    widths = ["very narrow", "narrow", "slightly narrow", "natural", "slightly wide", "wide"]
    values = [asked(word) for word in [*widths, "very wide"]]
    assert values == sorted(set(values))
    for region in ("bass", "mids", "highs"):
        assert asked(f"narrow {region}") < asked(f"wide {region}")
    assert asked("mono bass") < asked("narrow bass")
    assert asked("voice centered") < asked("spread out")
    assert asked("dry") < asked("diffuse")
    assert asked("left") > asked("slightly left") > 0 == asked("balanced")
    assert asked("slightly right") == -asked("slightly left")
    assert asked("right") == -asked("left")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("wide, narrow", ("'wide'", "'narrow'")),
        ("left and slightly right", ("'left'", "'slightly right'")),
        ("Mono-Bass, wide bass", ("'Mono-Bass'", "'wide bass'")),
        ("diffuse, intimate", ("'diffuse'", "'intimate'")),
        ("airy, width_high=0.5", ("'airy'", "'width_high=0.5'")),
        ("width=1, dry, width=2", ("'width=1'", "'width=2'")),
    ],
)
def test_contradictions_are_refused_by_both_names(text, parts):
    with pytest.raises(OptionError, match="two things at once") as caught:
        parse_style(text)
    assert all(part in str(caught.value) for part in parts)


def test_saying_a_thing_twice_is_no_contradiction():
    assert parse_style("narrow, intimate, narrow") == parse_style("intimate")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wyde", "'wide'"),
        ("voice center", "'voice centered'"),
        ("intimat", "'intimate'"),
        ("narow bass", "'narrow bass'"),
        ("purple elephants", r"docs/style\.md"),
        ("width", "wants a number"),
        ("width high", "wants a number"),
        ("widht=1", "no number 'widht', only width, "),
        ("pitch=1", "balance, diff"),
        ("width=loud", "no number"),
        ("width=", "no number"),
        ("width=nan", "goes from 0.1 to 3"),
        ("balance=-9", "goes from -6 to 6"),
    ],
)
def test_what_is_not_understood_is_refused_with_what_is_near(text, expected):
    with pytest.raises(OptionError, match=expected) as caught:
        parse_style(f"airy, {text}")
    assert str(caught.value).endswith(".")


@given(st.text(string.printable, max_size=30))
def test_any_text_is_a_style_or_an_error_of_ours(text):
    with contextlib.suppress(OptionError):
        assert isinstance(parse_style(text), Style)
