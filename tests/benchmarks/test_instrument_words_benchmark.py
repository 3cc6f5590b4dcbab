import importlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from sounds import tone
from soundstage.corpora.placed_mixes import place_sources
from soundstage.metrics.placement import source_energies, stereo_tiles
from soundstage.stereo import RATE

ROOT = Path(__file__).parents[2]
KINDS = ("drums", "object", "bass")


@pytest.fixture
def words(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("instrument_words")


def measured(words, pans, sides=(0.0, 0.0, 0.0)):
    pitches = (200.0, 1_000.0, 5_000.0)
    sources = torch.stack([tone(2 * RATE, hz=hz) for hz in pitches])
    stereo = place_sources(sources, pans)
    phases = [2 * math.pi * hz * torch.arange(2 * RATE) / RATE for hz in pitches]
    quarter = sources.abs().amax() * torch.stack(phases).cos()  # widens, but does not pan
    side = (torch.tensor(sides)[:, None] * quarter).sum(dim=0)
    tiles = stereo_tiles(stereo + torch.stack([side, -side]), source_energies(sources))
    return words.measure(tiles)


def test_places_and_widths_are_those_of_each_stem(words):
    found = measured(words, [6.0, 0.0, -3.0], [0.0, 0.1, 0.0])
    assert found.place == pytest.approx([6.0, 0.0, -3.0], abs=0.3)
    assert found.width[1] == pytest.approx(-20, abs=0.5)


def test_a_word_is_obeyed_that_moves_its_source_alone(words):
    without = measured(words, [0.0, 5.0, 0.0])
    moved = words.change(without, measured(words, [8.0, 5.0, 0.0]), KINDS, "drums", "left")
    assert moved.moved == pytest.approx(8, abs=0.1)
    assert moved.is_obeyed
    both = words.change(without, measured(words, [8.0, 3.0, 0.0]), KINDS, "drums", "left")
    assert both.others == pytest.approx(2, abs=0.1)
    assert not both.is_obeyed
    for pans in ([-8.0, 5.0, 0.0], [0.3, 5.0, 0.0]):
        wrong = words.change(without, measured(words, pans), KINDS, "drums", "left")
        assert not wrong.is_obeyed


def test_widths_are_obeyed_by_the_side(words):
    without = measured(words, [0.0, 5.0, 0.0], [0.1, 0.0, 0.0])
    wider = measured(words, [0.0, 5.0, 0.0], [0.2, 0.0, 0.0])
    assert words.change(without, wider, KINDS, "drums", "wide").moved == pytest.approx(6, abs=0.2)
    assert not words.change(without, wider, KINDS, "drums", "narrow").is_obeyed


def test_a_stem_without_tiles_is_no_song_of_the_word(words):
    values = np.array([math.nan, 1.0, 1.0])
    without = words.Measures(values, values)
    assert words.change(without, without, KINDS, "drums", "left") is None
    assert words.change(without, without, KINDS, "bass", "left").others == 0


def test_the_table_counts_the_songs_that_obey(words):
    good, bad = words.Change(3.0, 0.2), words.Change(3.0, 1.4)
    songs = {"a": {"drums left": good, "bass right": good}, "b": {"drums left": bad}}
    text = words.table(songs, "placed")
    assert "1 of 2 phrases" in text
    assert "| drums left | 2 | +3.0 | 0.8 | 50% |" in text
    assert "| bass right | 1 | -3.0 | 0.2 | 100% |" in text
