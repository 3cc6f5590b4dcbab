"""`soundstage evaluate`."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from sounds import RATE, song, stereo_scene
from soundstage.audio import Audio

SHORT = ("--methods", "comb", "--baselines", "coder", "--embeddings", "bands", "--takes", "1")


@pytest.fixture(scope="module")
def tracks(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tracks")
    for index in range(2):
        scene = stereo_scene(2 * RATE, seed=index).numpy()
        Audio(scene, RATE).write(folder / f"{index}.wav", bit_depth="float")
    (folder / "notes.txt").write_text("no sound")
    Audio(song(RATE).numpy(), RATE).write(folder / "mono.wav")
    return folder


def test_tables_and_report_are_written_and_named(command, tracks: Path, tmp_path: Path) -> None:
    code, out, err = command("evaluate", tracks, "-o", tmp_path / "out", *SHORT, "--examples", 1)
    assert code == 0
    assert "mono.wav: has 1 channels, not 2." in err
    assert "| true stereo |" in out
    assert "| floor |" in out
    names = ("table.csv", "table.parquet", "tables.md", "report.html")
    for name in names:
        assert str(tmp_path / "out" / name) in out.splitlines()
        assert (tmp_path / "out" / name).stat().st_size > 500
    page = (tmp_path / "out" / "tables.md").read_text()
    assert "### Parametric stereo, Table 1" in page
    assert "ffmpeg" not in page


def test_a_report_can_be_left_out_and_quiet_prints_only_names(
    command, tracks: Path, tmp_path: Path
) -> None:
    arguments = ("evaluate", tracks, "-o", tmp_path, *SHORT, "--no-report", "--quiet")
    code, out, _ = command(*arguments, "--limit", 1)
    assert code == 0
    assert len(out.splitlines()) == 3
    assert not (tmp_path / "report.html").exists()
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["embeddings"] == ["bands"]


def test_mono_recordings_need_the_option_reference_free(
    command, tracks: Path, tmp_path: Path
) -> None:
    mono = tmp_path / "mono"
    mono.mkdir()
    Audio(song(2 * RATE).numpy(), RATE).write(mono / "a.wav")
    code, _, err = command("evaluate", mono, "-o", tmp_path / "out", *SHORT)
    assert code == 2
    assert "no usable stereo track" in err
    short = ("--methods", "comb", "--embeddings", "", "--reference-free", "--examples", 0)
    code, out, _ = command("evaluate", mono, "-o", tmp_path / "out", *short)
    assert code == 0
    assert "| comb |" in out
    assert "| ffmpeg-haas |" in out
    assert "true stereo" not in out
    assert "coder" not in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--methods", "nobody"), "Unknown system 'nobody'"),
        (("--system", "theirs=nowhere"), "there is no such folder, class or method"),
        (("--system", "none.py:Wide"), "none.py: there is no such file"),
        (("--embeddings", "vggish=none.safetensors"), "none.safetensors"),
        (("--split", "test"), "has no split 'test'"),
        (("--seconds", "0.1"), "at least 1"),
        (("--reference-free", "--baselines", "coder"), "coder requires true stereo"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    refused, tracks: Path, tmp_path: Path, arguments, sentence: str
) -> None:
    assert sentence in refused("evaluate", tracks, "-o", tmp_path / "out", *arguments)


def test_an_output_that_is_a_file_or_has_other_settings_is_refused(
    command, refused, tracks: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    assert "cannot be written" in refused("evaluate", tracks, "-o", tmp_path / "file", *SHORT)
    assert (tmp_path / "file").read_text() == "mine"
    out = tmp_path / "out"
    first = ("evaluate", tracks, "-o", out, *SHORT, "--no-report", "-q", "--limit", 1)
    assert command(*first)[0] == 0
    assert "has an evaluation with seed 0, not 3" in refused(*first, "--seed", 3)
    assert command(*first, "--seed", 3, "--overwrite")[0] == 0


def test_a_folder_without_sound_is_one_sentence(refused, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "missing"):
        assert name in refused("evaluate", tmp_path / name, "-o", tmp_path / "out")


def test_silence_is_measured_without_a_warning(command, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    Audio(np.zeros((2, 2 * RATE)), RATE).write(data / "silent.wav")
    code, _, err = command("evaluate", data, "-o", tmp_path / "out", *SHORT, "--no-report")
    assert (code, err) == (0, "")


def test_own_systems_are_rows_and_their_errors_sentences(
    command, tracks: Path, tmp_path: Path
) -> None:
    code_file = tmp_path / "mine.py"
    code_file.write_text(
        "def half(mono, rate):\n    return mono, mono / 2\n"
        "def broken(mono, rate):\n    return undefined\n"
    )
    short = ("--methods", "", "--baselines", "", "--embeddings", "", "--takes", 1, "--no-report")
    arguments = ("evaluate", tracks, "-o", tmp_path / "out", *short, "--examples", 0)
    code, out, _ = command(*arguments, "--system", f"{code_file}:half")
    assert code == 0
    assert "| half |" in out
    assert "* the best system that turns mono into stereo" in out
    code, _, err = command(*arguments, "--system", f"{code_file}:broken")
    assert code == 2
    assert "The method broken failed: NameError: name 'undefined' is not defined (mine.py" in err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="names of other systems are text")
def test_names_that_are_no_text_are_measured_and_printed_escaped(command, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    scene = stereo_scene(2 * RATE).numpy()
    for name in (b"caf\xe9.wav", b"title\x1b]0;x\x07.wav", b"a" * 240 + b".wav"):
        Audio(scene, RATE).write(data / "a.wav")
        (data / "a.wav").rename(os.fsdecode(bytes(data) + b"/" + name))
    code, out, err = command("evaluate", data, "-o", tmp_path / "out", *SHORT, "--examples", 3)
    assert (code, err) == (0, "")
    table = (tmp_path / "out" / "table.csv").read_text(encoding="utf-8")
    assert r"caf\xe9" in table
    assert "\x1b" not in table + out
