"""The script behind the tables of docs/binaural.md."""

import importlib
from pathlib import Path

import pytest

from soundstage.binaural import direct_sound, orbit
from soundstage.binaural.render.crossfade_convolver import FadingFilter

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("binaural")


def test_a_fade_of_amplitudes_is_the_cleanest(script, monkeypatch) -> None:
    found = {}
    for name, kind in script.FADES.items():
        monkeypatch.setattr(direct_sound, "FadingFilter", kind)
        found[name] = script.clicks(1000.0, orbit(4, 4))
    ours = found.pop("of amplitude (ours)")
    assert ours < -85
    assert min(found.values()) > ours + 30


def test_the_fade_is_put_back_after_the_table(script, monkeypatch) -> None:
    monkeypatch.setattr(script, "clicks", lambda hertz, way: -90.0)
    rows = list(script.cleanness())
    assert len(rows) == 1 + 1 + 2 * len(script.FADES)
    assert direct_sound.FadingFilter is FadingFilter
