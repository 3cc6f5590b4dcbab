"""What we write, as mutagen, FFmpeg and ffprobe read it."""

import base64
import json
import shutil
import subprocess

import av
import mutagen
import mutagen.aiff
import mutagen.flac
import mutagen.id3
import mutagen.mp3
import mutagen.mp4
import mutagen.oggopus
import mutagen.oggvorbis
import mutagen.wave
import pytest

from rich_metadata import BACK, COVER, RICH, TAGS, write_rich
from soundstage.audio.metadata.vorbis import read_picture

ID3_FRAMES = {
    "title": "TIT2",
    "artist": "TPE1",
    "album": "TALB",
    "albumartist": "TPE2",
    "date": "TDRC",
    "genre": "TCON",
    "composer": "TCOM",
    "copyright": "TCOP",
    "isrc": "TSRC",
    "mood": "TMOO",
    "MUSICBRAINZ_TRACKID": "TXXX:MUSICBRAINZ_TRACKID",
    "Tape Number": "TXXX:Tape Number",
}


@pytest.mark.parametrize(
    ("suffix", "reader"),
    [("mp3", mutagen.mp3.MP3), ("wav", mutagen.wave.WAVE), ("aiff", mutagen.aiff.AIFF)],
)
def test_mutagen_reads_the_id3_of(tmp_path, suffix, reader):
    path = tmp_path / f"a.{suffix}"
    write_rich(path)
    tags = reader(path).tags
    for name, frame in ID3_FRAMES.items():
        assert tuple(str(text) for text in tags[frame].text) == TAGS[name], name
    assert str(tags["TRCK"]) == "3/12"
    assert str(tags["TPOS"]) == "1"
    assert tags["COMM::und"].text == list(TAGS["comment"])
    assert tags["USLT::und"].text == TAGS["lyrics"][0]
    pictures = tags.getall("APIC")
    assert {(p.type, p.mime, p.desc, p.data) for p in pictures} == {
        (3, "image/png", "front", COVER),
        (4, "image/png", "back", BACK),
    }
    chapters = sorted(tags.getall("CHAP"), key=lambda chapter: chapter.start_time)
    assert [(c.start_time, c.end_time) for c in chapters] == [(0, 250), (250, 600)]
    assert [str(c.sub_frames["TIT2"]) for c in chapters] == ["One", "Zwei é"]
    assert tags.getall("CTOC")[0].child_element_ids == ["ch0", "ch1"]
    assert tags.version == (2, 4, 0)


@pytest.mark.parametrize(
    ("suffix", "reader"),
    [
        ("flac", mutagen.flac.FLAC),
        ("ogg", mutagen.oggvorbis.OggVorbis),
        ("opus", mutagen.oggopus.OggOpus),
    ],
)
def test_mutagen_reads_the_comments_of(tmp_path, suffix, reader):
    path = tmp_path / f"a.{suffix}"
    write_rich(path)
    file = reader(path)
    for name, values in TAGS.items():
        assert tuple(file[name]) == values, name
    assert file["originator"] == ["ORF"]
    assert file["CHAPTER001"] == ["00:00:00.250"]
    assert file["CHAPTER001NAME"] == ["Zwei é"]
    if suffix == "flac":
        pictures = [(p.type, p.mime, p.desc, p.data, p.width) for p in file.pictures]
        assert pictures == [
            (3, "image/png", "front", COVER, 8),
            (4, "image/png", "back", BACK, 16),
        ]
        assert [type(b).__name__ for b in file.metadata_blocks][:2] == ["StreamInfo", "VCFLACDict"]
    else:
        packed = [read_picture(base64.b64decode(b)) for b in file["metadata_block_picture"]]
        assert packed == list(RICH.pictures)


@pytest.mark.parametrize("suffix", ["m4a", "mov"])
def test_mutagen_reads_the_items_of(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    write_rich(path)
    file = mutagen.mp4.MP4(path)
    names = {
        "©nam": "title",
        "©ART": "artist",
        "aART": "albumartist",
        "©alb": "album",
        "©day": "date",
        "©gen": "genre",
        "©cmt": "comment",
        "©wrt": "composer",
        "©lyr": "lyrics",
        "cprt": "copyright",
    }
    for atom, name in names.items():
        assert tuple(file[atom]) == TAGS[name], name
    assert file["trkn"] == [(3, 12)]
    assert file["disk"] == [(1, 0)]
    assert file["----:com.apple.iTunes:Tape Number"] == [b"A 17"]
    assert [bytes(cover) for cover in file["covr"]] == [COVER, BACK]
    assert file["covr"][0].imageformat == mutagen.mp4.MP4Cover.FORMAT_PNG
    assert [chapter.title for chapter in file.chapters] == ["One", "Zwei é"]


@pytest.mark.parametrize(
    "suffix", ["wav", "rf64", "aiff", "flac", "mp3", "m4a", "mov", "mka", "webm"]
)
def test_ffmpeg_reads_the_tags_of(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    write_rich(path)
    with av.open(str(path)) as file:
        found = {name.casefold(): value for name, value in file.metadata.items()}
        chapters = [chapter["metadata"]["title"] for chapter in file.chapters()]
        covers = [stream for stream in file.streams if stream.type == "video"]
    assert found["title"] == "Nuit é 日本"
    assert found["album"] == "Album"
    assert found["track"] == "3/12" or (found["track"], found["tracktotal"]) == ("3", "12")
    assert found["encoder" if "software" not in found else "software"].startswith("Soundstage")
    if suffix != "webm":
        assert len(covers) == 2
    if suffix not in ("wav", "rf64", "aiff"):  # FFmpeg reads no chapters there
        assert chapters == ["One", "Zwei é"]
    if suffix in ("wav", "rf64"):
        assert found["time_reference"] == "48000"
        assert found["encoded_by"] == "ORF"  # FFmpeg's word for the originator


def test_w64_has_the_tags_that_ffmpeg_reads(tmp_path):
    path = tmp_path / "a.w64"
    write_rich(path)
    with av.open(str(path)) as file:
        assert file.metadata["title"] == "Nuit é 日本"
        assert file.metadata["track"] == "3/12"


def test_caf_has_the_names_of_apple(tmp_path):
    path = tmp_path / "a.caf"
    write_rich(path)
    with av.open(str(path)) as file:
        assert file.metadata["year"] == "1961-01-20"
        assert file.metadata["track number"] == "3/12"
        assert file.metadata["title"] == "Nuit é 日本"


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffprobe is not installed")
@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "opus", "m4a", "mka"])
def test_ffprobe_reads(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    write_rich(path)
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams"]
    run = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    found = json.loads(run.stdout)
    tags = found["format"].get("tags", {}) | found["streams"][0].get("tags", {})
    tags = {name.casefold(): value for name, value in tags.items()}
    assert tags["title"] == "Nuit é 日本"
    assert suffix == "wav" or tags["composer"] == "Someone"  # FFmpeg shows LIST INFO there
