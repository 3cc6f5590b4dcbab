"""Folders of the user's sounds: found by names, folders, tags and classes, indexed once."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundstage.errors import InputError
from soundstage.scene.sources import library_index
from soundstage.scene.sources.library import BUILT_IN, LOUDEST, Library, load
from soundstage.scene.sources.library_index import (
    MAX_WINDOWS,
    analyze_file,
    folder_recordings,
    index_path,
)
from soundstage.scene.sources.source import SourceOptions

RATE = 16_000


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    noise = 0.1 * np.random.default_rng(0).standard_normal((4 * RATE, 2))
    (tmp_path / "doors").mkdir()
    soundfile.write(tmp_path / "doors" / "01.wav", noise, RATE)
    soundfile.write(tmp_path / "Metal Gate-slam.flac", noise, RATE)
    with soundfile.SoundFile(tmp_path / "REC0003.flac", "w", RATE, 2) as file:
        file.title, file.artist, file.comment = "Violin phrase", "A. Player", "a violin in a hall"
        file.write(noise[:RATE])
    clip = (BUILT_IN / "rain-1.ogg").read_bytes()
    (tmp_path / "REC0004.ogg").write_bytes(clip)
    (tmp_path / "broken.wav").write_bytes(b"RIFF no sound")
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE), RATE)
    return tmp_path


def titles(library: Library, text: str) -> set[str]:
    return {recording.title for recording, _ in library.takes(text)}


def test_files_are_found_by_name_folder_tag_and_class(folder: Path) -> None:
    messages: list[str] = []
    library = load("library", SourceOptions(place=str(folder), log=messages.append))
    assert titles(library, "gate slamming") == {"Metal Gate-slam.flac"}
    assert titles(library, "doors") == {str(Path("doors/01.wav"))}
    assert titles(library, "violin") == {"REC0003.flac"}
    assert "REC0004.ogg" in titles(library, "downpour")  # by the tagger
    (message,) = messages
    assert "broken.wav" in message
    assert "silence.wav (it is silent)" in message
    violin = library.sound("violin", seconds=None, seed=0)
    assert violin.credit == {"title": "Violin phrase", "artist": "A. Player"}
    assert violin.samples.ndim == 1
    gate = library.sound("gate slam", seconds=9.5, seed=0)  # a steady noise, so it is continued
    assert gate.loopable
    assert gate.seconds == 9.5


def test_an_index_is_made_once_and_only_changed_files_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress: list[tuple[int, int]] = []
    first = folder_recordings(folder, log=lambda _: None, progress=lambda *n: progress.append(n))
    assert progress[-1] == (6, 6)
    analyzed: list[str] = []
    real = library_index.analyze_file
    monkeypatch.setattr(
        library_index, "analyze_file", lambda path: (analyzed.append(path.name), real(path))[1]
    )
    (folder / "broken.wav").unlink()
    (folder / "silence.wav").unlink()
    assert folder_recordings(folder, log=lambda _: None) == first
    assert analyzed == []
    soundfile.write(folder / "doors" / "01.wav", np.full(RATE, 0.1), RATE)
    (folder / "REC0003.flac").unlink()
    assert len(folder_recordings(folder, log=lambda _: None)) == 3
    assert analyzed == ["01.wav"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": "0"}', '{"files": {"a": 1}}'])
def test_a_damaged_index_is_made_again(folder: Path, content: str) -> None:
    first = folder_recordings(folder, log=lambda _: None)
    path = index_path(folder)
    version = library_index._version()
    path.write_text(content.replace('{"files"', f'{{"version": "{version}", "files"'))
    assert folder_recordings(folder, log=lambda _: None) == first


def test_a_cache_that_cannot_be_written_is_done_without(folder: Path, cache: Path) -> None:
    cache.rmdir()
    cache.write_text("a file")
    assert len(folder_recordings(folder, log=lambda _: None)) == 4


def test_a_folder_without_sound_or_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        folder_recordings(tmp_path / "missing", log=print)
    with pytest.raises(InputError, match="no sound files"):
        folder_recordings(tmp_path, log=print)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match="no sound that can be read"):
        folder_recordings(tmp_path, log=lambda _: None)


def test_of_a_long_file_the_loudest_place_is_used(tmp_path: Path) -> None:
    sound = 0.001 * np.random.default_rng(0).standard_normal(150 * 8_000)
    sound[100 * 8_000 : 104 * 8_000] *= 100
    path = tmp_path / "drone and thing.wav"
    soundfile.write(path, sound, 8_000)
    entry = analyze_file(path)
    starts = [start for start, _ in entry.places[LOUDEST]]
    assert starts[0] == pytest.approx(101, abs=3)
    assert entry.seconds == 150
    assert len(library_index._windows(path)[0]) <= MAX_WINDOWS
    library = load("library", SourceOptions(place=str(tmp_path)))
    part = library.sound("drone", seconds=None, seed=0)
    assert part.seconds < 11
    assert np.abs(part.samples).max() > 0.2
