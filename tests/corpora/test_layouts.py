"""Collections as they are published, small and made here."""

import csv
from pathlib import Path

import numpy as np
import pytest

from soundstage.audio import Audio
from soundstage.corpora import Clip, open_corpus
from soundstage.errors import InputError


def write(path: Path, channels: int = 2, frames: int = 800) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(0).normal(size=(channels, frames)) * 0.1
    Audio(samples, 8000).write(path)
    return path


def manifest(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "manifest.csv").open("w", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_a_plain_folder_gives_its_stereo_files_and_says_what_it_left_out(tmp_path: Path) -> None:
    stereo = write(tmp_path / "b" / "two.wav")
    write(tmp_path / "one.wav", channels=1)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    corpus = open_corpus(tmp_path)
    assert corpus.layout == "plain folder"
    assert corpus.clips == (Clip("b/two", stereo),)
    assert len(corpus.skipped) == 2
    assert any("one.wav: has 1 channels, not 2." in reason for reason in corpus.skipped)


def test_mono_recordings_are_found_where_they_are_wanted(tmp_path: Path) -> None:
    mono = write(tmp_path / "one.wav", channels=1)
    write(tmp_path / "two.wav")
    assert open_corpus(tmp_path, channels=1).clips == (Clip("one", mono),)


@pytest.mark.parametrize("from_the_split", [False, True])
def test_musdb_tracks_come_with_their_stems(tmp_path: Path, from_the_split: bool) -> None:
    for track in ("AM - Love", "BKS - Too Much"):
        for part in ("mixture", "drums", "bass", "other", "vocals"):
            write(tmp_path / "test" / track / f"{part}.wav")
    write(tmp_path / "train" / "Other" / "mixture.wav")
    corpus = (
        open_corpus(tmp_path / "test") if from_the_split else open_corpus(tmp_path, split="test")
    )
    assert corpus.layout == "MUSDB18-HQ"
    assert [clip.name for clip in corpus.clips] == ["AM - Love", "BKS - Too Much"]
    first = corpus.clips[0]
    assert first.mix == tmp_path / "test" / "AM - Love" / "mixture.wav"
    assert [stem.stem for stem in first.stems] == ["drums", "bass", "other", "vocals"]


def test_a_track_whose_stem_is_damaged_is_left_out(tmp_path: Path) -> None:
    for track in ("good", "bad"):
        for part in ("mixture", "drums"):
            write(tmp_path / track / f"{part}.wav")
    (tmp_path / "bad" / "drums.wav").write_bytes(b"nothing")
    corpus = open_corpus(tmp_path)
    assert [clip.name for clip in corpus.clips] == ["good"]
    assert "drums.wav" in corpus.skipped[0]


def test_stems_with_a_manifest_are_songs_without_a_record(tmp_path: Path) -> None:
    rows = [
        {"file": f"{song}-{stem}.wav", "song": song, "stem": stem}
        for song in ("Sodium", "Lithium")
        for stem in ("drums", "bass")
    ]
    for row in rows:
        write(tmp_path / row["file"])
    manifest(tmp_path, rows)
    corpus = open_corpus(tmp_path)
    assert [clip.name for clip in corpus.clips] == ["Lithium", "Sodium"]
    assert all(clip.mix is None and len(clip.stems) == 2 for clip in corpus.clips)


def test_a_manifest_says_which_records_are_of_a_split(tmp_path: Path) -> None:
    rows = [
        {"file": "a.wav", "split": "train"},
        {"file": "b.wav", "split": "hold"},
        {"file": "c.wav", "split": "hold"},
    ]
    for row in rows:
        write(tmp_path / row["file"])
    manifest(tmp_path, rows)
    assert [clip.name for clip in open_corpus(tmp_path, split="hold").clips] == ["b", "c"]
    assert len(open_corpus(tmp_path).clips) == 3
    with pytest.raises(InputError, match=r"no split 'test'; there are hold, train\.$"):
        open_corpus(tmp_path, split="test")


def test_a_folder_of_that_name_is_a_split_too(tmp_path: Path) -> None:
    write(tmp_path / "test" / "a.wav")
    write(tmp_path / "valid" / "b.wav")
    assert [clip.name for clip in open_corpus(tmp_path, split="test").clips] == ["a"]


def test_a_folder_that_is_not_there_or_holds_nothing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        open_corpus(tmp_path / "none")
    with pytest.raises(InputError, match="no sound files"):
        open_corpus(tmp_path)
    with pytest.raises(InputError, match="no split 'test'; the collection has none"):
        open_corpus(tmp_path, split="test")
    write(tmp_path / "one.wav", channels=1)
    with pytest.raises(InputError, match="1 channels, not 2"):
        open_corpus(tmp_path)
