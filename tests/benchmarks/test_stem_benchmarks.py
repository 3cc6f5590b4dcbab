"""The programs behind the tables of places and of separation, on sound made here."""

import importlib
import math
from pathlib import Path

import pytest
import torch

from sounds import RATE, drums, noise, tone
from soundstage.audio import Audio
from soundstage.corpora import open_corpus
from soundstage.evaluation.eval_items import load_eval_item
from soundstage.metrics.fidelity import EXACT_DB
from soundstage.separation.registry import load_separator
from soundstage.stereo import to_mid_side

ROOT = Path(__file__).parents[2]
SECONDS = 4


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """One song of a lead, drums and two instruments."""
    length = SECONDS * RATE
    stems = {
        "lead": tone(length, hz=880.0),
        "drums": drums(length),
        "low": tone(length, hz=220.0),
        "hiss": noise(length, level=0.02).diff(prepend=torch.zeros(1)),
    }
    rows = ["file,song,stem"]
    for name, sound in stems.items():
        Audio(sound.numpy(), RATE).write(tmp_path / f"{name}.wav", bit_depth="float")
        rows.append(f"{name}.wav,Song,{name}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    return tmp_path


def test_places_are_measured_beside_those_of_the_truth(script, songs):
    places = script("places")
    item = load_eval_item(open_corpus(songs).clips[0], 0)

    def mirrored(of, seed):
        mid, side = to_mid_side(*of.truth)
        return torch.stack([mid - side, mid + side]) * (1 + seed)

    def mono(of, _):
        return torch.stack([of.mono, of.mono])

    systems = {places.TRUTH: places.true_stereo, "mirrored": mirrored, "mono": mono}
    rows = places.measure_song(item, systems, 2)
    truth = rows[places.TRUTH]
    assert rows["mirrored"] == pytest.approx(truth, rel=1e-3)
    assert truth["ratio"] == 1
    assert truth["contrast"] > 0.9
    assert truth["spread"] > 2.5
    assert (rows["mono"]["contrast"], rows["mono"]["width"]) == (0, 0)
    text = places.section(songs, {"Song": rows}, 0, 2)
    assert "1 song, all of each, the mean of 2 takes" in text
    line = next(line for line in text.splitlines() if line.startswith(f"| {places.TRUTH} |"))
    assert line.count("✓") == 5
    assert "| mono | 0.00 | 0.00 |" in text


def test_a_song_without_a_lead_has_a_dash(script, songs):
    places = script("places")
    row = dict.fromkeys(places.COLUMNS, 0.0) | {"lead": math.nan}
    assert "| system | 0.00 | 0.00 | 0.00 ✓ | – | 0.00 | 0.00 |" in places.section(
        songs, {"Song": {"system": row}}, 30, 1
    )


def test_filters_and_methods_are_systems(script, songs):
    places = script("places")
    item = load_eval_item(open_corpus(songs).clips[0], 1)
    for name in ("ffmpeg-haas", "decorrelate"):
        assert places.find_system(name)(item, 0).shape == (2, RATE)


def test_stems_are_grouped_by_kind(script):
    separation = script("separation")
    signals = torch.arange(1.0, 6.0)[:, None]
    sums = separation.grouped(["lead", "voice", "drums", "object", "residual"], signals)
    assert {name: value.item() for name, value in sums.items()} == {
        "lead": 3,
        "drums": 3,
        "rest": 9,
        "accompaniment": 12,
    }


def test_a_separator_is_measured_on_what_it_tells_apart(script, songs):
    separation = script("separation")
    mixture, stems = separation.read_song(open_corpus(songs).clips[0], 0)
    assert set(stems) == {"lead", "drums", "rest", "accompaniment"}
    found = separation.measure(load_separator("hpss"), {"drums", "residual"}, mixture, stems)
    by_name = dict(zip(separation.NAMES, found, strict=False))
    assert [name for name, value in by_name.items() if not math.isnan(value)] == ["drums"]
    mixed = separation.compare(dict.fromkeys(stems, mixture), stems)
    assert by_name["drums"] > mixed[separation.NAMES.index("drums")] + 3
    *_, error, factor = found
    assert error < -140
    assert factor > 0
    table = separation.table({"mixture": [[*mixed, math.nan, math.nan]], "hpss": [found]})
    assert "| hpss | – | " in table


def test_perfect_sources_reach_the_end_of_the_scale_and_a_missing_one_has_0(script, songs):
    separation = script("separation")
    _, stems = separation.read_song(open_corpus(songs).clips[0], 0)
    estimates = {**stems, "drums": torch.zeros_like(stems["drums"])}
    found = dict(zip(separation.NAMES, separation.compare(estimates, stems), strict=False))
    assert (found["lead"], found["drums"]) == (EXACT_DB, 0)
    assert math.isnan(found["bass"])
