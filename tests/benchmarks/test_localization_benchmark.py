"""The program behind the tables of the localizer in docs/metrics.md."""

import importlib
from pathlib import Path

import pytest
import torch

from network_checks import noise
from soundstage.corpora.events import EventClip
from soundstage.metrics.interaural import interaural_time_difference

ROOT = Path(__file__).parents[2]
RATE = 16_000


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("localization")


def found(script, label, estimated):
    clip = EventClip(Path("a.wav"), 4, label, "CC0", {})
    return script.Found(clip, torch.tensor([30.0, 120.0]), torch.tensor(estimated))


def test_renderer_and_responses_agree_on_the_direction(script):
    sound = noise(RATE // 2)
    rendered = script.by_renderer(sound, [90, 270, 30])
    convolved = script.by_responses("kemar")(sound, [90, 270, 30])
    assert rendered.shape[:2] == convolved.shape[:2] == (3, 2)
    for one, other in zip(rendered, convolved, strict=True):
        delays = [interaural_time_difference(each, RATE).median() for each in (one, other)]
        assert delays[0].item() == pytest.approx(delays[1].item(), abs=25)  # µs


def test_a_head_has_its_row(script):
    results = {"mine": [found(script, "dog", [30.0, 60.0]), found(script, "cat", [30.0, 120.0])]}
    row = script.heads_table(results).splitlines()[-1]
    assert row == "| mine | 75.0 | 15.0 | 25.0 | 0.0 | 4 |"


def test_events_are_sorted_by_their_errors(script):
    results = [
        found(script, "dog", [30.0, 120.0]),
        found(script, "mouse_click", [150.0, 60.0]),
        found(script, "cat", [30.0, 60.0]),
    ]
    rows = script.events_table(results).splitlines()[2:]
    assert rows == ["| mouse click | 100.0 | 67 |", "| cat | 50.0 | 33 |", "| dog | 0.0 | 0 |"]
