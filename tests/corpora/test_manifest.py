import pytest

from soundstage.corpora import find_manifest, read_credits, read_manifest
from soundstage.errors import InputError


def test_credits_come_in_the_order_of_the_records(tmp_path):
    lines = "file,title,artist,license,extra\nin/a.ogg,A,One,CC0,x\nin/b.ogg,B,,CC BY,y\n"
    (tmp_path / "manifest.csv").write_text(lines)
    records = [tmp_path / "in" / name for name in ("b.ogg", "unlisted.ogg", "a.ogg")]
    assert read_credits(tmp_path / "manifest.csv", records) == [
        {"title": "B", "license": "CC BY"},
        {"title": "A", "artist": "One", "license": "CC0"},
    ]


def test_both_spellings_of_license_are_read(tmp_path):
    (tmp_path / "manifest.csv").write_text("file,licence,clip_licence\na.ogg,CC0,CC BY\n")
    (row,) = read_manifest(tmp_path / "manifest.csv").values()
    assert (row["license"], row["clip_license"]) == ("CC0", "CC BY")


def test_the_manifest_may_lie_in_the_folder_above(tmp_path):
    (tmp_path / "train").mkdir()
    assert find_manifest(tmp_path / "train") is None
    (tmp_path / "manifest.csv").write_text("file\n")
    assert find_manifest(tmp_path / "train") == tmp_path / "manifest.csv"


def test_a_manifest_without_files_is_refused(tmp_path):
    (tmp_path / "manifest.csv").write_text("name\nx\n")
    with pytest.raises(InputError, match="file"):
        read_credits(tmp_path / "manifest.csv", [])
