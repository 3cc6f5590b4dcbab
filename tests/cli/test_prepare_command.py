"""`soundstage prepare`."""

from pathlib import Path

from sounds import RATE, stereo_scene
from soundstage.audio import Audio


def test_files_counts_and_skipped_tracks_are_printed(command, tmp_path: Path) -> None:
    tracks, cache = tmp_path / "tracks", tmp_path / "cache"
    tracks.mkdir()
    Audio(stereo_scene(RATE).numpy(), RATE).write(tracks / "a.wav")
    Audio(stereo_scene(RATE)[:1].numpy(), RATE).write(tracks / "mono.wav")
    code, out, err = command("prepare", tracks, "-o", cache)
    assert code == 0
    assert out == f"{cache / 'tracks.safetensors'}: 1 tracks, 45 frames\n"
    assert "mono.wav: has 1 channels" in err
    code, out, _ = command("prepare", tracks, "-o", cache, "--quiet")
    assert out.endswith("45 frames, up to date\n")


def test_a_missing_folder_is_one_sentence(command, tmp_path: Path) -> None:
    code, out, err = command("prepare", tmp_path / "none", "-o", tmp_path / "cache")
    assert (code, out) == (2, "")
    assert "there is no such folder" in err
    assert "Traceback" not in err
