import json
import math
import tracemalloc
from dataclasses import asdict, replace

import numpy as np
import pytest
import soundfile

from making import make_film, packets
from sounds import decibels, song
from soundstage.audio import Audio, open_sound
from soundstage.binaural import (
    HrtfRenderer,
    ShoeBox,
    Source,
    Trajectory,
    constant,
    fly_by,
    load_hrtf,
    orbit,
    read_scene,
    render_file,
    scenes,
    sources_of,
)
from soundstage.binaural.binaural_files import BinauralReport
from soundstage.binaural.renderers import render
from soundstage.errors import InputError, OptionError, OutputError
from spheres import grid, sphere_head

RATE = 22_050


@pytest.fixture(scope="module")
def renderer():
    return HrtfRenderer(sphere_head(grid(30), rate=RATE))


@pytest.fixture(scope="module")
def kemar():
    return HrtfRenderer(load_hrtf())


def music(seconds=0.5, rate=RATE, level=0.3, seed=0):
    sound = song(int(seconds * rate), rate=rate, seed=seed).numpy()
    return (level * sound / np.abs(sound).max()).astype(np.float32)


def written(path, samples, rate=RATE, subtype="FLOAT"):
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def rendered(folder, sources, renderer, *, name="out.wav", **options):
    """The samples of `render_file`, (2, frames), and its report."""
    report = render_file(sources, folder / name, renderer, overwrite=True, **options)
    return soundfile.read(folder / name, dtype="float32", always_2d=True)[0].T, report


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("trajectory", [constant(70.0, 20.0), orbit(0.4, 0.5, radius=2.0)])
def test_a_file_equals_rendering_in_memory_with_and_without_tail(tmp_path, renderer, trajectory):
    mono = music()
    sources = sources_of(written(tmp_path / "mono.wav", mono), trajectory)
    whole, report = rendered(tmp_path, sources, renderer)
    tail = renderer.stream(trajectory, RATE).tail
    assert np.array_equal(whole, render(mono, trajectory, RATE, renderer))
    assert report.frames == whole.shape[1] == len(mono) + tail
    cut, report = rendered(tmp_path, sources, renderer, tail=False)
    assert report.frames == cut.shape[1] == len(mono)
    assert np.array_equal(cut, whole[:, : len(mono)])


@pytest.mark.parametrize("rate", [8_000, 192_000])
def test_the_sample_rate_is_kept(tmp_path, renderer, rate):
    mono = music(0.2, rate)
    ears, report = rendered(
        tmp_path, sources_of(written(tmp_path / "m.wav", mono, rate), constant(90.0)), renderer
    )
    assert report.rate == soundfile.info(tmp_path / "out.wav").samplerate == rate
    assert decibels(ears[0], ears[1]) > 3
    assert report.frames == ears.shape[1] > len(mono)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "DOUBLE"])
def test_the_bit_depth_is_kept(tmp_path, renderer, subtype):
    source = sources_of(written(tmp_path / "m.wav", music(), subtype=subtype), constant(40.0))
    exact, _ = rendered(tmp_path, source, renderer, bit_depth="float")
    ears, report = rendered(tmp_path, source, renderer)
    assert report.encoding == soundfile.info(tmp_path / "out.wav").subtype == subtype
    assert report.gain_db == 0
    step = {"PCM_U8": 2**-7, "PCM_16": 2**-15}.get(subtype, 2**-23)
    assert np.abs(ears - exact).max() <= 1.51 * step


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".opus", ".m4a"])
def test_formats_are_read_and_written(tmp_path, renderer, suffix):
    rate = 48_000
    first = tmp_path / "m.wav"
    written(first, music(0.5, rate, level=0.99), rate, "PCM_16")
    middle, last = tmp_path / f"middle{suffix}", tmp_path / f"last{suffix}"
    render_file(sources_of(first, constant(90.0)), middle, renderer)
    report = render_file(sources_of(middle), last, renderer)  # on two loudspeakers
    ears = Audio.read(last)
    assert (ears.channels, ears.rate) == (2, rate)
    assert decibels(ears.samples[0], ears.samples[1]) > 1
    assert abs(ears.frames - report.frames) < 0.1 * rate
    assert report.sources == [str(middle)] * 2


