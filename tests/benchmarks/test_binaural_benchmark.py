"""The program behind the tables of moving sources in docs/binaural.md."""

import importlib
from pathlib import Path

import pytest

from soundstage.binaural import orbit
from soundstage.binaural.render import moving_source
from soundstage.binaural.render.convolvers import CrossfadeConvolver

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("binaural")


@pytest.mark.slow
def test_the_linear_crossfade_has_the_smallest_artifacts(script, monkeypatch) -> None:
    levels = {}
    for name, kind in script.FADES.items():
        monkeypatch.setattr(moving_source, "CrossfadeConvolver", kind)
        levels[name] = script.clicks(1000.0, orbit(4, 4))
    linear = levels.pop("linear crossfade (default)")
    assert linear < -85
    assert min(levels.values()) > linear + 30


def test_the_default_crossfade_is_restored_after_the_table(script, monkeypatch) -> None:
    monkeypatch.setattr(script, "clicks", lambda hertz, trajectory: -90.0)
    rows = list(script.cleanness())
    assert len(rows) == 1 + 1 + 2 * len(script.FADES)
    assert moving_source.CrossfadeConvolver is CrossfadeConvolver
