"""The languages of comments and lyrics in ID3, and what chapters hold beside their titles."""

import pytest
from mutagen import id3

from making import music, write_sound
from rich_metadata import write_rich
from soundstage.audio import Metadata, SoundFormat, read_metadata
from soundstage.audio.metadata.id3 import read_id3
from soundstage.audio.metadata.id3_writer import write_id3

FRAMES = {  # language, description, text
    id3.COMM: [("eng", "", "hello"), ("deu", "", "hallo"), ("fra", "note", "salut")],
    id3.USLT: [("eng", "", "la"), ("jpn", "", "ラ")],
}


def spoken(path):
    """An MP3 file whose comments and lyrics differ in language and description."""
    write_sound(path, music(1, 5000), SoundFormat("MP3", "MPEG_LAYER_III"))
    tags = id3.ID3()
    for kind, frames in FRAMES.items():
        for language, description, text in frames:
            one = text if kind is id3.USLT else [text]
            tags.add(kind(3, language, description, one))
    tags.save(path)
    return read_metadata(path)


@pytest.mark.parametrize("suffix", ["mp3", "wav", "rf64", "aiff"])
def test_languages_stay_where_the_target_has_id3(tmp_path, suffix):
    receipt = write_rich(tmp_path / f"b.{suffix}", spoken(tmp_path / "a.mp3")).receipt
    data = (tmp_path / f"b.{suffix}").read_bytes()
    (tmp_path / "tag").write_bytes(data[data.index(b"ID3\4") :])
    tags = id3.ID3(tmp_path / "tag")
    for kind, frames in FRAMES.items():
        held = {(f.lang, f.desc, "".join(f.text)) for f in tags.getall(kind.__name__)}
        assert held == set(frames)
    assert receipt.lost == ()


@pytest.mark.parametrize("suffix", ["flac", "ogg", "m4a", "mka", "caf"])
def test_languages_that_the_target_cannot_hold_are_named(tmp_path, suffix):
    receipt = write_rich(tmp_path / f"b.{suffix}", spoken(tmp_path / "a.mp3")).receipt
    assert {lost.what for lost in receipt.lost} == {
        "language of comment (deu, eng)",
        "language of comment:note (fra)",
        "language of lyrics (eng, jpn)",
    }


def test_a_lost_comment_does_not_lose_its_language_too(tmp_path):
    receipt = write_rich(tmp_path / "b.w64", spoken(tmp_path / "a.mp3")).receipt
    assert [lost.what for lost in receipt.lost] == [
        "tags lyrics, comment:note",
        "language of comment (deu, eng)",
    ]


def test_one_text_in_two_languages_stays_two_comments():
    tags = Metadata(tags={"comment": ("OK",)}, languages={("comment", "OK"): ("eng", "deu")})
    assert read_id3(write_id3(tags)).languages == tags.languages


@pytest.mark.parametrize("code", [b"und", b"XXX", b"\0\0\0"])
def test_an_unknown_language_is_not_worth_a_line(code):
    frame = b"\3" + code + b"\0hello"
    body = b"COMM" + bytes([0, 0, 0, len(frame), 0, 0]) + frame
    found = read_id3(b"ID3\4\0\0" + bytes([0, 0, 0, len(body)]) + body)
    assert found.tags == {"comment": ("hello",)}
    assert found.languages == {}


def test_what_a_chapter_holds_beside_its_title_is_named(tmp_path):
    path = write_sound(tmp_path / "a.mp3", music(1, 5000), SoundFormat("MP3", "MPEG_LAYER_III"))
    inner = [id3.TIT2(3, ["One"]), id3.WXXX(3, "", "https://example.org")]
    tags = id3.ID3()
    tags.add(id3.CHAP(element_id="c", start_time=0, end_time=50, sub_frames=inner))
    tags.save(path)
    receipt = write_rich(tmp_path / "b.mp3", read_metadata(path)).receipt
    assert receipt.not_carried == ("WXXX frame of a chapter: only titles are carried",)