def test_integer_formats_are_attenuated_instead_of_clipped(tmp_path, renderer):
    source = sources_of(written(tmp_path / "m.wav", music(level=2.5)), constant(90.0, radius=0.5))
    loud, plain = rendered(tmp_path, source, renderer)
    assert (plain.gain_db, plain.encoding) == (0, "FLOAT")
    assert np.abs(loud).max() > 1
    assert plain.true_peak_db > 0
    for depth, step in (("16", 2**-15), ("24", 2**-23)):
        ears, report = rendered(tmp_path, source, renderer, bit_depth=depth)
        assert report.gain_db < -3
        assert report.true_peak_db <= 1e-6
        assert np.abs(ears).max() < 1
        gain = 10 ** (report.gain_db / 20)
        assert np.abs(ears - gain * loud).max() <= 2 * step
        assert "attenuated" in report.sentence()


def test_lossy_formats_are_written_below_full_scale(tmp_path, renderer):
    source = sources_of(written(tmp_path / "m.wav", music(level=2.5)), constant(90.0, radius=0.5))
    report = render_file(source, tmp_path / "out.ogg", renderer)
    assert report.gain_db < -3
    assert report.true_peak_db <= 1e-6


@pytest.mark.parametrize("trajectory", [constant(30.0), fly_by(20.0, 2.0, 2.0)])
@pytest.mark.parametrize("name", ["out.wav", "out.flac"])
def test_block_sizes_do_not_matter(tmp_path, renderer, monkeypatch, trajectory, name):
    mono = written(tmp_path / "m.wav", music(2.0, 8_000), 8_000)
    other = written(tmp_path / "n.flac", music(1.0, seed=1), subtype="PCM_16")
    contents = []
    for size in (1 << 16, 999, 20_001):
        monkeypatch.setattr(scenes, "READ_FRAMES", size)
        sources = [*sources_of(mono, trajectory), *sources_of(other, start=0.7)]
        contents.append(rendered(tmp_path, sources, renderer, name=name)[0])
    assert np.array_equal(contents[0], contents[1])
    assert np.array_equal(contents[0], contents[2])


def test_a_scene_is_the_sum_of_its_sources(tmp_path, renderer):
    """With different rates, lengths, starts and distances."""
    written(tmp_path / "a.wav", music(0.4))
    written(tmp_path / "b.wav", music(0.3, 8_000, seed=1), 8_000)
    written(tmp_path / "c.wav", music(0.5, seed=2))
    (tmp_path / "path.csv").write_text("time,x,y,z\n0,5,-3,0\n1,-5,-3,1\n")
    entries = [
        {"file": "a.wav", "azimuth": 90, "distance": 1.0},
        {"file": "b.wav", "azimuth": -30, "distance": 4.0, "gain": -6, "start": 0.35},
        {"file": "c.wav", "trajectory": "path.csv", "start": 0.2},
    ]
    path = tmp_path / "scene.json"
    path.write_text(json.dumps({"sources": entries}))
    sources = read_scene(path).sources
    whole, _ = rendered(tmp_path, sources, renderer)
    expected = np.zeros_like(whole, dtype=float)
    ends = []
    for source in sources:
        start = round(source.start * RATE)
        since_start = source.trajectory.delayed(-start / RATE)
        stream = renderer.stream(since_start, RATE, no_delay=1.0)
        sound = np.concatenate(list(source.blocks(RATE)), axis=1)[0]
        part = np.concatenate([stream.push(sound), stream.finish()], axis=1)
        expected[:, start : start + part.shape[1]] += part
        ends.append(start + len(sound))
        assert start + part.shape[1] <= whole.shape[1]
    assert decibels(whole - expected, expected) < -130
    cut, _ = rendered(tmp_path, sources, renderer, tail=False)
    assert cut.shape[1] == max(ends)
    assert np.array_equal(cut, whole[:, : max(ends)])


def test_without_tail_a_scene_keeps_reverberation_before_its_end(tmp_path):
    """The reverberation of a click beside a longer silence lasts until its end."""
    room = HrtfRenderer(sphere_head(grid(45), rate=8_000), room=ShoeBox((5.0, 4.0, 3.0), 0.5))
    click = written(tmp_path / "click.wav", np.ones(1), 8_000)
    quiet = written(tmp_path / "quiet.wav", np.zeros(4_000), 8_000)
    sources = [*sources_of(click, constant(30.0)), *sources_of(quiet, constant(0.0))]
    whole, _ = rendered(tmp_path, sources, room)
    cut, _ = rendered(tmp_path, sources, room, tail=False)
    assert cut.shape[1] == 4_000 < whole.shape[1]
    assert np.array_equal(cut, whole[:, :4_000])
    assert np.abs(cut[:, 3_000:]).max() > 0


