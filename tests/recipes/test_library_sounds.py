"""The choice of the built-in library's clips, on events made here."""

import csv
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundstage.scene.sources.event_classifier import class_names

ROOT = Path(__file__).parents[2]
RATE = 16_000


@pytest.fixture(scope="module")
def recipe():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "recipes"))
        yield importlib.import_module("library_sounds")


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE)).astype("f4")


def candidate(recipe, name: str, fold: int, sound: np.ndarray, probability: float = 0.9):
    credit = {"source": name, "title": name}
    clip = recipe.EventClip(Path(name), fold, "rain", "CC0", credit)
    probabilities = np.full(len(class_names()), (1 - probability) / 49)
    probabilities[class_names().index("rain")] = probability
    return recipe.Candidate(clip, sound, probabilities, recipe.band_levels(sound), 1.0)


def test_a_repetition_after_a_gap_of_silence_is_cut(recipe) -> None:
    sound = np.concatenate([noise(1.0), np.zeros(2 * RATE, "f4"), noise(0.3)])
    assert len(recipe.main_part(sound)) == pytest.approx(RATE, abs=400)
    pause = np.concatenate([noise(1.0), np.zeros(RATE // 5, "f4"), noise(0.3)])
    assert len(recipe.main_part(pause)) == pytest.approx(1.5 * RATE, abs=400)


def test_a_steady_texture_and_a_clean_event_have_more_merit(recipe) -> None:
    steady = noise(5)
    bursts = steady * (np.arange(len(steady)) // 4000 % 4 == 0)
    assert recipe.merit(steady, True) > recipe.merit(bursts, True)
    assert recipe.merit(bursts, False) > recipe.merit(steady, False)
    clipped = np.clip(20 * bursts, -0.3, 0.3)
    assert recipe.merit(clipped, False) < recipe.merit(bursts, False)


def test_other_recordings_and_training_folds_come_first(recipe) -> None:
    candidates = [
        candidate(recipe, "a", 1, noise(2, 0)),
        candidate(recipe, "a", 1, noise(2, 1), 0.99),
        candidate(recipe, "b", 4, noise(2, 2), 0.99),
        candidate(recipe, "c", 2, noise(2, 3), 0.6),
        candidate(recipe, "d", 3, noise(2, 4), 0.01),  # of another class, by the tagger
    ]
    taken = recipe.chosen(candidates, 3)
    assert [each.recording for each in taken[:2]] == ["a", "c"]
    assert taken[2].recording == "b"
    assert "d" not in {each.recording for each in recipe.chosen(candidates, 5)}


def test_the_recipe_writes_clips_and_credits(
    recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, output = tmp_path / "events", tmp_path / "sounds"
    events.mkdir()
    with (events / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "fold", "class", "clip_license", "clip_author", "clip_title"])
        for number, license_name in enumerate(["CC0", "CC0", "CC-BY"]):
            soundfile.write(events / f"{number}.wav", noise(3, number), RATE)
            table.writerow([f"{number}.wav", 1, "rain", license_name, "A. Author", f"T{number}"])
    truth = np.eye(len(class_names()))[[class_names().index("rain")]]
    monkeypatch.setattr(recipe, "class_probabilities", lambda windows: truth)
    monkeypatch.setattr(sys, "argv", ["library_sounds", str(events), "--output", str(output)])
    recipe.main()
    sounds = json.loads((output / "credits.json").read_text())["sounds"]
    assert [sound["title"] for sound in sounds] in (["T0", "T1"], ["T1", "T0"])
    assert sounds[0]["artist"] == "A. Author"
    assert sounds[0]["loopable"]
    decoded, rate = soundfile.read(output / sounds[0]["file"])
    assert rate == RATE
    assert np.abs(decoded).max() == pytest.approx(recipe.PEAK, abs=0.15)
