from fractions import Fraction

import av
import numpy as np
import pytest

from making import (
    RATE,
    make_film,
    music,
    packets,
    read_all,
    rewrite,
    start_of_sound,
    write_sound,
)
from soundstage.audio import SoundFormat, open_sound
from soundstage.audio.codecs.sinks import Sink
from soundstage.errors import OutputError

FILMS = [  # source, its muxer, picture, sound, result, encoding
    ("a.mp4", "mp4", "libx264", "aac", "b.mp4", "AAC"),
    ("a.mp4", "mp4", "libx264", "aac", "b.mkv", "AAC"),
    ("a.mov", "mov", "libx264", "pcm_s16le", "b.mov", "PCM_16"),
    ("a.mov", "mov", "mpeg4", "aac", "b.mp4", "AAC"),
    ("a.mkv", "matroska", "libx264", "flac", "b.mkv", "PCM_16"),
    ("a.mkv", "matroska", "libx264", "libopus", "b.mkv", "OPUS"),
    ("a.mkv", "matroska", "mpeg4", "aac", "b.mp4", "AAC"),
    ("a.webm", "webm", "libvpx-vp9", "libopus", "b.webm", "OPUS"),
    ("a.avi", "avi", "mpeg4", "pcm_s16le", "b.mkv", "PCM_16"),
]


@pytest.mark.parametrize("delay", [0.0, 0.5])
@pytest.mark.parametrize(("source", "muxer", "video", "sound", "target", "encoding"), FILMS)
def test_the_picture_is_unchanged_and_the_sound_in_sync(
    tmp_path, source, muxer, video, sound, target, encoding, delay
):
    if muxer == "avi" and delay:
        pytest.skip("AVI has no start times")
    source = make_film(tmp_path / source, muxer=muxer, video=video, sound=sound, delay=delay)
    target = tmp_path / target
    form = rewrite(source, target).format
    assert (form.encoding, open_sound(target).channels) == (encoding, 2)
    old, new = packets(source, "video"), packets(target, "video")
    assert [data for data, _, _ in new] == [data for data, _, _ in old]
    shift = new[0][1] - old[0][1]
    assert np.allclose([t for _, t, _ in new], [t + shift for _, t, _ in old], atol=1.1e-3)
    before, after = read_all(source)[0], read_all(target)
    late = start_of_sound(source) - start_of_sound(target) + shift  # of the file's own samples
    exact = encoding == "PCM_16"
    assert abs(lag(after[0], before) / RATE - late) < (1e-6 if exact else 1.1e-3)
    if exact:
        assert np.array_equal(after, [before, before])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_picture_longer_than_its_sound_is_copied_to_its_end(tmp_path, suffix):
    muxer = {".mp4": "mp4", ".mkv": "matroska"}[suffix]
    source = make_film(tmp_path / f"a{suffix}", muxer=muxer, seconds=4, sound_seconds=1)
    rewrite(source, tmp_path / f"b{suffix}")
    new = packets(tmp_path / f"b{suffix}", "video")
    assert len(new) == 100
    assert new == packets(source, "video")


def lag(longer, shorter):
    """Samples by which the first is late, by cross-correlation."""
    size = 1 << (longer.size + shorter.size).bit_length()
    product = np.fft.rfft(longer, size) * np.fft.rfft(shorter, size).conj()
    place = int(np.argmax(np.fft.irfft(product)))
    return place if place < size // 2 else place - size


CHAPTERS = [
    {
        "id": number,
        "start": number * 700,
        "end": number * 700 + 700,
        "time_base": Fraction(1, 1000),
        "metadata": {"title": title},
    }
    for number, title in enumerate(("One", "Two"))
]


def test_language_title_subtitles_chapters_and_fonts_are_kept(tmp_path):
    plain = make_film(tmp_path / "a.mkv", muxer="matroska")
    rich = tmp_path / "rich.mkv"
    with av.open(str(plain)) as old, av.open(str(rich), "w", format="matroska") as new:
        new.metadata.update(old.metadata)
        copies = {s.index: new.add_stream_from_template(s) for s in old.streams}
        copies[1].metadata["language"] = "fra"
        lines = new.add_mux_stream("subrip")
        lines.metadata["language"] = "deu"
        new.set_chapters(CHAPTERS)
        new.add_attachment("font.ttf", "application/x-truetype-font", b"glyphs")
        for number, packet in enumerate(p for p in old.demux() if p.size):
            packet.stream = copies[packet.stream.index]
            new.mux(packet)
            if number % 40 == 0:
                line = av.Packet(b"Bonjour")
                line.stream, line.time_base = lines, packet.time_base
                line.pts = line.dts = packet.pts
                line.duration = 500
                new.mux(line)
    result = tmp_path / "b.mkv"
    rewrite(rich, result)
    assert packets(result, "subtitle") == packets(rich, "subtitle") != []
    with av.open(str(result)) as film:
        assert film.metadata["title"] == "Métropolis"
        kinds = {stream.type: stream.metadata.get("language") for stream in film.streams}
        assert (kinds["audio"], kinds["subtitle"]) == ("fra", "deu")
        assert [c["metadata"]["title"] for c in film.chapters()] == ["One", "Two"]
        assert bytes(film.streams.attachments[0].data) == b"glyphs"
    assert open_sound(result).metadata.tag("title") == "Métropolis"


