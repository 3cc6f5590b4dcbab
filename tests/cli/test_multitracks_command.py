"""`soundstage multitracks`."""

import ctypes.util
from pathlib import Path

import pytest

from making_soundfonts import write_soundfont
from soundstage.corpora import open_corpus
from soundstage.corpora.multitracks import rendering, soundfonts


@pytest.mark.skipif(
    ctypes.util.find_library("fluidsynth") is None, reason="FluidSynth is not installed"
)
def test_songs_are_rendered_and_counted(command, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(rendering, "SONG_SECONDS", (4.0, 4.0))
    font = write_soundfont(tmp_path / "sine.sf2")
    code, out, _ = command(
        "multitracks", tmp_path / "set", "--hours", 0.002, "--seed", 1, "--soundfont", font
    )
    assert code == 0
    assert out.startswith(f"{tmp_path / 'set'}: 2 songs, ")
    assert len(open_corpus(tmp_path / "set").clips) == 2


def test_a_missing_soundfont_is_one_sentence(command, tmp_path: Path) -> None:
    code, out, err = command("multitracks", tmp_path / "set", "--soundfont", tmp_path / "none.sf2")
    assert (code, out) == (2, "")
    assert "there is no such soundfont; apt-get install fluidsynth fluid-soundfont-gm" in err
    assert "Traceback" not in err


def test_no_fluidsynth_is_one_sentence(command, tmp_path: Path, monkeypatch) -> None:
    soundfonts._library.cache_clear()
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    font = write_soundfont(tmp_path / "sine.sf2")
    code, out, err = command("multitracks", tmp_path / "set", "--soundfont", font)
    soundfonts._library.cache_clear()
    assert (code, out) == (2, "")
    assert "FluidSynth is not installed: apt-get install fluidsynth fluid-soundfont-gm" in err


def test_an_unknown_split_is_refused(command, tmp_path: Path) -> None:
    code, _, err = command("multitracks", tmp_path / "set", "--split", "dev")
    assert code == 2
    assert "--split must be train, valid or test" in err
