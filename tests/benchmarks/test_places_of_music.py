import importlib
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sounds import noise, tone
from soundstage.separation import place_prior, registry
from soundstage.separation.place_prior import MOST_DB, OFF_CENTER_DB, drawn_amount, stored_table
from soundstage.separation.separator import SourceInfo
from soundstage.separation.stage_balance import pan_gain
from soundstage.stereo.encoding import RATE, TRANSFORM

ROOT = Path(__file__).parents[2]
LENGTH = 2 * RATE


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("places_of_music")


def placed(signal, pan_db, diffuse=0.0, seed=9):
    side = pan_gain(pan_db) * signal + diffuse * noise(len(signal), seed=seed)
    return torch.stack([signal + side, signal - side])


def measured(benchmark, sounds, kinds):
    left, right = TRANSFORM.analyze(torch.stack(sounds).sum(dim=0))
    power = torch.stack([TRANSFORM.analyze(each.mean(dim=0)).abs().square() for each in sounds])
    owned = power > benchmark.OWNED * power.sum(dim=0)
    return benchmark.measure_owned(kinds, owned, left, right)


def test_known_places_are_measured(benchmark):
    low, high = tone(LENGTH, hz=500.0), tone(LENGTH, hz=4_000.0)
    found = measured(benchmark, [placed(low, 6.0), placed(high, -9.0)], ["voice", "object"])
    assert [each.kind for each in found] == ["voice", "object"]
    assert [each.pan_db for each in found] == pytest.approx([6.0, -9.0], abs=0.1)


def test_a_place_is_that_of_its_segment_and_band(benchmark):
    burst = (torch.arange(4 * LENGTH) < 3 * LENGTH).float()  # 6 s of 8
    first, second = noise(4 * LENGTH, seed=1) * burst, noise(4 * LENGTH, seed=2) * (1 - burst)
    found = measured(benchmark, [placed(first, 8.0), placed(second, -4.0)], ["voice", "object"])
    early = [each.pan_db for each in found if each.kind == "voice"]
    late = [each.pan_db for each in found if each.kind == "object"]
    assert min(len(early), len(late)) > 1
    assert early == pytest.approx([8.0] * len(early), abs=0.3)
    assert late == pytest.approx([-4.0] * len(late), abs=0.3)


