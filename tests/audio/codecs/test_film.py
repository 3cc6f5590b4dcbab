"""Films: what a copied stream keeps, the original sound beside the new one, lossless tracks."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from making import RATE, make_film, music, packets, read_all, rewrite
from soundstage.audio import open_sound, read_metadata
from soundstage.errors import OptionError, OutputError

Disposition = av.stream.Disposition


def make_tracks(path, *, muxer, video="libx265", sound="aac", tag=None, timecode=None):
    """A film of one second with two mono tracks, the second the default."""
    layouts = {"aac": "fltp", "flac": "s16", "pcm_s24le": "s32", "alac": "s16p"}
    with av.open(str(path), "w", format=muxer) as film:
        film.metadata["title"] = "Film"
        film.metadata["creation_time"] = "1999-01-20T12:30:00.000000Z"
        picture = film.add_stream(video, rate=25, options={"x265-params": "log-level=none"})
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        if tag:
            picture.codec_context.codec_tag = tag
        if timecode:
            picture.metadata["timecode"] = timecode
        tracks = []
        kinds = [("eng", Disposition.comment), ("fra", Disposition.default | Disposition.forced)]
        for language, disposition in kinds:
            track = film.add_stream(sound, rate=RATE, layout="mono", format=layouts[sound])
            track.metadata.update({"language": language, "title": f"Piste {language}"})
            track.disposition = disposition.value
            tracks.append(track)
        for k in range(25):
            planes = np.full((72, 64), 10 * k, np.uint8)
            image = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            image.pts, image.time_base = k, Fraction(1, 25)
            film.mux(picture.encode(image))
        film.mux(picture.encode(None))
        samples = music(2, RATE)
        for track, channel in zip(tracks, samples, strict=True):
            part = channel[None]
            if layouts[sound] != "fltp":
                kind = np.int16 if "16" in layouts[sound] else np.int32
                part = np.rint(part * np.iinfo(kind).max / 2).astype(kind)
            frame = av.AudioFrame.from_ndarray(part, format=layouts[sound], layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            film.mux(track.encode(frame))
            film.mux(track.encode(None))
    return path


def facts(path):
    """Kind, codec tag, dispositions, language and title of the streams of a film."""
    with av.open(str(path)) as film:
        return [
            (
                stream.type,
                stream.codec_context and stream.codec_context.name,
                stream.disposition.value,
                stream.metadata.get("language"),
                stream.metadata.get("title") or stream.metadata.get("name"),
            )
            for stream in film.streams
        ]


def tag_of(path):
    with av.open(str(path)) as film:
        return film.streams.video[0].codec_context.codec_tag


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_hevc_stays_what_the_players_of_apple_accept(tmp_path, suffix):
    muxer = suffix[1:]
    source = make_tracks(tmp_path / f"a{suffix}", muxer=muxer, tag="hvc1")
    rewrite(source, tmp_path / f"b{suffix}")
    assert tag_of(tmp_path / f"b{suffix}") == "hvc1"
    assert packets(tmp_path / f"b{suffix}", "video") == packets(source, "video")


def test_hevc_from_matroska_becomes_what_the_players_of_apple_accept(tmp_path):
    source = make_tracks(tmp_path / "a.mkv", muxer="matroska")
    rewrite(source, tmp_path / "b.mp4")
    assert tag_of(tmp_path / "b.mp4") == "hvc1"


@pytest.mark.parametrize(("suffix", "muxer"), [(".mp4", "mp4"), (".mkv", "matroska")])
def test_dispositions_languages_titles_and_the_order_of_tracks_are_kept(tmp_path, suffix, muxer):
    source = make_tracks(tmp_path / f"a{suffix}", muxer=muxer, video="mpeg4")
    receipt = rewrite(source, tmp_path / f"b{suffix}").receipt
    assert facts(tmp_path / f"b{suffix}") == facts(source)
    assert receipt.lost == ()
    with av.open(str(tmp_path / f"b{suffix}")) as film:
        assert film.metadata["creation_time"].startswith("1999-01-20T12:30:00")
        assert [len(stream.codec_context.layout.channels) for stream in film.streams.audio] == [
            1,
            2,
        ]


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_the_time_code_is_kept(tmp_path, suffix):
    source = make_tracks(tmp_path / f"a{suffix}", muxer=suffix[1:], timecode="01:02:03:04")
    receipt = rewrite(source, tmp_path / f"b{suffix}").receipt
    if not copies_have_a_frame_rate(source):  # without it FFmpeg writes no track of time codes
        why = f"it could not be copied into a {suffix[1:].upper()} file"
        assert receipt.not_carried == (f"time code 01:02:03:04: {why}",)
        return
    assert "time code 01:02:03:04" in receipt.carried
    with av.open(str(tmp_path / f"b{suffix}")) as film:
        assert film.streams.video[0].metadata["timecode"] == "01:02:03:04"
        assert [s.metadata["timecode"] for s in film.streams if s.type == "data"] == ["01:02:03:04"]


def copies_have_a_frame_rate(source) -> bool:
    """Whether this PyAV can copy the frame rate of a stream: since version 18."""
    with av.open(str(source)) as film, av.open(io.BytesIO(), "w", format="mov") as output:
        copy = output.add_stream_from_template(film.streams.video[0])
        output.start_encoding()
        return copy.average_rate is not None


def test_the_time_code_is_kept_as_a_tag_in_matroska(tmp_path):
    source = make_tracks(tmp_path / "a.mov", muxer="mov", video="mpeg4", timecode="01:02:03:04")
    receipt = rewrite(source, tmp_path / "b.mkv").receipt
    assert "time code 01:02:03:04" in receipt.carried
    with av.open(str(tmp_path / "b.mkv")) as film:
        assert film.streams.video[0].metadata["TIMECODE"] == "01:02:03:04"


def test_a_time_code_that_is_only_a_tag_is_accounted_for(tmp_path):
    source = make_tracks(
        tmp_path / "a.mkv", muxer="matroska", video="mpeg4", timecode="01:02:03:04"
    )
    receipt = rewrite(source, tmp_path / "b.mp4").receipt
    place = receipt.carried if copies_have_a_frame_rate(source) else receipt.not_carried
    assert any(line.startswith("time code 01:02:03:04") for line in place)
    receipt = rewrite(source, tmp_path / "b.flac").receipt
    assert "time code 01:02:03:04: FLAC files hold sound only" in receipt.not_carried


@pytest.mark.parametrize(
    ("source", "muxer", "sound", "target"),
    [
        ("a.mp4", "mp4", "aac", "b.mp4"),
        ("a.mkv", "matroska", "flac", "b.mkv"),
        ("a.mov", "mov", "pcm_s24le", "b.mov"),
        ("a.mp4", "mp4", "aac", "b.mkv"),
    ],
)
def test_the_original_sound_stays_beside_the_new_one(tmp_path, source, muxer, sound, target):
    source = make_tracks(tmp_path / source, muxer=muxer, video="mpeg4", sound=sound)
    receipt = rewrite(source, tmp_path / target, keep_original=True).receipt

    def content(path, track):
        with av.open(str(path)) as film:
            return [bytes(p) for p in film.demux(film.streams.audio[track]) if p.size]

    with av.open(str(tmp_path / target)) as film:
        channels = [len(stream.codec_context.layout.channels) for stream in film.streams.audio]
        defaults = [bool(s.disposition & Disposition.default) for s in film.streams.audio]
    assert channels == [1, 2, 1]
    assert defaults == [False, True, False]
    assert content(tmp_path / target, 2) == content(source, 1)
    assert any(line.endswith(", fra)") for line in receipt.carried)
    assert open_sound(tmp_path / target).channels == 2


def test_the_original_cannot_stay_in_a_file_of_one_track(tmp_path):
    source = make_tracks(tmp_path / "a.mkv", muxer="matroska", video="mpeg4")
    with pytest.raises(OptionError, match=r"`keep_original`.*choose one of them"):
        rewrite(source, tmp_path / "b.flac", keep_original=True)
    assert not (tmp_path / "b.flac").exists()


@pytest.mark.parametrize(
    ("source", "muxer", "sound", "target", "encoding"),
    [
        ("a.mkv", "matroska", "flac", "b.mkv", "PCM_16"),
        ("a.mkv", "matroska", "flac", "b.mp4", "ALAC_16"),
        ("a.mov", "mov", "pcm_s24le", "b.mov", "PCM_24"),
        ("a.mov", "mov", "alac", "b.mkv", "PCM_16"),
        ("a.mov", "mov", "alac", "b.mp4", "ALAC_16"),
        ("a.mp4", "mp4", "flac", "b.mp4", "ALAC_16"),
    ],
)
def test_a_lossless_track_stays_lossless(tmp_path, source, muxer, sound, target, encoding):
    source = make_tracks(tmp_path / source, muxer=muxer, video="mpeg4", sound=sound)
    rewrite(source, tmp_path / target)
    assert open_sound(tmp_path / target).format.encoding == encoding
    before = read_all(source)[0]
    assert np.array_equal(read_all(tmp_path / target), [before, before])


@pytest.mark.parametrize("name", ["file:x:1.mp4", "http:b%d.mkv", "-b .mov", "pipe:1.mka"])
def test_names_of_films_are_never_taken_for_addresses(tmp_path, monkeypatch, name):
    source = make_film(tmp_path / "a.mp4", muxer="mp4", seconds=0.4)
    monkeypatch.chdir(tmp_path)
    odd = tmp_path / ("c:" + source.name)
    source.rename(odd)
    target = tmp_path / name
    assert rewrite(odd, target).receipt.lost == ()
    assert read_metadata(target).tag("title") == "Métropolis"
    assert len(packets_by_file(target)) == 10


def packets_by_file(path):
    with path.open("rb") as file, av.open(file) as film:
        return [packet for packet in film.demux(video=0) if packet.size]


def test_tracks_that_a_sound_file_cannot_hold_are_named(tmp_path):
    source = make_tracks(tmp_path / "a.mkv", muxer="matroska", video="mpeg4")
    receipt = rewrite(source, tmp_path / "b.flac").receipt
    assert receipt.not_carried == (
        "picture track (mpeg4): FLAC files hold sound only",
        "sound track (aac, eng): FLAC files hold sound only",
        "title 'Piste eng' of the sound track (aac, eng): FLAC files hold sound only",
    )
    assert read_metadata(tmp_path / "b.flac").tags["language"] == ("fra",)


def test_a_refusal_names_the_source_and_never_the_hidden_file(tmp_path):
    source = make_tracks(tmp_path / "a.mkv", muxer="matroska", video="mpeg4")
    with pytest.raises(OutputError) as error:
        rewrite(source, tmp_path / "b.webm")
    assert ".part" not in str(error.value)
    assert str(source) in str(error.value)
