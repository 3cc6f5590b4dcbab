"""Ogg files of several streams: the comments of each are carried or named."""

from fractions import Fraction

import av
import numpy as np
import pytest

from rich_metadata import write_rich
from soundstage.audio import read_metadata
from soundstage.audio.metadata import Metadata
from soundstage.audio.metadata.ogg import FIRST, Page, paged
from soundstage.audio.metadata.vorbis import write_comments


def make_ogg(path, *comments, picture=None):
    """An Ogg file with a stream of Opus for each set of comments, behind a picture of VP8."""
    with av.open(str(path), "w", format="ogg") as file:
        film = None if picture is None else file.add_stream("libvpx", rate=25)
        if film:
            film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
            film.metadata.update(picture)
        sounds = [file.add_stream("libopus", rate=48_000, layout="mono") for _ in comments]
        for track, each in zip(sounds, comments, strict=True):
            track.metadata.update(each)
        if film:
            image = av.VideoFrame.from_ndarray(np.zeros((72, 64), np.uint8), format="yuv420p")
            image.pts, image.time_base = 0, Fraction(1, 25)
            file.mux([*film.encode(image), *film.encode(None)])
        for track in sounds:
            silence = np.zeros((1, 9600), np.float32)
            frame = av.AudioFrame.from_ndarray(silence, format="flt", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 0
            file.mux([*track.encode(frame), *track.encode(None)])
    return path


def test_comments_of_the_picture_are_those_of_the_film(tmp_path):
    path = make_ogg(
        tmp_path / "a.ogv", {"title": "Sound"}, picture={"title": "Film", "artist": "Someone"}
    )
    receipt = write_rich(tmp_path / "b.flac", read_metadata(path)).receipt
    tags = read_metadata(tmp_path / "b.flac").tags
    assert (tags["title"], tags["artist"]) == (("Sound",), ("Someone",))
    assert receipt.not_carried == (
        "picture track (vp8): FLAC files hold sound only",
        "title 'Film' of the picture track (vp8): FLAC files hold sound only",
    )


def test_several_values_in_a_film_stay_several(tmp_path):
    path = make_ogg(tmp_path / "a.ogv", {}, picture={})
    data = path.read_bytes()
    at = data.index(b"OpusTags")
    start = data.rindex(b"OggS", 0, at)
    end = data.index(b"OggS", at)
    serial, number = (int.from_bytes(data[start + k : start + k + 4], "little") for k in (14, 18))
    block = write_comments(Metadata(tags={"artist": ("One", "Two")}), b"x", pictures=False)
    pages = b"".join(page.packed() for page in paged([b"OpusTags" + block], serial, number))
    path.write_bytes(data[:start] + pages + data[end:])
    assert read_metadata(path).tags["artist"] == ("One", "Two")


def test_a_second_sound_and_its_comments_are_named(tmp_path):
    path = make_ogg(tmp_path / "a.ogg", {"title": "One"}, {"title": "Two"})
    receipt = write_rich(tmp_path / "b.wav", read_metadata(path)).receipt
    assert read_metadata(tmp_path / "b.wav").tags["title"] == ("One",)
    assert receipt.not_carried == (
        "sound track (opus): WAV files hold sound only",
        "title 'Two' of the sound track (opus): WAV files hold sound only",
    )


@pytest.mark.parametrize("count", [1, 3])
def test_ogg_without_known_sound_is_not_searched_to_its_end(tmp_path, count):
    path = tmp_path / "a.ogg"
    first = Page(FIRST, 0, 7, 0, b"\x08", b"unknown!")
    more = [Page(0, k, 7, k, b"\x08", b"anything") for k in range(1, count)]
    path.write_bytes(b"".join(page.packed() for page in [first, *more]))
    assert read_metadata(path) == Metadata()