@pytest.mark.parametrize("trajectory", [constant(50.0, 10.0), orbit(1.5, 1.0, start_azimuth=20.0)])
def test_a_mirrored_trajectory_swaps_the_ears_of_kemar(tmp_path, kemar, trajectory):
    mirror = np.array([1, -1, 1])
    mono = written(tmp_path / "m.wav", music(0.4))
    ears, _ = rendered(tmp_path, sources_of(mono, trajectory), kemar)
    mirrored = Trajectory(
        trajectory.times, trajectory.positions * mirror, along_sphere=trajectory.along_sphere
    )
    swapped, _ = rendered(tmp_path, sources_of(mono, mirrored), kemar)
    assert decibels(swapped[::-1] - ears, ears) < -80
    assert decibels(ears[0] - ears[1], ears[1]) > -10


def test_swapped_channels_swap_the_ears(tmp_path, kemar):
    stereo = np.stack([music(0.4), music(0.4, seed=1)], axis=1)
    sounds = (written(tmp_path / "a.wav", stereo), written(tmp_path / "b.wav", stereo[:, ::-1]))
    plain, swapped = (rendered(tmp_path, sources_of(each), kemar)[0] for each in sounds)
    assert decibels(swapped[::-1] - plain, plain) < -80


def test_memory_does_not_grow_with_the_file(tmp_path):
    """The result of the longest file is 8 MB larger."""
    renderer = HrtfRenderer(sphere_head(grid(45), rate=8_000))
    peaks = []
    for seconds in (10, 30, 150):
        long = written(tmp_path / "m.wav", music(seconds, 8_000), 8_000, "PCM_16")
        tracemalloc.start()
        render_file(sources_of(long, constant(30.0)), tmp_path / f"{seconds}.wav", renderer)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 5e5


def test_report_and_progress_are_complete(tmp_path, renderer):
    source = written(tmp_path / "m.wav", music(), subtype="PCM_24")
    for depth in ("float", None):
        fractions = []
        _, report = rendered(
            tmp_path,
            sources_of(source),
            renderer,
            method="hrtf",
            bit_depth=depth,
            progress=fractions.append,
        )
        assert fractions == sorted(fractions)
        assert fractions[-1] == pytest.approx(1)
        assert report.sources == [str(source)]
        assert (report.target, report.method) == (str(tmp_path / "out.wav"), "hrtf")
        assert report.container == "WAV"
        assert report.seconds > 0
        peak = 20 * math.log10(np.abs(soundfile.read(tmp_path / "out.wav")[0]).max())
        assert peak - 0.1 <= report.true_peak_db < peak + 3
    assert report.encoding == "PCM_24"


def test_silence_stays_silent(tmp_path, renderer):
    source = sources_of(written(tmp_path / "m.wav", np.zeros(2_000), subtype="PCM_16"))
    ears, report = rendered(tmp_path, source, renderer)
    assert not ears.any()
    assert report.as_dict()["true_peak_db"] is None


def test_tags_of_a_single_file_are_kept(tmp_path, renderer):
    path = tmp_path / "m.flac"
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
        file.title = "Title"
        file.write(np.stack([music(), music(seed=1)], axis=1))
    other = written(tmp_path / "n.wav", music())
    rendered(tmp_path, sources_of(path), renderer, name="one.flac")
    assert open_sound(tmp_path / "one.flac").metadata.tag("title") == "Title"
    rendered(tmp_path, [*sources_of(path), *sources_of(other)], renderer, name="two.flac")
    assert "title" not in open_sound(tmp_path / "two.flac").metadata.tags


def test_a_film_with_one_sound_keeps_its_video(tmp_path, renderer):
    film = make_film(tmp_path / "film.mp4", muxer="mp4", seconds=1)
    other = written(tmp_path / "n.wav", music())
    render_file(sources_of(film, constant(60.0)), tmp_path / "out.mp4", renderer)
    pictures = [content for content, _, _ in packets(film, "video")]
    assert [content for content, _, _ in packets(tmp_path / "out.mp4", "video")] == pictures
    assert open_sound(tmp_path / "out.mp4").channels == 2
    several = [*sources_of(film), *sources_of(other)]
    for name, sources in (("two", several), ("late", sources_of(film, start=0.5))):
        render_file(sources, tmp_path / f"{name}.mp4", renderer)
        assert packets(tmp_path / f"{name}.mp4", "video") == []


