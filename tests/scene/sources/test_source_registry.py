"""The table of sources: names, places, and the fallback of `auto`."""

from importlib.util import find_spec

import numpy as np
import pytest

from soundstage.errors import InputError, OptionError, WeightsError
from soundstage.scene.sources import registry
from soundstage.scene.sources.registry import SOURCES, AutoSource, check_source, load_source
from soundstage.scene.sources.source import DrySound, SourceOptions


class Named:
    """A source that has sounds for one word."""

    def __init__(self, name: str, word: str) -> None:
        self.name, self.word = name, word

    def sound(self, text: str, *, seconds: float | None, seed: int) -> DrySound:
        if text != self.word:
            raise OptionError(f"The source {self.name} has no sound for {text!r}.")
        return DrySound(np.ones(8_000, "f4"), 16_000, title=f"{self.name} of {text}")


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand-ins for the sources of `auto`; the names of those that were loaded."""
    names: list[str] = []
    words = {"library": "dog", "library=mine": "gate", "mono": "frog"}

    def load(source: str, options: SourceOptions) -> Named:
        names.append(source)
        if source == "mono" and options.weights == "missing":
            raise WeightsError("There are no weights.")
        return Named(source, words[source])

    monkeypatch.setattr(registry, "load_source", load)
    return names


def test_every_source_of_the_table_has_a_module_with_load() -> None:
    for entry in SOURCES.values():
        assert find_spec(f"soundstage.scene.sources.{entry.module}"), entry.name
        assert entry.kind in ("dry", "binaural")


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("piano", "There is no source 'piano': choose one of auto, library"),
        ("", "There is no source ''"),
        ("dualspec=folder", "dualspec reads no folder"),
        ("library=", "is followed by no folder"),
        ("diffusers", "requires the folder of a model"),
    ],
)
def test_unknown_sources_and_missing_places_are_errors(source: str, match: str) -> None:
    with pytest.raises(OptionError, match=match):
        check_source(source)


def test_a_name_may_have_a_place_with_an_equals_sign() -> None:
    assert check_source("library") == (SOURCES["library"], None)
    assert check_source("library=a=b/c") == (SOURCES["library"], "a=b/c")


def test_auto_takes_the_library_and_loads_nothing_else(loaded: list[str]) -> None:
    messages: list[str] = []
    auto = AutoSource(SourceOptions(log=messages.append))
    assert auto.sound("dog", seconds=None, seed=0).title == "library of dog"
    assert loaded == ["library"]
    assert messages == []


def test_a_fallback_of_auto_is_announced(loaded: list[str]) -> None:
    messages: list[str] = []
    auto = AutoSource(SourceOptions(place="mine", log=messages.append))
    assert auto.sound("gate", seconds=None, seed=0).title == "library=mine of gate"
    assert messages == []
    assert auto.sound("frog", seconds=None, seed=0).title == "mono of frog"
    assert messages == [
        "'frog' is not in your library or the built-in library: the source mono is used."
    ]
    assert loaded == ["library=mine", "library", "mono"]


def test_auto_reports_the_first_reason_if_no_source_has_a_sound(loaded: list[str]) -> None:
    auto = AutoSource(SourceOptions(weights="missing"))
    for _ in range(2):
        with pytest.raises(OptionError, match="The source library has no sound for 'violin'"):
            auto.sound("violin", seconds=None, seed=0)


def test_a_folder_that_cannot_be_read_is_an_error_at_once() -> None:
    with pytest.raises(InputError, match="is not a folder"):
        load_source("auto", SourceOptions(place="missing folder"))
