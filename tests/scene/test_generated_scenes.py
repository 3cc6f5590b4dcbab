"""`soundstage.generate`: directions, loops, takes, and the scene file that renders again."""

import numpy as np
import pytest
import soundfile

import soundstage
import stand_in_sources
from soundstage.audio import Audio
from soundstage.binaural import load_renderer, read_scene, render_file
from soundstage.errors import OptionError
from soundstage.scene import GenerateOptions, SceneDescription, SceneEvent, SceneGenerator, Waypoint
from soundstage.scene.take_work import TakeWork
from soundstage.scene.takes import Take, plan_takes
from spheres import grid, sphere_head, write_sofa

RATE = 16_000
ORBIT = (Waypoint(0, 0, 0, 2), Waypoint(1, 360, 0, 2))
PASS = (Waypoint(0, 80, 0, 8), Waypoint(0.5, 0, 0, 3), Waypoint(1, -80, 0, 8))


@pytest.fixture(scope="module")
def hrtf(tmp_path_factory):
    return str(write_sofa(tmp_path_factory.mktemp("hrtf") / "head.sofa", sphere_head(grid(45))))


@pytest.fixture(autouse=True)
def source(monkeypatch):
    return stand_in_sources.use(monkeypatch)


def generator(hrtf, **options):
    return SceneGenerator(GenerateOptions(rate=RATE, hrtf=hrtf, **options))


def ears(hrtf, *events, seed=0, seconds=None, **options):
    """The sound of a scene."""
    making = generator(hrtf, **options)
    return making.render(making.compose(SceneDescription(events, seconds=seconds), seed=seed))


def left_over_right(audio):
    left, right = np.square(audio.samples).sum(axis=1)
    return 10 * np.log10(left / right)


@pytest.mark.parametrize(("azimuth", "side"), [(90.0, 1), (-90.0, -1), (0.0, 0)])
@pytest.mark.parametrize("source_name", ["auto", "dualspec"])
def test_a_sound_is_where_the_description_says(hrtf, azimuth, side, source_name):
    audio = ears(hrtf, SceneEvent("dog barking", azimuth=azimuth), source=source_name)
    assert (audio.channels, audio.rate) == (2, RATE)
    if side:
        assert side * left_over_right(audio) > 3
    else:
        assert abs(left_over_right(audio)) < 0.5


def test_a_moving_sound_passes_from_left_to_right(hrtf):
    audio = ears(hrtf, SceneEvent("car", trajectory=PASS))
    half = audio.frames // 2
    parts = [Audio(audio.samples[:, :half], RATE), Audio(audio.samples[:, half:], RATE)]
    assert left_over_right(parts[0]) > 1 > -1 > left_over_right(parts[1])


def test_a_sentence_is_generated_with_its_scene(hrtf):
    audio = soundstage.generate("dog barking on the left", rate=RATE, hrtf=hrtf)
    assert isinstance(audio, Audio)
    assert left_over_right(audio) > 3
    assert audio.scene.description.text == "dog barking on the left"
    assert audio.scene.events[0].text == "dog barking"
    again = soundstage.generate("dog barking on the left", rate=RATE, hrtf=hrtf)
    assert np.array_equal(audio.samples, again.samples)
    other = soundstage.generate("dog barking on the left", rate=RATE, hrtf=hrtf, seed=1)
    assert not np.array_equal(audio.samples, other.samples)


LOOPS = {
    "rain all around": (SceneEvent("rain", around=True),),
    "a hum ahead": (SceneEvent("hum", azimuth=0.0, loop=True),),
    "wind that circles": (SceneEvent("wind", trajectory=ORBIT, along_sphere=True, loop=True),),
    "wind that passes": (SceneEvent("wind", trajectory=PASS, loop=True),),
    "events at the seam": (SceneEvent("dog barking", azimuth=60.0, start=2.8), SceneEvent("rain")),
}


HALF_A_DECIBEL = (0.5, 0.05)  # of level and of log power: a hum has no steps at all inside