def refused(kind, folder, renderer):
    """Try to render; no file may change."""
    source = sources_of(folder / "m.wav")
    target = folder / "out.wav"
    if kind == "no source":
        source = []
    elif kind == "existing target":
        target.write_bytes(b"precious")
    elif kind == "source as target":
        target = folder / "m.wav"
    elif kind == "link to a source as target":
        target.symlink_to(folder / "m.wav")
    elif kind == "file as folder":
        target = folder / "m.wav" / "out.wav"
    elif kind == "unknown format":
        target = folder / "out.xyz"
    elif kind == "source outside of the room":
        renderer = HrtfRenderer(
            sphere_head(grid(45), rate=RATE), room=ShoeBox((4.0, 4.0, 3.0), 0.3)
        )
        source = sources_of(folder / "m.wav", constant(0.0, radius=2.5))
    elif kind == "nan":
        sound = music()
        sound[-5] = np.nan
        source = sources_of(written(folder / "nan.wav", sound))
    elif kind == "file that was cut short meanwhile":
        path = folder / "cut.flac"
        written(path, np.random.default_rng(0).uniform(-1, 1, 50_000), subtype="PCM_16")
        source = sources_of(path)
        path.write_bytes(path.read_bytes()[:60_000])
    before = {path: path.read_bytes() for path in folder.iterdir()}
    overwrite = "as target" in kind
    with pytest.raises((InputError, OptionError, OutputError)) as error:
        render_file(source, target, renderer, overwrite=overwrite)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    return error


@pytest.mark.parametrize(
    ("kind", "family", "reason"),
    [
        ("no source", OptionError, "no source"),
        ("existing target", OutputError, "exists"),
        ("source as target", OutputError, "one of the sources"),
        ("link to a source as target", OutputError, "one of the sources"),
        ("file as folder", OutputError, "is not a folder"),
        ("unknown format", OptionError, "xyz"),
        ("source outside of the room", OptionError, "walls"),
        ("nan", InputError, "not finite"),
        ("file that was cut short meanwhile", InputError, "cut"),
    ],
)
def test_a_refusal_leaves_all_files_unchanged(tmp_path, renderer, kind, family, reason):
    written(tmp_path / "m.wav", music())
    error = refused(kind, tmp_path, renderer)
    assert error.type is family or issubclass(error.type, family)
    assert reason in str(error.value)


@pytest.mark.parametrize("depth", ["16", "float"])
def test_an_interruption_leaves_no_file(tmp_path, renderer, depth):
    source = sources_of(written(tmp_path / "m.wav", music(3.0)))
    (tmp_path / "out.wav").write_bytes(b"precious")

    def stop(part):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rendered(tmp_path, source, renderer, bit_depth=depth, progress=stop)
    assert names(tmp_path) == ["m.wav", "out.wav"]
    assert (tmp_path / "out.wav").read_bytes() == b"precious"


def test_the_tail_counts_for_the_4_gb_limit_of_wav(tmp_path, renderer, monkeypatch):
    """A file that exceeds the limit by its tail only must start as RF64."""
    from soundstage.audio.codecs import sndfile_writer as sndfile_writing

    mono = music(1.0)
    source = sources_of(written(tmp_path / "m.wav", mono))
    monkeypatch.setattr(sndfile_writing, "MAX_BYTES", 8 * len(mono) + 40)
    ears, _ = rendered(tmp_path, source, renderer)
    assert ears.shape[1] > len(mono)
    assert (tmp_path / "out.wav").read_bytes()[:4] == b"RF64"


def test_a_source_does_not_change_beside_a_farther_one(tmp_path, renderer):
    mono = open_sound(written(tmp_path / "m.wav", music()))
    far = Source(mono, constant(-90.0, radius=300.0), gain=0.0)
    near = Source(mono, constant(45.0))
    alone, _ = rendered(tmp_path, [near], renderer)
    both, _ = rendered(tmp_path, [far, near], renderer)
    assert both.shape[1] - alone.shape[1] == pytest.approx(298.5 / 343 * RATE, abs=1)
    assert decibels(both[:, : alone.shape[1]] - alone, alone) < -130


REPORT = BinauralReport(
    sources=["voice.wav"],
    target="out.wav",
    source_rate=48_000,
    rate=48_000,
    frames=96_000,
    container="WAV",
    encoding="PCM_16",
    method="hrtf",
    gain_db=0.0,
    true_peak_db=-3.0,
    seconds=0.5,
)


def test_the_sentence_of_a_report_names_sources_and_attenuation_if_any():
    assert REPORT.sentence() == "out.wav: 2.0 s, PCM_16 (0.250 of real time)"
    sentence = replace(REPORT, sources=["a.wav", "b.wav", "b.wav"], gain_db=-2.345).sentence()
    assert "3 sources" in sentence
    assert "attenuated by 2.3 dB" in sentence


def test_a_report_in_json_has_no_infinity():
    report = replace(REPORT, true_peak_db=-math.inf)
    found = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert found.pop("real_time_factor") == pytest.approx(0.25)
    lists = {"carried": [], "not_carried": []}
    assert found == asdict(REPORT) | {"true_peak_db": None} | lists