def test_the_cover_of_an_m4a_is_kept(tmp_path):
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="mp4") as file:
        track = file.add_stream("aac", rate=RATE, layout="mono")
        cover = file.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic.value
        image = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 90, np.uint8), format="rgb24")
        image.pts, image.time_base = 0, Fraction(1)
        file.mux(cover.encode(image))
        sound = av.AudioFrame.from_ndarray(music(1, 9000), format="fltp", layout="mono")
        sound.sample_rate, sound.pts = RATE, 0
        file.mux([*track.encode(sound), *track.encode(None)])
    result = tmp_path / "b.m4a"
    rewrite(path, result)
    with av.open(str(path)) as old, av.open(str(result)) as new:
        assert new.streams.video[0].disposition == av.stream.Disposition.attached_pic
        covers = [next(file.demux(video=0)) for file in (old, new)]
        assert bytes(covers[0]) == bytes(covers[1]) != b""
    assert read_all(path).shape[1] == read_all(result).shape[1] == 9000


def test_a_second_sound_track_is_copied(tmp_path):
    film = make_film(tmp_path / "a.mkv", muxer="matroska")
    other = write_sound(tmp_path / "c.mka", music(1, 48_000), SoundFormat("MATROSKA", "OPUS"))
    both = tmp_path / "both.mkv"
    with (
        av.open(str(film)) as one,
        av.open(str(other)) as two,
        av.open(str(both), "w", format="matroska") as new,
    ):
        copies = {s: new.add_stream_from_template(s) for s in (*one.streams, *two.streams)}
        for packet in [p for c in (one, two) for p in c.demux() if p.size]:
            packet.stream = copies[packet.stream]
            new.mux(packet)
    result = tmp_path / "b.mkv"
    rewrite(both, result)
    with av.open(str(result)) as film:
        assert [s.codec_context.name for s in film.streams.audio] == ["aac", "opus"]
    copied = [data for data, _, _ in packets(result, "audio")]
    assert {data for data, _, _ in packets(other, "audio")} <= set(copied)


@pytest.mark.parametrize(("target", "reason"), [("b.webm", "WEBM"), ("b.mov", "MOV")])
def test_an_unsupported_picture_is_refused(tmp_path, target, reason):
    video, suffix = ("mpeg4", "mkv") if "webm" in target else ("libvpx-vp9", "webm")
    source = make_film(
        tmp_path / f"a.{suffix}",
        muxer={"mkv": "matroska"}.get(suffix, suffix),
        video=video,
        sound="libopus",
        seconds=0.4,
    )
    with pytest.raises(OutputError, match=rf"{reason}.*choose the suffix of the source"):
        rewrite(source, tmp_path / target)
    assert not (tmp_path / target).exists()


def test_a_gap_in_the_time_stamps_becomes_silence(tmp_path):
    path = tmp_path / "a.mkv"
    samples = np.ones((1, RATE), np.float32) * 0.25
    with av.open(str(path), "w", format="matroska") as film:
        track = film.add_stream("pcm_f32le", rate=RATE, layout="mono")
        for start in (0, 2 * RATE):
            frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            film.mux(track.encode(frame))
        film.mux(track.encode(None))
    got = read_all(path)[0]
    assert got.size == 3 * RATE
    assert np.all(got[:RATE] == 0.25)
    assert not got[RATE : 2 * RATE].any()
    assert np.all(got[2 * RATE :] == 0.25)


@pytest.mark.parametrize("frames", [1, 1023, 1025, 48_001])
@pytest.mark.parametrize("encoding", ["AAC", "ALAC_16"])
def test_m4a_has_its_exact_length(tmp_path, frames, encoding):
    form = SoundFormat("MP4", encoding)
    path = write_sound(tmp_path / "a.m4a", music(2, frames), form)
    assert open_sound(path).frames == read_all(path).shape[1] == frames


def test_aac_is_accurate(tmp_path):
    samples = music(2, 48_000)
    got = read_all(write_sound(tmp_path / "a.m4a", samples, SoundFormat("MP4", "AAC")))
    error = np.sqrt(np.mean((got - samples) ** 2) / np.mean(samples**2))
    assert 20 * np.log10(error) < -30


@pytest.mark.parametrize("form", [SoundFormat("MP4", "AAC"), SoundFormat("MATROSKA", "PCM_16")])
def test_an_interrupt_within_ffmpeg_is_not_lost(tmp_path, monkeypatch, form):
    path = write_sound(tmp_path / "a", music(2, 1000), form)
    before = path.read_bytes()
    calls = []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(*arguments)

    whole = Sink._put
    monkeypatch.setattr(Sink, "_put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_sound(path, music(2, 96_000), form, overwrite=True)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