def test_a_diffuse_source_is_more_diffuse_than_the_whole(benchmark):
    burst = (torch.arange(LENGTH) // (RATE // 4) % 2).float()
    dry = placed(noise(LENGTH, seed=1) * burst, 3.0)
    wide = torch.stack([noise(LENGTH, seed=2), noise(LENGTH, seed=3)]) * (1 - burst)
    found = measured(benchmark, [dry, wide], ["voice", "object"])
    by_kind = {kind: [each for each in found if each.kind == kind] for kind in ("voice", "object")}
    assert max(each.diffuseness for each in by_kind["voice"]) < 0.5
    assert min(each.diffuseness for each in by_kind["object"]) > 1
    assert all(abs(each.pan_db) < 1 for each in by_kind["object"])


def test_the_balance_is_that_of_the_whole_and_of_the_worst_band(benchmark):
    sound = placed(tone(LENGTH, hz=500.0), 2.0) + placed(tone(LENGTH, hz=5_000.0), -3.0)
    whole, worst = benchmark.balance(sound.numpy())
    assert worst == pytest.approx(3.0, abs=0.05)
    assert whole == pytest.approx(0.5, abs=0.1)


def test_faint_sources_are_left_out(benchmark):
    sounds = [placed(tone(LENGTH, hz=500.0), 3.0), placed(0.01 * tone(LENGTH, hz=4_000.0), -3.0)]
    assert [each.kind for each in measured(benchmark, sounds, ["lead", "object"])] == ["lead"]


def test_the_summary_counts_what_is_off_the_center(benchmark):
    centered = [benchmark.Measured("lead", 0.1, 0.4)] * benchmark.LEAST
    outer = [benchmark.Measured("object", (-1) ** k * 8.0, 1.2) for k in range(benchmark.LEAST)]
    rare = [benchmark.Measured("voice", 5.0, 1.0)]
    found = benchmark.summary([*centered, *outer, *rare])
    assert found.keys() == {"lead", "object"}
    assert (found["lead"]["off_center"], found["lead"]["off_center_db"]) == (0, None)
    assert found["object"]["off_center"] == 1
    assert set(found["object"]["off_center_db"]) == {8.0}
    assert set(found["object"]["diffuseness"]) == {1.2}


def test_the_page_has_the_tables_of_the_code(benchmark):
    page = (ROOT / "docs" / "placement.md").read_text(encoding="utf-8")
    fill = importlib.import_module("pages").fill
    tables = benchmark.tables(stored_table())
    assert all(f"<!-- made: {name} -->" in page for name in tables)
    assert fill(page, tables) == page, "benchmarks/places_of_music.py --table"


def test_the_command_measures_and_writes(benchmark, tmp_path, monkeypatch, capsys):
    class Halves:
        """Splits a spectrogram at 2 kHz."""

        rate = RATE
        sources = (SourceInfo("low", "object"), SourceInfo("rest", "residual"))

        def mask_stream(self):
            return self

        def push(self, spectrogram):
            is_low = torch.zeros(spectrogram.shape)
            is_low[: round(2_000 / RATE * TRANSFORM.frame)] = 1
            return torch.stack([is_low, 1 - is_low])

        def finish(self):
            return torch.zeros(2, TRANSFORM.bins, 0)

    music = tmp_path / "music"
    music.mkdir()
    for k in range(3):
        sound = placed(tone(LENGTH, hz=500.0), 6.0) + placed(tone(LENGTH, hz=5_000.0), -8.0)
        soundfile.write(music / f"{k}.wav", 0.2 * sound.T.numpy(), RATE)
    page = tmp_path / "placement.md"
    page.write_text("<!-- made: music -->\n<!-- end: music -->\n", encoding="utf-8")
    monkeypatch.setattr(benchmark, "load_separator", lambda *_, **__: Halves())
    monkeypatch.setattr(benchmark, "PAGE", page)
    monkeypatch.setattr(benchmark, "STORED", tmp_path / "places.json")
    monkeypatch.setattr(benchmark, "LEAST", 3)
    monkeypatch.setattr(benchmark, "LEAST_OUTER", 3)
    monkeypatch.setattr(sys, "argv", ["places", "--data", str(music), "--write"])
    benchmark.main()
    content = json.loads((tmp_path / "places.json").read_text(encoding="utf-8"))
    assert content["recordings"] == 3
    assert content["worst_band_db"] == pytest.approx([8.0] * 7, abs=0.1)
    assert content["kinds"]["object"]["pan_db"] == pytest.approx([6.0] * 7, abs=0.1)
    assert "3 recordings" in page.read_text(encoding="utf-8")
    assert content["kinds"]["residual"]["pan_db"] == pytest.approx([8.0] * 7, abs=0.1)
    assert "0: 2 places" in capsys.readouterr().out


def test_amounts_are_drawn_from_the_stored_places():
    kinds = stored_table()["kinds"]
    assert stored_table()["separator"] in registry.SEPARATORS
    for kind in ("object", "voice"):
        drawn = [drawn_amount(kind, share) for share in np.linspace(0, 1, 21)]
        assert drawn == sorted(drawn)
        assert OFF_CENTER_DB <= drawn[0] < drawn[-1] <= MOST_DB
    values = dict(zip(place_prior.PERCENTILES, kinds["object"]["off_center_db"], strict=True))
    assert drawn_amount("object", 0.5) == pytest.approx(MOST_DB * values[50] / values[95])
    assert all(math.isfinite(value) for row in kinds.values() for value in row["diffuseness"])
