import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundstage.errors import InputError
from soundstage.training.data.tracks import map_tracks, split_tracks, track_facts


def write_silence(path, channels=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros((100, channels)), 24_000)
    return path


def file_size(path: Path) -> int:
    if path.suffix == ".bad":
        raise InputError(f"{path}: is bad.")
    return os.path.getsize(path)


def write_files(folder):
    paths = [folder / name for name in ("a.wav", "b.bad", "c.wav")]
    for size, path in enumerate(paths, start=1):
        path.write_bytes(bytes(size))
    return paths


def test_results_keep_their_order_and_tracks_that_fail_are_skipped(tmp_path):
    fractions = []
    results, skipped = map_tracks(file_size, write_files(tmp_path), progress=fractions.append)
    assert results == [1, 3]
    assert skipped == [f"{tmp_path / 'b.bad'}: is bad."]
    assert fractions == pytest.approx([1 / 3, 2 / 3, 1])


def test_an_error_is_raised_if_no_track_can_be_used(tmp_path):
    with pytest.raises(InputError, match=r"None of the 1 tracks can be used\. .*is bad\."):
        map_tracks(file_size, [write_files(tmp_path)[1]])


def test_the_mixtures_of_musdb_are_taken_and_not_its_stems(tmp_path):
    mixtures = []
    for song in ("train/A", "train/B", "test/C"):
        for stem in ("drums", "vocals", "bass", "other"):
            write_silence(tmp_path / song / f"{stem}.wav")
        mixtures.append(write_silence(tmp_path / song / "mixture.wav"))
    tracks = split_tracks(tmp_path)
    assert (tracks.train, tracks.valid, tracks.skipped) == (mixtures[:2], [], [])


def test_the_folder_valid_beside_a_folder_train_is_for_validation(tmp_path):
    train = write_silence(tmp_path / "train" / "a.wav")
    valid = write_silence(tmp_path / "valid" / "b.flac")
    mono = write_silence(tmp_path / "train" / "mono.wav", channels=1)
    write_silence(tmp_path / "test" / "c.wav")
    tracks = split_tracks(tmp_path)
    assert (tracks.train, tracks.valid) == ([train], [valid])
    assert len(tracks.skipped) == 1
    assert str(mono) in tracks.skipped[0]
    assert split_tracks(tmp_path / "train").valid == []


def test_stems_without_a_mix_are_refused(tmp_path):
    write_silence(tmp_path / "a.wav")
    (tmp_path / "manifest.csv").write_text("file,song,stem\na.wav,A,drums\n")
    with pytest.raises(InputError, match="without mixes"):
        split_tracks(tmp_path)


def test_the_card_credits_the_tracks_of_the_manifest(tmp_path):
    tracks = [write_silence(tmp_path / f"{name}.wav") for name in "abc"]
    assert track_facts(tmp_path, tracks, used=3)["data"] == "3 stereo tracks, not credited"
    lines = "file,artist,license\na.wav,Ann,CC0\nb.wav,Ben,CC0\nother.wav,Cleo,CC-BY\n"
    (tmp_path / "manifest.csv").write_text(lines)
    facts = track_facts(tmp_path, tracks, used=2)
    assert facts["data"] == "2 stereo tracks by 2 artists; see licenses and credits"
    assert facts["licenses"] == {"CC0": 2}
    assert facts["credits"][0] == {"artist": "Ann", "license": "CC0"}
