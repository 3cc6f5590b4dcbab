import pytest

from making import noise, read_all, write_sound
from soundstage.audio import SoundFormat, open_sound
from soundstage.audio.tags import TAGS, from_ffmpeg, id3_block, to_ffmpeg

ALL = {name: f"{name} é 日本" for name in TAGS} | {"date": "1961-01-20", "tracknumber": "3"}


@pytest.mark.parametrize(
    ("suffix", "lost"),
    [
        (".flac", set()),
        (".ogg", set()),
        (".opus", set()),
        (".caf", set()),
        (".wav", {"license"}),
        (".mp3", {"license"}),
        (".aiff", set(TAGS) - {"title", "artist", "comment"}),
        (".w64", set(TAGS)),
        (".m4a", {"license", "software"}),
        (".mkv", {"software"}),
    ],
)
def test_tags_are_read_back(tmp_path, suffix, lost):
    path = write_sound(tmp_path / f"a{suffix}", noise(1, 5000), tags=ALL)
    tags = open_sound(path).tags
    for name in set(TAGS) - lost:
        assert tags[name].startswith(ALL[name]), name
    assert read_all(path).shape[1] >= 5000


def test_the_software_tag_does_not_grow_from_copy_to_copy(tmp_path):
    tags = {"software": "Tape machine"}
    for turn in range(3):
        path = write_sound(tmp_path / f"{turn}.flac", noise(1, 100), tags=tags)
        tags = open_sound(path).tags
    assert tags["software"].count("libsndfile") == 1


def test_empty_and_unknown_tags_are_left_out(tmp_path):
    path = write_sound(tmp_path / "a.flac", noise(1, 100), tags={"title": "", "color": "blue"})
    assert "title" not in open_sound(path).tags


def test_ffmpeg_names_are_mapped_in_both_directions():
    assert from_ffmpeg({"TRACK": "3", "Title": "x", "major_brand": "isom"}) == {
        "tracknumber": "3",
        "title": "x",
    }
    assert from_ffmpeg(to_ffmpeg(ALL)) == {k: v for k, v in ALL.items() if k != "software"}


def test_id3_sizes_are_synchsafe():
    block = id3_block({"title": "x" * 1000})
    size = 0
    for byte in block[6:10]:
        assert byte < 128
        size = size << 7 | byte
    assert size == len(block) - 10
    assert id3_block({}) == b""


def test_tags_in_mp3_leave_the_sound_unchanged(tmp_path):
    form = SoundFormat("MP3", "MPEG_LAYER_III")
    plain = write_sound(tmp_path / "a.mp3", noise(2, 20_000), form)
    tagged = write_sound(tmp_path / "b.mp3", noise(2, 20_000), form, tags=ALL)
    assert tagged.read_bytes().endswith(plain.read_bytes())
    assert (read_all(plain) == read_all(tagged)).all()
