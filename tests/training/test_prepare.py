import pytest
import soundfile

from sounds import RATE, stereo_scene
from soundstage.corpora.feature_cache import load_features
from soundstage.errors import InputError, OutputError
from soundstage.training.prepare import prepare


def write_record(path, seed=0, seconds=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, stereo_scene(seconds * RATE, seed=seed).T.numpy(), RATE)


@pytest.fixture
def music(tmp_path):
    folder = tmp_path / "music"
    for index, name in enumerate(["train/a.wav", "train/deep/b.wav", "valid/c.wav"]):
        write_record(folder / name, seed=index)
    (folder / "train" / "broken.wav").write_text("no sound")
    lines = "file,title,artist,licence\ntrain/a.wav,First,Somebody,CC0-1.0\n"
    (folder / "manifest.csv").write_text(lines)
    return folder


def test_each_split_has_a_file_of_its_own(music, tmp_path):
    parts = prepare(music, tmp_path / "cache")
    assert [part.path.name for part in parts] == ["train.safetensors", "valid.safetensors"]
    assert [(part.records, part.fresh) for part in parts] == [(2, True), (1, True)]
    train = load_features(parts[0].path)
    assert train.names == ["a.wav", "deep/b.wav"]
    assert len(train.tokens) == parts[0].frames
    assert [credit["artist"] for credit in train.credits] == ["Somebody"]
    assert len(parts[0].left_out) == 1
    assert "broken.wav" in parts[0].left_out[0]


def test_a_plain_folder_gives_one_file_of_its_name(music, tmp_path):
    (part,) = prepare(music / "valid", tmp_path / "cache")
    assert part.path.name == "valid.safetensors"
    assert load_features(part.path).credits == []


def test_the_same_records_give_the_same_file_for_any_number_of_workers(music, tmp_path):
    files = []
    for workers in (1, 2):
        prepare(music / "train", tmp_path / str(workers), workers=workers)
        files.append((tmp_path / str(workers) / "train.safetensors").read_bytes())
    assert files[0] == files[1]


def test_what_is_there_is_not_made_again_until_the_records_change(music, tmp_path):
    cache = tmp_path / "cache"
    first = prepare(music, cache)
    stamps = [part.path.stat().st_mtime_ns for part in first]
    again = prepare(music, cache)
    assert [part.fresh for part in again] == [False, False]
    assert [(part.records, part.frames) for part in again] == [
        (part.records, part.frames) for part in first
    ]
    write_record(music / "valid" / "d.wav", seed=9)
    changed = prepare(music, cache)
    assert [part.fresh for part in changed] == [False, True]
    assert changed[0].path.stat().st_mtime_ns == stamps[0]
    assert load_features(changed[1].path).names == ["c.wav", "d.wav"]


def test_a_stranger_s_file_is_not_overwritten(music, tmp_path):
    (tmp_path / "valid.safetensors").write_bytes(b"mine")
    with pytest.raises(OutputError, match="holds no features"):
        prepare(music / "valid", tmp_path)
    assert (tmp_path / "valid.safetensors").read_bytes() == b"mine"


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        prepare(tmp_path / "none", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_place_that_cannot_hold_a_folder_is_refused(music, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="cannot be made"):
        prepare(music, tmp_path / "file")


def test_progress_counts_records(music, tmp_path):
    told = []
    prepare(music / "train", tmp_path, progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]