def jumps(samples):
    """Level steps in dB between successive twentieths of a second, and spectral differences."""
    hop = RATE // 20
    frames = samples[:, : samples.shape[1] // hop * hop].reshape(2, -1, hop)
    levels = 10 * np.log10(np.square(frames).mean(axis=(0, 2)) + 1e-9)
    spectra = np.log10(np.abs(np.fft.rfft(frames * np.hanning(hop))) ** 2 + 1e-6).mean(axis=0)
    bands = np.stack([part.mean(axis=1) for part in np.array_split(spectra, 12, axis=1)])
    return np.abs(np.diff(levels)), np.abs(np.diff(bands, axis=1)).mean(axis=0)


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("room", [None, "6x5x3"])
def test_the_seam_of_a_loop_is_within_the_range_of_its_inside(hrtf, name, room):
    """Level, spectrum and the step between two samples, at the seam and everywhere else."""
    audio = ears(hrtf, *LOOPS[name], seconds=3.0, loop=True, room=room)
    assert audio.frames == 3 * RATE
    turned = np.roll(audio.samples, audio.frames // 2, axis=1)
    pairs = zip(jumps(audio.samples), jumps(turned), HALF_A_DECIBEL, strict=True)
    for inside, measured, floor in pairs:
        seam = measured[len(measured) // 2 - 1 : len(measured) // 2 + 1]
        assert seam.max() <= max(1.1 * inside.max(), floor)
    steps = np.abs(np.diff(audio.samples))
    assert (np.abs(audio.samples[:, 0] - audio.samples[:, -1]) <= 1.05 * steps.max(axis=1)).all()


def test_without_a_loop_a_scene_begins_and_ends_softly(hrtf):
    audio = ears(hrtf, SceneEvent("rain", azimuth=0.0), seconds=3.0)
    assert audio.frames == 3 * RATE
    for edge in (audio.samples[:, :10], audio.samples[:, -10:]):
        assert np.abs(edge).max() < 0.01 * np.abs(audio.samples).max()


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".wav", {}),
        (".flac", {"loop": True}),
        (".wav", {"room": "bathroom", "bit_depth": "16"}),
        (".wav", {"source": "dualspec"}),
    ],
    ids=str,
)
def test_the_scene_file_renders_again_bit_for_bit(hrtf, tmp_path, suffix, options):
    events = (
        SceneEvent("dog barking", azimuth=135.0, count=2, gain_db=18.0),
        SceneEvent("car", trajectory=PASS, after=0),
        SceneEvent("rain", around=True),
    )
    description = SceneDescription(events, seconds=2.5)
    take = Take(3, tmp_path / f"a{suffix}", tmp_path / "scenes" / "a.json", tmp_path / "stems")
    report = TakeWork(description, generator(hrtf, **options))(take, lambda share: None)
    assert report.rendered.gain_db < 0  # loud enough to be attenuated
    scene = read_scene(take.scene)
    renderer = load_renderer("hrtf", scene.options)
    again = render_file(scene, tmp_path / f"again{suffix}", renderer)
    assert again.gain_db == report.rendered.gain_db
    first, second = (soundfile.read(tmp_path / f"{name}{suffix}")[0] for name in ("a", "again"))
    assert np.array_equal(first, second)
    assert take.target.read_bytes() == (tmp_path / f"again{suffix}").read_bytes()
    assert soundfile.info(take.target).subtype == f"PCM_{options.get('bit_depth', 24)}"
    assert np.abs(first).max() < 1
    assert all(path.exists() for path in report.stems)


def test_files_say_where_their_sounds_are_from(hrtf, tmp_path):
    description = SceneDescription((SceneEvent("click", azimuth=0.0),), text="a click ahead")
    take = Take(0, tmp_path / "a.wav", None, tmp_path / "stems")
    TakeWork(description, generator(hrtf))(take, lambda share: None)
    metadata = soundstage.audio.read_metadata(take.target)
    assert metadata.tag("title") == "a click ahead"
    assert metadata.tag("comment") == "click, click 0 by Ada (CC0)"
    stem = soundstage.audio.read_metadata(tmp_path / "stems" / "1-click.wav")
    assert (stem.tag("artist"), stem.tag("copyright")) == ("Ada", "CC0")


def test_takes_differ_and_are_numbered(hrtf, tmp_path):
    description = SceneDescription((SceneEvent("dog barking"),))
    takes = plan_takes("dog", tmp_path / "dog.wav", takes=3, seed=5, scene=tmp_path / "s.json")
    assert [take.target.name for take in takes] == ["dog-1.wav", "dog-2.wav", "dog-3.wav"]
    assert [take.scene.name for take in takes] == ["s-1.json", "s-2.json", "s-3.json"]
    assert takes[1].stems == tmp_path / "s-stems" / "take-2"
    work = TakeWork(description, generator(hrtf))
    contents = set()
    for take in takes:
        work(take, lambda share: None)
        contents.add(take.target.read_bytes())
    assert len(contents) == 3
    single = plan_takes("dog", tmp_path / "again.wav", seed=6)[0]
    work(single, lambda share: None)
    assert (
        soundfile.read(single.target)[0].tobytes() == soundfile.read(takes[1].target)[0].tobytes()
    )


@pytest.mark.parametrize(
    ("output", "suffix", "expected"),
    [
        (None, None, "a-dog-far-away.wav"),
        ("new/", "flac", "new/a-dog-far-away.flac"),
        ("folder", None, "folder/a-dog-far-away.wav"),
        ("x.ogg", None, "x.ogg"),
    ],
)
def test_files_are_named_after_the_events(output, suffix, expected):
    (take,) = plan_takes("A dog, far away!", output, suffix=suffix)
    assert take.target.as_posix() == expected


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"source": "tape"}, "no source 'tape'"),
        ({"seconds": 0.0}, "`seconds` is 0.1"),
        ({"rate": 4_000}, "`rate` must be"),
        ({"room": "castle"}, "no room 'castle'"),
        ({"room": "3x4"}, "size of a room"),
        ({"source": "mono", "library": "x"}, "`library` is a folder"),
    ],
)
def test_impossible_options_are_refused(options, reason):
    with pytest.raises(OptionError, match=reason):
        GenerateOptions(**options)
