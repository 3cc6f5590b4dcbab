"""The built-in library of sounds: its clips, takes, lengths and credits."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from soundstage.errors import OptionError
from soundstage.scene.sources.event_classifier import class_names
from soundstage.scene.sources.library import (
    BUILT_IN,
    CREDITS,
    Library,
    Recording,
    built_in_recordings,
    load,
)
from soundstage.scene.sources.source import SourceOptions

MAX_BYTES = 4_000_000


@pytest.fixture(scope="module")
def library() -> Library:
    return load("library", SourceOptions())


def digest(library: Library, text: str, seconds: float | None, seed: int) -> str:
    samples = library.sound(text, seconds=seconds, seed=seed).samples
    return hashlib.sha256(samples.tobytes()).hexdigest()


def test_about_150_credited_clips_of_all_classes_but_one_take_at_most_4_mb() -> None:
    recordings = built_in_recordings()
    labels = [label for recording in recordings for label in recording.labels]
    assert 140 <= len(recordings) <= 160
    assert set(class_names()) - set(labels) == {"frog"}  # no recording under CC0
    assert all(labels.count(label) == 3 for label in labels)
    for recording in recordings:
        assert recording.credit["license"] == "CC0"
        assert recording.credit["source"].startswith("http")
        assert recording.credit["artist"]
        assert recording.credit["title"]
    files = set(BUILT_IN.iterdir())
    assert files == {recording.path for recording in recordings} | {BUILT_IN / CREDITS}
    assert sum(path.stat().st_size for path in files) <= MAX_BYTES


@pytest.mark.parametrize("label", [name for name in class_names() if name != "frog"])
def test_every_class_has_three_different_takes_at_16_khz(library: Library, label: str) -> None:
    sounds = [library.sound(label, seconds=None, seed=seed) for seed in range(3)]
    assert len({sound.samples.tobytes() for sound in sounds}) == 3
    for sound in sounds:
        assert (sound.rate, sound.bandwidth) == (16_000, 8_000)
        assert sound.label == label.replace("_", " ")
        assert sound.samples.dtype == np.float32
        assert 0.1 < np.abs(sound.samples).max() <= 1
        assert 0.1 < sound.seconds <= 5.01


def test_the_same_seed_gives_the_same_bytes_and_later_rounds_vary(library: Library) -> None:
    assert digest(library, "puppy woofing", None, 1) == digest(library, "puppy woofing", None, 1)
    takes = {digest(library, "dog barking", None, seed) for seed in range(12)}
    assert len(takes) == 12
    assert digest(library, "dog barking", None, -1)
    assert digest(library, "dog barking", None, 2**70)


def test_a_texture_has_exactly_the_wanted_length(library: Library) -> None:
    assert library.sound("rain", seconds=None, seed=0).loopable
    for seconds in (0.5, 2.0, 17.3):
        sound = library.sound("rain", seconds=seconds, seed=0)
        assert len(sound.samples) == round(seconds * sound.rate)
        levels = np.square(sound.samples[: sound.rate // 4 * int(4 * seconds)])
        levels = 10 * np.log10(levels.reshape(-1, sound.rate // 4).mean(axis=1))
        assert np.ptp(levels) < 6  # no gap, no bump at a seam


def test_an_event_keeps_its_length_or_is_cut_around_its_loudest_part(library: Library) -> None:
    whole = library.sound("sneezing", seconds=None, seed=0)
    assert not whole.loopable
    assert library.sound("sneezing", seconds=30, seed=0).seconds == whole.seconds
    part = library.sound("sneezing", seconds=0.4, seed=0)
    assert len(part.samples) == 6_400
    assert np.square(part.samples).sum() > 0.5 * np.square(whole.samples).sum()
    assert abs(part.samples[-1]) < 1e-3 * np.abs(part.samples).max()


def test_equal_words_of_two_classes_do_not_mix_their_takes(library: Library) -> None:
    labels = {label for _, label in library.takes("clap of thunder")}
    assert labels == {"thunderstorm"}


def test_unknown_words_and_lengths_out_of_range_are_errors(library: Library) -> None:
    with pytest.raises(OptionError, match="The built-in library has no sound for 'violin'"):
        library.sound("violin", seconds=None, seed=0)
    for seconds in (0.0, -1.0, 601.0, float("nan")):
        with pytest.raises(OptionError, match="`seconds` must be"):
            library.sound("rain", seconds=seconds, seed=0)


def test_the_best_recordings_are_the_takes(tmp_path: Path) -> None:
    def recording(name: str, labels: dict[str, float]) -> Recording:
        return Recording(tmp_path / name, labels, name, {}, False, 1.0)

    library = Library(
        "library",
        "The library",
        [
            recording("a", {"gate slam": 1.0}),
            recording("b", {"metal gate slam": 1.0}),
            recording("c", {"slam dunk": 1.0}),
            recording("d", {"dog": 0.7}),  # by the tagger
            recording("e", {"dog": 1.0}),  # by its name
        ],
    )
    assert {taken.title for taken, _ in library.takes("gate slamming")} == {"a"}
    assert {taken.title for taken, _ in library.takes("dog")} == {"e"}
