"""Tags at the end of a file: several kinds, in any order, and dates that say nothing."""

import mutagen.apev2
import pytest
from mutagen import id3

from making import music, write_sound
from rich_metadata import write_rich
from soundstage.audio import SoundFormat, read_metadata

OLD = b"TAG" + b"Title".ljust(30, b"\0") + bytes(60) + b"0000" + bytes(30) + b"\xff"


def lyrics3(*fields: tuple[bytes, bytes]) -> bytes:
    body = b"LYRICSBEGIN" + b"".join(b"%s%05d%s" % (n, len(text), text) for n, text in fields)
    return body + b"%06dLYRICS200" % len(body)


def tagged(path, *tail: bytes, date=None, year=None):
    """An MP3 file with an ID3 date, an APE year, and more at its end."""
    write_sound(path, music(1, 5000), SoundFormat("MP3", "MPEG_LAYER_III"))
    if date:
        tags = id3.ID3()
        tags.add(id3.TDRC(3, [date]))
        tags.save(path)
    if year:
        ape = mutagen.apev2.APEv2()
        ape["Year"] = year
        ape.save(path)
    path.write_bytes(path.read_bytes() + b"".join(tail))
    return read_metadata(path)


def test_lyrics3_is_read_and_hides_no_ape_tag(tmp_path):
    tag = lyrics3((b"IND", b"110"), (b"LYR", b"[00:02]la\r\nla"), (b"ETT", b"Title and more"))
    found = tagged(tmp_path / "a.mp3", tag, OLD, year="1961")
    assert found.tags == {
        "date": ("1961",),
        "lyrics": ("[00:02]la\nla",),
        "title": ("Title and more",),
    }
    assert [lost.what for lost in found.unread] == ["date of ID3v1"]


def test_lyrics3_of_version_1_is_read(tmp_path):
    found = tagged(tmp_path / "a.mp3", b"LYRICSBEGINla laLYRICSEND", OLD)
    assert found.tags["lyrics"] == ("la la",)
    assert found.unread == ()


@pytest.mark.parametrize("tail", [b"000010LYRICS200", b"LYRICSEND", b"abcdefLYRICS200"])
def test_damaged_lyrics_are_named(tmp_path, tail):
    found = tagged(tmp_path / "a.mp3", tail, OLD)
    assert found.tags["title"] == ("Title",)
    assert [lost.what for lost in found.unread] == ["the Lyrics3 tag"]


def test_unknown_fields_of_lyrics3_are_named(tmp_path):
    found = tagged(tmp_path / "a.mp3", lyrics3((b"IMG", b"c:/cover.jpg")), OLD)
    assert [lost.what for lost in found.unread] == ["Lyrics3 field IMG"]


def test_an_id3_tag_at_the_end_is_read(tmp_path):
    frame = b"TCOM" + bytes([0, 0, 0, 2, 0, 0]) + b"\3x"
    head = b"\4\0\x10" + bytes([0, 0, 0, len(frame)])
    found = tagged(tmp_path / "a.mp3", b"ID3" + head + frame + b"3DI" + head, OLD)
    assert found.tags["composer"] == ("x",)
    assert found.tags["title"] == ("Title",)


def test_the_longer_id3v1_is_named(tmp_path):
    found = tagged(tmp_path / "a.mp3", b"TAG+".ljust(227, b"x"), OLD, year="1961")
    assert found.tags["date"] == ("1961",)
    assert "the longer texts of ID3v1 (TAG+)" in [lost.what for lost in found.unread]


def test_a_date_of_zeros_gives_way_to_a_real_one_and_is_named(tmp_path):
    found = tagged(tmp_path / "a.mp3", date="0000", year="1961")
    receipt = write_rich(tmp_path / "b.mp3", found).receipt
    assert read_metadata(tmp_path / "b.mp3").tags["date"] == ("1961",)
    assert receipt.not_carried == ("date 0000: APE says '1961'",)


def test_a_date_of_zeros_beside_a_real_one_is_named(tmp_path):
    found = tagged(tmp_path / "a.mp3", date="1961", year="0000")
    assert found.tags["date"] == ("1961",)
    assert [lost.what for lost in found.unread] == ["date of APE"]


def test_a_date_of_zeros_alone_is_carried(tmp_path):
    found = tagged(tmp_path / "a.mp3", lyrics3((b"LYR", b"la")), date="0000", year="0000")
    receipt = write_rich(tmp_path / "b.flac", found).receipt
    assert read_metadata(tmp_path / "b.flac").tags["date"] == ("0000",)
    assert receipt.lost == ()
