import os

import pytest

from soundstage.audio.name_templates import MAX_NAME, file_names
from soundstage.errors import OptionError


def test_fields_are_filled_and_numbers_have_a_width():
    fields = [{"method": "nearest", "seed": 7, "take": take} for take in (1, 12)]
    names = file_names("{{x}} {stem}-{method}-{seed}-{take:02}{ext}", fields=fields)
    assert names("a", ".flac") == ("{x} a-nearest-7-01.flac", "{x} a-nearest-7-12.flac")


def test_the_suffix_is_that_of_the_source_where_it_can_be_written():
    names = file_names("{stem}{ext}")
    assert names("a", ".WAV") == ("a.WAV",)
    for suffix in (".aac", ".avi", ".mp2", ""):
        assert names("a", suffix) == ("a.wav",)
    for suffix in ("ogg", ".ogg"):
        assert file_names("{stem}{ext}", suffix)("a", ".wav") == ("a.ogg",)
    with pytest.raises(OptionError, match="cannot be written"):
        file_names("{stem}{ext}", "xyz")


@pytest.mark.parametrize(
    "template",
    [
        "{name}{ext}",
        "{stem",
        "{stem.x}{ext}",
        "{stem.__class__}",
        "{stem[0]}",
        "{0}",
        "{}",
        "{stem!r}",
        "{stem!z}",
        "{stem:300}",
        "{stem:{seed.foo}}",
        "{stem:{seed}}",
        "{seed:c}",
        "{seed:999999999}",
        "{take:,}",
        "{ext:>9}",
        "a/{stem}{ext}",
        "a\0{stem}",
        "..",
        "",
    ],
)
def test_other_templates_are_one_sentence(template):
    with pytest.raises(OptionError) as caught:
        file_names(template, fields=[{"seed": 1, "take": 1, "method": "comb"}])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("stem", ["a" * 251, "ä" * 125, "日" * 83, os.fsdecode(b"\xff" * 250)])
def test_a_name_that_is_too_long_is_cut_and_stays_its_own(stem):
    names = file_names("{stem}-stereo{ext}")
    (name,) = names(stem, ".wav")
    assert MAX_NAME - 3 <= len(os.fsencode(name)) <= MAX_NAME
    assert name.endswith("-stereo.wav")
    assert names(stem, ".wav") == (name,)
    assert names(stem[:-1] + "b", ".wav") != (name,)
    if stem.isprintable():
        assert name.isprintable()  # no character is cut in two
