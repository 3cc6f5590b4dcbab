import json

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from sounds import decibels
from soundstage.audio import open_sound, resample
from soundstage.binaural import Source, constant, read_scene, sources_of
from soundstage.binaural.scene_files import FIELDS, MAX_SOURCES
from soundstage.binaural.scenes import MAX_START
from soundstage.errors import InputError, OptionError

RATE = 8_000
NOISE = 0.1 * np.random.default_rng(0).standard_normal((RATE, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A mono, a stereo and a dual mono sound, and a trajectory."""
    folder = tmp_path_factory.mktemp("desk")
    soundfile.write(folder / "mono.wav", NOISE[:, 0], RATE, subtype="FLOAT")
    soundfile.write(folder / "two.wav", NOISE, RATE, subtype="FLOAT")
    soundfile.write(folder / "dual.wav", NOISE[:, [0, 0]], RATE, subtype="FLOAT")
    (folder / "way.csv").write_text("time,azimuth\n0,0\n1,90\n")
    return folder


def scene(desk, *sources, **more):
    path = desk / "scene.json"
    path.write_text(json.dumps({"sources": list(sources), **more}))
    return path


def samples(source, rate=RATE):
    return np.concatenate(list(source.blocks(rate)), axis=1)[0]


def test_mono_without_a_position_is_ahead(desk):
    (source,) = sources_of(desk / "mono.wav")
    assert source.trajectory.positions[0] == pytest.approx([1.5, 0, 0])
    assert np.array_equal(samples(source), NOISE[:, 0])


def test_stereo_without_a_position_is_two_loudspeakers(desk):
    left, right = sources_of(desk / "two.wav")
    for source, side, channel in ((left, 1, 0), (right, -1, 1)):
        assert source.trajectory.positions[0] == pytest.approx(
            [1.5 * np.cos(np.pi / 6), side * 0.75, 0]
        )
        assert samples(source) == pytest.approx(NOISE[:, channel] / np.sqrt(2), abs=1e-7)


def test_dual_mono_with_a_position_is_one_source(desk):
    (source,) = sources_of(desk / "dual.wav", constant(90.0))
    assert samples(source) == pytest.approx(NOISE[:, 0], abs=1e-7)
    assert source.trajectory.positions[0, 1] == pytest.approx(1.5)


def test_stereo_with_a_position_must_be_folded_down(desk):
    with pytest.raises(InputError, match=r"`downmix`.*two loudspeakers"):
        sources_of(desk / "two.wav", constant(90.0))
    for position in (constant(90.0), None):
        (source,) = sources_of(desk / "two.wav", position, downmix=True)
        assert samples(source) == pytest.approx(NOISE.mean(axis=1), abs=1e-7)


def test_more_than_two_channels_are_refused(tmp_path):
    soundfile.write(tmp_path / "many.wav", np.zeros((100, 8)), RATE)
    with pytest.raises(InputError, match="8 channels"):
        sources_of(tmp_path / "many.wav", downmix=True)


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_start_gain_and_sample_rate_are_applied(desk, rate):
    (source,) = sources_of(desk / "mono.wav", gain=0.5, start=0.25)
    expected = 0.5 * resample(NOISE[None, :, 0], RATE, rate)[0]
    assert decibels(samples(source, rate) - expected, expected) < -120
    assert source.end == pytest.approx(1.25)


@pytest.mark.parametrize("values", [{"gain": np.inf}, {"start": -1.0}, {"start": np.nan}])
def test_an_impossible_source_is_refused(desk, values):
    with pytest.raises(OptionError):
        Source(open_sound(desk / "mono.wav"), constant(0.0), **values)


@given(
    st.floats(-360, 360),
    st.floats(-90, 90),
    st.floats(0.1, 1000),
    st.floats(-100, 40),
    st.floats(0, MAX_START),
)
def test_a_scene_sets_position_gain_and_start(desk, azimuth, elevation, distance, gain, start):
    entry = {"file": "mono.wav", "azimuth": azimuth, "elevation": elevation, "distance": distance}
    (source,) = read_scene(scene(desk, entry | {"gain": gain, "start": start})).sources
    expected = constant(azimuth, elevation, distance).positions
    assert source.trajectory.positions == pytest.approx(expected)
    assert 20 * np.log10(source.gain) == pytest.approx(gain, abs=1e-9)
    assert source.start == start


def test_a_scene_combines_all_kinds_of_sources_relative_to_its_folder(desk, monkeypatch):
    monkeypatch.chdir("/")
    path = scene(
        desk,
        {"file": "mono.wav", "trajectory": "way.csv"},
        {"file": "mono.wav", "elevation": 30},
        {"file": "two.wav", "gain": -6},
        {"file": "two.wav", "azimuth": -90, "downmix": True},
        {"file": str(desk / "dual.wav"), "distance": 3},
    )
    moving, high, left, right, folded, far = read_scene(path).sources
    assert moving.trajectory.positions_at(np.array([1.0]))[0] == pytest.approx([0, 1.5, 0])
    assert high.trajectory.positions[0, 2] == pytest.approx(0.75)
    assert left.gain == right.gain == pytest.approx(10 ** (-6 / 20) / np.sqrt(2))
    assert folded.channel is None
    assert far.trajectory.positions[0] == pytest.approx([3, 0, 0])


MONO = {"file": "mono.wav"}

FAULTY = [
    ([{"file": "mono.wav", "azimut": 3}], ["source 1", "'azimut'", "azimuth"]),
    ([MONO, {"azimuth": 3}], ["source 2", "file"]),
    ([{"file": 7}], ["source 1", "file", "7"]),
    ([MONO, MONO, {"file": "gone.wav"}], ["source 3", "gone.wav", "does not exist"]),
    ([MONO, {"file": "way.csv"}], ["source 2", "way.csv", "sound file"]),
    ([{**MONO, "trajectory": "gone.csv"}], ["source 1", "gone.csv"]),
    ([{**MONO, "trajectory": "mono.wav"}], ["source 1", "mono.wav", ".csv"]),
    ([{**MONO, "trajectory": "way.csv", "azimuth": 3}], ["source 1", "trajectory", "azimuth"]),
    ([{**MONO, "trajectory": None}], ["source 1", "trajectory"]),
    ([{**MONO, "azimuth": float("nan")}], ["line 1", "'NaN' is not a finite number"]),
    ([{**MONO, "azimuth": "left"}], ["source 1", "azimuth", "left"]),
    ([{**MONO, "azimuth": True}], ["source 1", "azimuth", "True"]),
    ([{**MONO, "azimuth": 10**400}], ["line 1", "40 digits"]),
    ([{**MONO, "distance": 1001}], ["source 1", "distance", "1,000"]),
    ([{**MONO, "start": -1}], ["source 1", "start", "86,400"]),
    ([{**MONO, "downmix": "yes"}], ["source 1", "downmix"]),
    ([MONO, {"file": "two.wav", "azimuth": 3}], ["source 2", "two.wav", "downmix"]),
    ([MONO, "voice.wav"], ["source 2", "voice.wav"]),
    ([{"file": "\ud800.wav"}], ["source 1"]),
    ([{"file": "a\0b"}], ["source 1"]),
    ([], ["64"]),
    ([MONO] * (MAX_SOURCES + 1), ["64", "65"]),
]


@pytest.mark.parametrize(("sources", "reasons"), FAULTY, ids=lambda value: str(value)[:40])
def test_an_invalid_source_is_refused_by_number_and_field(desk, sources, reasons):
    path = scene(desk, *sources)
    with pytest.raises(InputError) as refused:
        read_scene(path)
    message = str(refused.value)
    assert message.startswith(str(path))
    assert len(message) < len(str(path)) * 3 + 300
    assert "\n" not in message
    for part in reasons:
        assert part in message


@pytest.mark.parametrize(
    ("content", "reasons"),
    [
        (b'{"sources": [\n{"file": "a.wav"},\n]}', "line 3"),
        (b'{"sources": [{"file": "caf\xe9.wav"}]}', "UTF-8"),
        (b"[" * 100_000, "deep"),
        (b'[{"file": "mono.wav"}]', '"sources"'),
        (b'{"sources": [{"file": "mono.wav"}], "room": 3}', "a room is an object"),
        (b'{"sources": []}' + b" " * 1_000_000, "at most 1,000,000"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_not_a_scene_is_refused(tmp_path, content, reasons):
    path = tmp_path / "scene.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=reasons) as refused:
        read_scene(path)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < len(str(path)) + 200


@given(
    st.dictionaries(
        st.sampled_from([*FIELDS, "x"]),
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.lists(st.integers()),
    )
)
def test_any_content_is_read_or_refused(desk, entry):
    path, fault = scene(desk, {"file": "mono.wav", **entry}), "source 1"
    try:
        assert read_scene(path).sources
    except InputError as error:
        fault = str(error)
    assert "source 1" in fault or "is not a finite number" in fault
