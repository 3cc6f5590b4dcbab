"""Words about instruments reach only a method that can tell these instruments apart."""

import numpy as np
import pytest
import soundfile

from soundstage.errors import OptionError
from soundstage.upmixing import registry
from soundstage.upmixing.generative.style import Style, parse_style
from soundstage.upmixing.registry import METHODS, Method, check_method
from soundstage.upmixing.stage_options import StageOptions


@pytest.fixture(autouse=True)
def stage_methods(monkeypatch):
    """One method that takes a style and places sources, and one that only places them."""
    for name, takes_style in (("staged", True), ("split", False)):
        method = Method(
            name,
            "",
            "",
            weights="masked",
            module="masked",
            takes_style=takes_style,
            separator="stems",
            takes_separator=True,
        )
        monkeypatch.setitem(registry._BUILT_IN, name, method)


@pytest.mark.parametrize("method", ["masked", "autoregressive", "diffusion"])
@pytest.mark.parametrize("style", ["voice centered", "wide guitars", "airy, narrow cymbals"])
def test_methods_that_separate_nothing_refuse_instruments(method, style):
    with pytest.raises(OptionError) as caught:
        check_method(method, style=style)
    message = str(caught.value)
    assert message.startswith(f"{method} tells no instruments apart, so a style cannot place")
    assert "staged" in message
    with pytest.raises(OptionError):
        check_method(method, style=parse_style(style))


def test_methods_that_separate_nothing_keep_the_words_of_ranges():
    assert check_method("masked", style="narrow bass, wide highs") == Style(
        width_low=0.3, width_high=1.62
    )


def test_a_method_that_places_sources_gets_them_as_requests():
    style = check_method("staged", style="airy, voice centered, narrow bass")
    assert style.requested().keys() == {"width_high", "diffuseness"}
    assert [each.name for each in style.places] == ["voice", "bass"]


@pytest.mark.parametrize("style", ["wide guitars", "voice centered, wide guitars", "keys=left"])
def test_it_refuses_what_its_separator_cannot_tell_apart(style):
    with pytest.raises(OptionError, match=r"stems does not tell '(guitars|keys)' apart"):
        check_method("staged", style=style)


def test_the_separator_decides():
    stage = StageOptions(separator="spleeter")
    assert check_method("staged", style="lead wide", stage=stage)
    with pytest.raises(OptionError, match="spleeter does not tell 'drums' apart"):
        check_method("staged", style="drums wide", stage=stage)


def test_places_are_checked_the_same_way():
    check_method("split", stage=StageOptions(place="lead=0, other=wide, other-2=left"))
    with pytest.raises(OptionError, match="stems does not tell 'guitar' apart"):
        check_method("split", stage=StageOptions(place="guitar=left, keys=right"))
    with pytest.raises(OptionError, match="no place 'sideways'"):
        StageOptions(place="lead=sideways")


def test_stems_of_ones_own_can_be_named(tmp_path):
    for name in ("guitar", "keys"):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(100), 8_000)
    stage = StageOptions(place="guitar=left, keys=right", stems=tmp_path)
    check_method("split", stage=stage)
    assert check_method("staged", style="wide guitars", stage=stage).places
    with pytest.raises(OptionError, match=r"'piano' apart.* other-1, other-2, ..., guitar, keys"):
        check_method("split", stage=StageOptions(place="piano=left", stems=tmp_path))


def test_a_method_without_styles_takes_words_about_instruments_alone():
    assert check_method("split", style="voice centered").places
    with pytest.raises(OptionError, match="split takes no style"):
        check_method("split", style="voice centered, airy")
    with pytest.raises(OptionError, match="decorrelate tells no instruments apart"):
        check_method("decorrelate", style="voice centered")


def test_every_separator_of_the_table_is_known():
    for method in METHODS.values():
        if method.places_sources:
            check_method(method.name, stage=StageOptions())
