import sys

import pytest
import soundfile

from sounds import RATE, stereo_scene
from soundstage.cli.main import main
from soundstage.corpora.feature_cache import load_features
from soundstage.errors import InputError, OptionError, OutputError
from soundstage.training.prepare import prepare


def write_track(path, seed=0, seconds=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, stereo_scene(seconds * RATE, seed=seed).T.numpy(), RATE)


@pytest.fixture
def music(tmp_path):
    folder = tmp_path / "music"
    for index, name in enumerate(["train/a.wav", "train/deep/b.wav", "valid/c.wav"]):
        write_track(folder / name, seed=index)
    (folder / "train" / "broken.wav").write_text("no sound")
    lines = "file,title,artist,license\ntrain/a.wav,First,Somebody,CC0-1.0\n"
    (folder / "manifest.csv").write_text(lines)
    return folder


def test_each_part_gives_a_file_and_progress_is_a_fraction(music, tmp_path):
    fractions = []
    parts = prepare(music, tmp_path / "cache", progress=fractions.append)
    assert [part.path.name for part in parts] == ["train.safetensors", "valid.safetensors"]
    assert [(part.recordings, part.is_new) for part in parts] == [(2, True), (1, True)]
    train = load_features(parts[0].path)
    assert train.names == ["a.wav", "deep/b.wav"]
    assert len(train.tokens) == parts[0].frames
    assert [credit["artist"] for credit in train.credits] == ["Somebody"]
    assert len(parts[0].skipped) == 1
    assert "broken.wav" in parts[0].skipped[0]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.25, 1)


def test_a_plain_folder_gives_one_file_of_its_name(music, tmp_path):
    (part,) = prepare(music / "valid", tmp_path / "cache")
    assert part.path.name == "valid.safetensors"
    assert load_features(part.path).credits == []


@pytest.mark.slow
def test_the_file_is_the_same_for_any_number_of_jobs(music, tmp_path):
    files = []
    for jobs in (1, 2):
        prepare(music / "train", tmp_path / str(jobs), jobs=jobs)
        files.append((tmp_path / str(jobs) / "train.safetensors").read_bytes())
    assert files[0] == files[1]


def test_a_file_is_made_again_only_after_its_tracks_change(music, tmp_path):
    cache = tmp_path / "cache"
    first = prepare(music, cache)
    stamps = [part.path.stat().st_mtime_ns for part in first]
    again = prepare(music, cache)
    assert [part.is_new for part in again] == [False, False]
    assert [(part.recordings, part.frames) for part in again] == [
        (part.recordings, part.frames) for part in first
    ]
    write_track(music / "valid" / "d.wav", seed=9)
    changed = prepare(music, cache)
    assert [part.is_new for part in changed] == [False, True]
    assert changed[0].path.stat().st_mtime_ns == stamps[0]
    assert load_features(changed[1].path).names == ["c.wav", "d.wav"]


def test_a_file_that_is_not_features_is_not_overwritten(music, tmp_path):
    (tmp_path / "valid.safetensors").write_bytes(b"mine")
    with pytest.raises(OutputError, match="not a file of features"):
        prepare(music / "valid", tmp_path)
    assert (tmp_path / "valid.safetensors").read_bytes() == b"mine"


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        prepare(tmp_path / "none", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_an_output_folder_that_cannot_be_created_is_refused(music, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="cannot be created"):
        prepare(music, tmp_path / "file")


def test_training_tracks_are_analyzed_at_other_speeds_too(music, tmp_path):
    write_track(music / "test" / "t.wav", seed=5)
    cache = tmp_path / "cache"
    plain = prepare(music, tmp_path / "plain")
    parts = prepare(music, cache, speeds=[0.8, 1.0, 1.25])
    names = ["train", "valid", "test", "train-0.8", "train-1.25"]
    assert [part.path.name for part in parts] == [f"{name}.safetensors" for name in names]
    for part in plain:
        assert part.path.read_bytes() == (cache / part.path.name).read_bytes()
    whole, slow, fast = (load_features(cache / f"{names[k]}.safetensors") for k in (0, 3, 4))
    assert whole.names == slow.names == fast.names
    assert whole.credits == slow.credits == fast.credits
    assert len(slow.tokens) == pytest.approx(len(whole.tokens) / 0.8, abs=4)
    assert len(fast.tokens) == pytest.approx(len(whole.tokens) / 1.25, abs=4)
    assert len({whole.fingerprint, slow.fingerprint, fast.fingerprint}) == 3
    again = prepare(music, cache, speeds=[0.8, 1.25])
    assert not any(part.is_new for part in again)
    (valid,) = prepare(music / "valid", tmp_path / "valid", speeds=[0.9])
    assert valid.path.name == "valid.safetensors"


@pytest.mark.parametrize("speed", [0.49, 2.01, float("nan")])
def test_a_speed_out_of_range_is_refused(music, tmp_path, speed):
    with pytest.raises(OptionError, match="speed"):
        prepare(music, tmp_path / "cache", speeds=[0.9, speed])
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("speeds", ["0.1", "fast"])
def test_invalid_speeds_end_the_command_with_one_sentence(
    music, tmp_path, monkeypatch, capsys, speeds
):
    cache = tmp_path / "cache"
    arguments = ["soundstage", "prepare", music, "-o", cache, "--speeds", speeds]
    monkeypatch.setattr(sys, "argv", [*map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith("soundstage: ")
    assert printed.count("\n") == 1
    assert "speed" in printed
    assert not cache.exists()
