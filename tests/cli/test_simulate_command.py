"""`soundstage simulate`."""

from pathlib import Path

import pytest

from making_recordings import write_hrtf_sets, write_speech
from soundstage.corpora.binaural_speech import open_binaural_speech


@pytest.mark.slow
def test_a_data_set_is_written_and_summarized(command, tmp_path: Path) -> None:
    speech, hrtfs = write_speech(tmp_path / "speech", 2), write_hrtf_sets(tmp_path / "hrtfs", 2)
    (hrtfs / "broken.sofa").write_bytes(b"nothing")
    arguments = ("simulate", "--speech", speech, "--hrtfs", hrtfs, "-o", tmp_path / "set")
    arguments += ("--subjects", 1, 0, 1, "--minutes", 0.01, "--bits", 16)
    code, out, err = command(*arguments)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("trainset/subject1: head")
    assert lines[1].startswith("testset/subject1: head")
    assert lines[2].startswith(f"{tmp_path / 'set'}: 0.6 s each, gain ")
    assert "skipped: " in err
    assert "broken.sofa" in err
    assert len(open_binaural_speech(tmp_path / "set")) == 2
    code, _, err = command(*arguments)
    assert code == 2
    assert "exists and is not empty" in err


def test_a_missing_folder_is_one_sentence(command, tmp_path: Path) -> None:
    code, out, err = command(
        "simulate", "--speech", tmp_path, "--hrtfs", tmp_path / "none", "-o", tmp_path / "set"
    )
    assert (code, out) == (2, "")
    assert "folder not found" in err
    assert "Traceback" not in err
