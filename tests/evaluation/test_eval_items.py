"""Stems of a clip: what they are, which one leads, and how they are mixed."""

from pathlib import Path

import pytest
import torch

from sounds import RATE, decibels, noise, tone
from soundstage.audio import Audio
from soundstage.corpora import Clip, open_corpus
from soundstage.evaluation.eval_items import find_lead, load_eval_item, stem_kinds
from soundstage.metrics.placement import measure_places, stereo_tiles
from soundstage.stereo import to_mid_side


def clip(*names: str, kinds: tuple[str, ...] = ()) -> Clip:
    return Clip("Song", None, tuple(Path(f"{name}.wav") for name in names), kinds)


@pytest.mark.parametrize(
    ("names", "lead"),
    [
        (("band--song--bass", "band--song--vocals-backing", "band--song--vocals-lead"), 2),
        (("drums", "bass", "other", "vocals"), 3),
        (("vocals", "lead vocals"), 1),
        (("vocals-backing", "drums"), None),
        (("lead guitar", "drums"), None),
        ((), None),
    ],
)
def test_the_lead_is_found_by_its_name(names: tuple[str, ...], lead: int | None) -> None:
    assert find_lead(clip(*names)) == lead


def test_a_manifest_says_what_a_stem_is() -> None:
    of = clip("01-lead", "02-sax", kinds=("object", "lead"))
    assert stem_kinds(of) == ("object", "lead")
    assert find_lead(of) == 1
    assert stem_kinds(clip("01-lead", "02-sax")) == ("lead", "object")


@pytest.fixture
def stems(tmp_path: Path) -> Path:
    """Stems of one song, three of them named by the manifest only."""
    second = torch.arange(4 * RATE) // RATE
    sounds = {
        "a": ("lead", tone(4 * RATE, hz=700.0) * (second < 2)),
        "b": ("object", noise(4 * RATE, level=0.05) * (second >= 2)),
        "c": ("bass", tone(4 * RATE, hz=70.0)),
    }
    rows = ["file,song,stem,kind"]
    for name, (kind, sound) in sounds.items():
        Audio(sound.numpy(), RATE).write(tmp_path / f"{name}.wav", bit_depth="float")
        rows.append(f"{name}.wav,Song,{name},{kind}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    return tmp_path


def test_stems_are_mixed_with_the_lead_in_the_center_and_an_exact_mid(stems: Path) -> None:
    (found,) = open_corpus(stems).clips
    assert found.kinds == ("lead", "object", "bass")
    item = load_eval_item(found, 0)
    assert item.truth is not None
    assert item.energies is not None
    sounds = sum(torch.tensor(Audio.read(path).samples[0]) for path in found.stems)
    assert decibels(item.mono - sounds, sounds) < -130
    assert decibels(to_mid_side(*item.truth)[0] - item.mono, item.mono) < -130
    places = measure_places(stereo_tiles(item.truth, item.energies), item.lead)
    assert places.sources == pytest.approx([0, 9, 0], abs=0.7)
    assert places.lead_center == pytest.approx(-23, abs=2)


def test_a_manifest_that_leaves_a_kind_out_names_none(stems: Path) -> None:
    text = (stems / "manifest.csv").read_text().replace(",bass", ",")
    (stems / "manifest.csv").write_text(text)
    (found,) = open_corpus(stems).clips
    assert found.kinds == ()
