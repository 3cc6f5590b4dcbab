"""`soundstage prepare`, as it is typed."""

from pathlib import Path

from sounds import RATE, stereo_scene
from soundstage.audio import Audio


def test_files_and_counts_are_printed_and_what_is_left_out_is_named(
    command, tmp_path: Path
) -> None:
    records, cache = tmp_path / "records", tmp_path / "cache"
    records.mkdir()
    Audio(stereo_scene(RATE).numpy(), RATE).write(records / "a.wav")
    Audio(stereo_scene(RATE)[:1].numpy(), RATE).write(records / "mono.wav")
    code, out, err = command("prepare", records, "-o", cache)
    assert code == 0
    assert out == f"{cache / 'records.safetensors'}: 1 records, 45 frames\n"
    assert "mono.wav: has 1 channels" in err
    code, out, _ = command("prepare", records, "-o", cache, "--quiet")
    assert out.endswith("45 frames, as before\n")


def test_a_missing_folder_is_one_sentence(command, tmp_path: Path) -> None:
    code, out, err = command("prepare", tmp_path / "none", "-o", tmp_path / "cache")
    assert (code, out) == (2, "")
    assert "there is no such folder" in err
    assert "Traceback" not in err
