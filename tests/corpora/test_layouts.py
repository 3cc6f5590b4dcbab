"""Collections in their published layouts, small and synthetic."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from soundstage.audio import Audio
from soundstage.corpora import (
    Clip,
    find_manifest,
    layouts,
    open_corpus,
    read_credits,
    read_excerpt,
    read_manifest,
    stereo_tracks,
)
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


def test_a_plain_folder_gives_its_stereo_files_and_skips_the_others(tmp_path: Path) -> None:
    stereo = write(tmp_path / "b" / "two.wav")
    write(tmp_path / "one.wav", channels=1)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    corpus = open_corpus(tmp_path)
    assert corpus.layout == "plain folder"
    assert corpus.clips == (Clip("b/two", stereo),)
    assert stereo_tracks(tmp_path) == ([stereo], list(corpus.skipped))
    assert len(corpus.skipped) == 2
    assert any("one.wav: has 1 channels, not 2." in reason for reason in corpus.skipped)


def test_mono_recordings_are_found_if_requested(tmp_path: Path) -> None:
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


def test_a_track_with_a_damaged_stem_is_skipped(tmp_path: Path) -> None:
    for track in ("good", "bad"):
        for part in ("mixture", "drums"):
            write(tmp_path / track / f"{part}.wav")
    (tmp_path / "bad" / "drums.wav").write_bytes(b"nothing")
    corpus = open_corpus(tmp_path)
    assert [clip.name for clip in corpus.clips] == ["good"]
    assert "drums.wav" in corpus.skipped[0]


def test_stems_with_a_manifest_are_songs_without_a_mix(tmp_path: Path) -> None:
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


def test_a_manifest_has_the_tracks_of_a_split(tmp_path: Path) -> None:
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
    with pytest.raises(InputError, match=r"no split 'test'; the splits are hold, train\.$"):
        open_corpus(tmp_path, split="test")


def test_a_folder_can_be_a_split(tmp_path: Path) -> None:
    write(tmp_path / "test" / "a.wav")
    write(tmp_path / "valid" / "b.wav")
    assert [clip.name for clip in open_corpus(tmp_path, split="test").clips] == ["a"]


def test_a_folder_without_usable_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        open_corpus(tmp_path / "none")
    with pytest.raises(InputError, match="no sound files"):
        open_corpus(tmp_path)
    with pytest.raises(InputError, match="no split 'test'; the collection has no splits"):
        open_corpus(tmp_path, split="test")
    write(tmp_path / "one.wav", channels=1)
    with pytest.raises(InputError, match="1 channels, not 2"):
        open_corpus(tmp_path)
    with pytest.raises(InputError, match="no stereo file"):
        stereo_tracks(tmp_path)


def test_a_manifest_may_have_a_byte_order_mark(tmp_path: Path) -> None:
    write(tmp_path / "a.wav")
    (tmp_path / "manifest.csv").write_bytes(b"\xef\xbb\xbffile, split\r\na.wav,test\r\n")
    assert open_corpus(tmp_path, split="test").clips == (Clip("a", tmp_path / "a.wav"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,split\na.wav,test\nb.wav\n", ", line 3: has 1 values for 2 columns."),
        ("file,split\na\0b.wav,test\n", ", line 2: has a null byte, so it is not text."),
        ("file,split\nloop/a.wav,test\n", ", line 2: 'loop/a.wav' is not a file."),
        ("file,split\n,test\n", ", line 2: '' is not a file."),
        ("file,split\na.wav,test\n./a.wav,train\n", ", line 3: './a.wav' is listed twice."),
        ("name,split\na.wav,test\n", ": the manifest has no column 'file'."),
        ("file;split\na.wav;test\n", " no column 'file'; separate the columns by commas."),
        (f"file\n{'x' * 70_000}\n", f", line 2: '{'x' * 97}...' is not a file."),
        (f"file\n{'x' * 200_000}\n", ", line 2: is not CSV (field larger than field limit"),
    ],
)
def test_a_manifest_out_of_the_rules_is_refused_with_its_line(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "manifest.csv").write_text(content)
    with pytest.raises(InputError) as caught:
        read_manifest(tmp_path / "manifest.csv")
    assert str(caught.value).startswith(str(tmp_path / "manifest.csv"))
    assert message in str(caught.value)


def test_credits_are_in_the_order_of_the_tracks(tmp_path: Path) -> None:
    lines = "file,title,artist,license,extra\nin/a.ogg,A,One,CC0,x\nin/b.ogg,B,,CC BY,y\n"
    (tmp_path / "manifest.csv").write_text(lines)
    tracks = [tmp_path / "in" / name for name in ("b.ogg", "unlisted.ogg", "a.ogg")]
    assert read_credits(tmp_path / "manifest.csv", tracks) == [
        {"title": "B", "license": "CC BY"},
        {"title": "A", "artist": "One", "license": "CC0"},
    ]


def test_both_spellings_of_license_are_read(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("file,licence,clip_licence\na.ogg,CC0,CC BY\n")
    (row,) = read_manifest(tmp_path / "manifest.csv").values()
    assert (row["license"], row["clip_license"]) == ("CC0", "CC BY")


def test_the_manifest_can_be_in_the_parent_folder(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    assert find_manifest(tmp_path / "train") is None
    (tmp_path / "manifest.csv").write_text("file\n")
    assert find_manifest(tmp_path / "train") == tmp_path / "manifest.csv"


def test_a_manifest_without_a_column_of_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("name\nx\n")
    with pytest.raises(InputError, match="no column 'file'"):
        read_credits(tmp_path / "manifest.csv", [])


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s of samples that identify their position."""
    path = tmp_path_factory.mktemp("excerpts") / "ramp.wav"
    position = np.linspace(-1, 1, 12 * 8000)
    Audio(np.stack([position, -position]), 8000).write(path, bit_depth="float")
    return path


@given(st.floats(0.01, 20))
def test_an_excerpt_is_the_middle_of_the_file(ramp: Path, seconds: float) -> None:
    whole = Audio.read(ramp).samples
    excerpt = read_excerpt(ramp, 8000, seconds)
    length = min(round(seconds * 8000), whole.shape[1])
    start = (whole.shape[1] - length) // 2
    np.testing.assert_array_equal(excerpt, whole[:, start : start + length])


def test_an_excerpt_of_zero_seconds_is_the_whole_file_at_the_requested_rate(ramp: Path) -> None:
    np.testing.assert_array_equal(read_excerpt(ramp, 8000, 0), Audio.read(ramp).samples)
    assert read_excerpt(ramp, 16000, 3).shape == (2, 48000)


def test_a_file_of_unknown_length_has_the_same_excerpt(
    ramp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_excerpt(ramp, 8000, 3)
    opened = layouts.open_sound

    def without_length(path: Path):  # type: ignore[no-untyped-def]
        sound = opened(path)
        sound.frames = None
        return sound

    monkeypatch.setattr(layouts, "open_sound", without_length)
    np.testing.assert_array_equal(read_excerpt(ramp, 8000, 3), expected)


def test_an_excerpt_with_samples_that_are_not_finite_is_refused(tmp_path: Path) -> None:
    samples = np.zeros((2, 100))
    samples[0, 50] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples.T, 8000, subtype="FLOAT")
    with pytest.raises(InputError, match="not finite"):
        read_excerpt(tmp_path / "nan.wav", 8000, 0)
