"""What the command line says of tags, pictures and tracks that were carried, and of those not."""

import mutagen.flac
import pytest

from making import make_film, music, write_sound
from rich_metadata import COVER, RICH, write_rich
from soundstage.audio import read_metadata

NAMES = [("upmix", "-m", "comb"), ("binaural",)]


def write_tagged(path):
    """A mono FLAC file with a title, a gain and a cover, tagged by mutagen."""
    write_sound(path, music(1, 24_000))
    file = mutagen.flac.FLAC(path)
    file["title"], file["replaygain_track_gain"] = "Nuit", "-3 dB"
    picture = mutagen.flac.Picture()
    picture.data, picture.mime, picture.type = COVER, "image/png", 3
    file.add_picture(picture)
    file.save()
    return path


@pytest.mark.parametrize("arguments", NAMES)
def test_the_receipt_is_printed(command, tmp_path, arguments):
    source = write_tagged(tmp_path / "a.flac")
    code, out, _ = command(*arguments, source, "-o", tmp_path / "b.mp3")
    assert code == 0
    assert "  carried: 1 tag, cover art (PNG, 3 kB)\n" in out
    assert (
        "  not carried: tag replaygain_track_gain: the result has another loudness and peak, "
        "measure it again\n" in out
    )
    found = read_metadata(tmp_path / "b.mp3")
    assert found.tag("title") == "Nuit"
    assert found.pictures[0].data == COVER


@pytest.mark.parametrize("arguments", NAMES)
def test_the_receipt_is_in_the_json(command, records, tmp_path, arguments):
    source = write_tagged(tmp_path / "a.flac")
    code, out, _ = command(*arguments, source, "-o", tmp_path / "b.au", "--json")
    assert code == 0
    (done,) = records(out)["done"]
    assert done["carried"] == []
    assert [line.partition(":")[0] for line in done["not_carried"]] == [
        "tag title",
        "cover art (PNG, 3 kB)",
        "tag replaygain_track_gain",
    ]


def test_the_original_track_is_kept_on_request(command, tmp_path):
    film = make_film(tmp_path / "a.mkv", muxer="matroska", seconds=0.5)
    code, out, _ = command("upmix", film, "-m", "comb", "-o", tmp_path / "b.mkv", "--keep-original")
    assert code == 0
    assert "carried: 2 tags, sound track (aac, fra), picture track (mpeg4)" in out


def test_keeping_the_original_needs_a_film(refused, tmp_path):
    source = write_sound(tmp_path / "a.wav", music(1, 24_000))
    sentence = refused("upmix", source, "-m", "comb", "--keep-original")
    assert "--keep-original puts the sound of a file beside the new one" in sentence


def test_a_bit_rate_makes_a_lossy_file(command, records, tmp_path):
    source = write_sound(tmp_path / "a.wav", music(1, 96_000))
    for rate in (64, 192):
        options = ("-o", tmp_path / f"{rate}.m4a", "--bitrate", rate, "--json")
        code, out, _ = command("upmix", source, "-m", "comb", *options)
        assert code == 0
        assert records(out)["done"][0]["encoding"] == "AAC"
    small, large = ((tmp_path / f"{rate}.m4a").stat().st_size for rate in (64, 192))
    assert large > 1.3 * small


def test_everything_of_a_rich_file_survives_an_upmix(command, tmp_path):
    write_rich(tmp_path / "two.wav", RICH)
    options = ("--downmix", "-m", "comb", "-o", tmp_path / "b.wav")
    code, out, _ = command("upmix", tmp_path / "two.wav", *options)
    assert code == 0
    assert "not carried" not in out
    before, after = (read_metadata(tmp_path / name) for name in ("two.wav", "b.wav"))
    assert after.tags == before.tags
    assert after.pictures == before.pictures
    assert (after.chapters, after.markers) == (before.chapters, before.markers)
    assert [block.name for block in after.blocks] == [block.name for block in before.blocks]
