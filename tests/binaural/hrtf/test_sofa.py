import os
import re
import subprocess
import sys
import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.binaural import HrtfInterpolator, HrtfSet, read_hrtf
from soundstage.binaural.hrtf import sofa
from soundstage.binaural.hrtf.sofa_file import load_sofa, trimmed
from soundstage.errors import InputError
from spheres import EARS, RADIUS, RATE, directions, grid, sphere_head, write_sofa

HRTF = sphere_head(grid(45), taps=64)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "set.sofa"


def assert_same(found: HrtfSet, expected: HrtfSet) -> None:
    np.testing.assert_allclose(found.directions, expected.directions, atol=1e-9)
    np.testing.assert_array_equal(found.responses, expected.responses)
    np.testing.assert_allclose(found.distances, expected.distances)


def test_a_set_is_read_as_it_was_written(path: Path) -> None:
    hrtf = read_hrtf(write_sofa(path, HRTF))
    assert_same(hrtf, HRTF)
    assert (hrtf.rate, hrtf.name, hrtf.license) == (RATE, "tests sphere", "CC0")
    assert hrtf.delays.max() == 0


def test_sources_may_be_cartesian(path: Path) -> None:
    changes = {
        "SourcePosition": HRTF.directions * HRTF.distances[:, None],
        "SourcePosition_Type": "cartesian",
        "SourcePosition_Units": "meter",
    }
    assert_same(load_sofa(write_sofa(path, HRTF, **changes)), HRTF)


def test_the_right_ear_may_be_first(path: Path) -> None:
    delay = np.array([[3.0, 7.0]])
    swapped = {
        "ReceiverPosition": RADIUS * EARS[::-1],
        "Data_IR": HRTF.responses[:, ::-1].astype(float),
        "Data_Delay": delay,
    }
    hrtf = load_sofa(write_sofa(path, HRTF, **swapped))
    assert_same(hrtf, HRTF)
    np.testing.assert_array_equal(hrtf.delays, np.tile(delay[:, ::-1], (len(HRTF.delays), 1)))


def test_delays_may_differ_by_direction(path: Path) -> None:
    delay = np.arange(2.0 * len(HRTF.delays)).reshape(-1, 2)
    hrtf = load_sofa(write_sofa(path, HRTF, Data_Delay=delay))
    np.testing.assert_array_equal(hrtf.delays, delay)


@settings(max_examples=5)
@given(yaw=st.floats(0, 360), pitch=st.floats(-80, 80))
def test_the_pose_of_the_listener_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, yaw: float, pitch: float
) -> None:
    ahead, up = directions(yaw, pitch), directions(yaw, pitch + 90)
    axes = np.stack([ahead, np.cross(up, ahead), up])
    position = np.array([[0.5, -2.0, 1.7]])
    changes = {
        "SourcePosition": 1.5 * HRTF.directions @ axes + position,
        "SourcePosition_Type": "cartesian",
        "SourcePosition_Units": "meter",
        "ListenerPosition": position,
        "ListenerView": ahead[None],
        "ListenerUp": up[None],
    }
    path = tmp_path_factory.mktemp("turned") / "set.sofa"
    assert_same(load_sofa(write_sofa(path, HRTF, **changes)), HRTF)


def changed(path: Path, *, attributes: dict | None = None, values: dict | None = None) -> Path:
    """A valid file with changes."""
    write_sofa(path, HRTF)
    with netCDF4.Dataset(path, "r+") as file:
        for name, value in (attributes or {}).items():
            owner, _, attribute = name.rpartition("/")
            (file[owner] if owner else file).setncattr(attribute, value)
        for name, value in (values or {}).items():
            file[name][:] = value
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_sofa(path)
    message = str(caught.value)
    assert str(path) in message
    assert message.endswith(".")
    assert message.isprintable()
    assert len(message) < len(str(path)) + 300
    return message


@pytest.mark.parametrize(
    ("convention", "holds"),
    [
        ("MultiSpeakerBRIR", "responses of a room"),
        ("SingleRoomSRIR", "responses of a room"),
        ("SimpleFreeFieldHRTF", "frequency domain"),
        ("FreeFieldHRTF", "frequency domain"),
        ("SimpleHeadphoneIR", "headphones"),
        ("FreeFieldDirectivityTF", "directivity of a source"),
        ("GeneralFIR", "responses of any kind"),
        ("AirborneRIRTF", "other data"),  # unknown, whatever its name contains
    ],
)
def test_other_conventions_are_refused_by_name(path: Path, convention: str, holds: str) -> None:
    message = refusal(changed(path, attributes={"SOFAConventions": convention}))
    assert convention in message
    assert holds in message
    assert "SimpleFreeFieldHRIR" in message


def changed_response(value: float) -> np.ndarray:
    responses = HRTF.responses.astype(float)
    responses[5, 1] = value
    return responses


@pytest.mark.parametrize(
    ("attributes", "values", "reason"),
    [
        ({"RoomType": "reverberant"}, {}, "responses of a room"),
        ({"DataType": "TF"}, {}, "FIR"),
        ({}, {"Data.IR": changed_response(np.nan)}, "not finite"),
        ({}, {"Data.IR": changed_response(0.0)}, r"1 of \d+ directions are silent"),
        ({}, {"SourcePosition": np.nan}, "not finite"),
        ({}, {"SourcePosition": 0.0}, "center of the head"),
        ({}, {"ReceiverPosition": 0.0}, "both ears are on one side"),
        ({}, {"ReceiverPosition": RADIUS * EARS[::-1, :, None]}, "ears are swapped"),
        ({}, {"Data.Delay": -1.0}, "delay"),
        ({}, {"Data.Delay": 1e9}, "delay"),
        ({}, {"Data.SamplingRate": 44_100.5}, "sample rate"),
        ({}, {"ListenerView": 0.0}, "no direction"),
        ({}, {"SourcePosition": 1e308}, "SourcePosition has values that are not finite, or beyond"),
        ({}, {"ListenerPosition": np.inf}, "ListenerPosition has values that are not finite"),
        ({}, {"Data.IR": changed_response(1e300)}, "Data.IR has values that are not finite, or"),
        ({}, {"Data.SamplingRate": np.nan}, "Data.SamplingRate has values that are not finite"),
        ({"SourcePosition/Type": "x" * 70_000}, {}, "SourcePosition is 'xxx"),
        ({"DataType": "\x1b[2J" * 9_000}, {}, r"has the data type '\\x1b\[2J"),
        ({"SourcePosition/Type": "spherical harmonics"}, {}, "SourcePosition"),
        ({"SourcePosition/Units": "radian, radian, meter"}, {}, "radian"),
    ],
)
def test_an_invalid_set_is_refused_in_one_sentence(
    path: Path, attributes: dict, values: dict, reason: str
) -> None:
    assert re.search(reason, refusal(changed(path, attributes=attributes, values=values)))


@pytest.mark.parametrize("ears", [1, 4])
def test_a_set_needs_two_ears(path: Path, ears: int) -> None:
    responses = np.repeat(HRTF.responses[:, :1].astype(float), ears, axis=1)
    positions = RADIUS * np.repeat(EARS, 2, axis=0)[:ears]
    changes = {
        "Data_IR": responses,
        "ReceiverPosition": positions,
        "Data_Delay": np.zeros((1, ears)),
    }
    assert "2 ears" in refusal(write_sofa(path, HRTF, **changes))


def with_sizes(path: Path, **sizes: int) -> Path:
    """A small file with responses of these sizes, without data."""
    with netCDF4.Dataset(path, "w") as file:
        for name, value in [
            ("SOFAConventions", "SimpleFreeFieldHRIR"),
            ("DataType", "FIR"),
            ("RoomType", "free field"),
        ]:
            file.setncattr(name, value)
        for name, size in sizes.items():
            file.createDimension(name, size)
        file.createVariable("Data.IR", "f8", tuple(sizes), zlib=True, chunksizes=(1, 1, 1000))
    return path


def test_terabytes_are_refused_before_reading(path: Path) -> None:
    with_sizes(path, M=1_000_000, R=2, N=1_000_000)
    assert path.stat().st_size < 100_000
    assert "1,000,000 directions of 1,000,000 samples" in refusal(path)


def test_a_file_without_positions_is_refused(path: Path) -> None:
    assert "no SourcePosition" in refusal(with_sizes(path, M=3, R=2, N=1000))


@given(share=st.floats(0, 0.999))
def test_files_cut_short_are_refused(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    path = write_sofa(tmp_path_factory.mktemp("cut") / "set.sofa", HRTF)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refusal(path)


def test_missing_and_foreign_files_are_refused(path: Path) -> None:
    assert "No such file" in refusal(path)
    path.write_bytes(b"RIFF data of another kind " * 100)
    assert "not a SOFA file" in refusal(path)
    with netCDF4.Dataset(path, "w"):
        pass
    assert "has no convention" in refusal(path)


def test_a_file_is_found_whatever_its_name(tmp_path: Path) -> None:
    for name in ("file:x.sofa", "http:#a.sofa", "日本.sofa", os.fsdecode(b"caf\xe9.sofa")):
        assert_same(load_sofa(write_sofa(tmp_path / "a.sofa", HRTF).rename(tmp_path / name)), HRTF)
    assert_same(read_hrtf(tmp_path / name), HRTF)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (TimeoutError("10 s"), "is damaged, reading it takes more than 10 s."),
        (MemoryError(), "is damaged, reading it takes more than 1.6 GB of memory."),
        (ChildProcessError("code -11"), "is damaged, reading it crashes the HDF5 library."),
    ],
)
def test_what_ends_the_reading_process_is_a_sentence(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    def run_with_limit(function: object, place: Path, *, seconds: float, memory: int) -> None:
        assert (function, place, seconds) == (load_sofa, path, 10)
        assert memory < 2e9
        raise error

    monkeypatch.setattr(sofa, "run_with_limit", run_with_limit)
    path.touch()
    with pytest.raises(InputError) as caught:
        read_hrtf(path)
    assert str(caught.value) == f"{path}: {sentence}"


def test_a_set_is_read_in_another_process(path: Path) -> None:
    write_sofa(path, HRTF)
    program = f"""
import sys
from soundstage.binaural import read_hrtf
assert len(read_hrtf({str(path)!r}).directions) == {len(HRTF.directions)}
assert not {{"netCDF4", "torch"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(InputError, match="file not found"):
        read_hrtf(path.with_name("none.sofa"))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="is damaged or not a SOFA file"):
        read_hrtf(path)


# FreeFieldHRIR


def write_emitters(path: Path, head: HrtfSet, **changes: object) -> Path:
    """A set whose directions are those of the emitters around a source at the origin."""
    import sofar

    file = sofar.Sofa("FreeFieldHRIR")
    fields = {
        "SourcePosition": np.zeros((1, 3)),
        "SourcePosition_Type": "cartesian",
        "SourcePosition_Units": "meter",
        "EmitterPosition": head.directions * head.distances[:, None],
        "EmitterPosition_Type": "cartesian",
        "EmitterPosition_Units": "meter",
        "Data_IR": np.moveaxis(head.responses.astype(np.float64), 0, 2)[None],
        "Data_SamplingRate": head.rate,
        "Data_Delay": np.zeros((1, 2, 1)),
        **changes,
    }
    for name, value in fields.items():
        setattr(file, name, value)
    sofar.write_sofa(str(path), file)
    return path


def test_directions_may_be_those_of_emitters(path: Path) -> None:
    delay = np.arange(2.0 * len(HRTF.delays)).reshape(1, 2, -1)
    hrtf = load_sofa(write_emitters(path, HRTF, Data_Delay=delay))
    assert_same(hrtf, HRTF)
    np.testing.assert_array_equal(hrtf.delays, delay[0].T)


def test_spherical_harmonics_are_refused(path: Path) -> None:
    write_emitters(path, HRTF)
    with netCDF4.Dataset(path, "r+") as file:
        file["EmitterPosition"].setncattr("Type", "spherical harmonics")
    assert "spherical harmonics; export it as SimpleFreeFieldHRIR" in refusal(path)


# What all directions share


def test_a_delay_of_all_directions_is_cut(path: Path) -> None:
    delay = np.array([[8000.0, 8007.5]])
    start = time.monotonic()
    hrtf = load_sofa(write_sofa(path, HRTF, Data_Delay=delay))
    surplus = 8000 - (round(0.005 * RATE) - first_sample(HRTF.responses))
    np.testing.assert_array_equal(hrtf.delays, np.tile(delay - surplus, (len(HRTF.delays), 1)))
    assert_same(hrtf, HRTF)
    assert HrtfInterpolator(hrtf).taps < 600
    assert time.monotonic() - start < 3  # 46 s with the delay


def first_sample(responses: np.ndarray) -> int:
    peaks = np.abs(responses).max(axis=(0, 1))
    return int((peaks > 1e-3 * peaks.max()).argmax())


def test_silence_around_all_responses_is_cut(path: Path) -> None:
    ahead, behind = np.zeros((len(HRTF.delays), 2, 9000)), np.zeros((len(HRTF.delays), 2, 20_000))
    longer = np.concatenate([ahead, HRTF.responses, behind], axis=2)
    hrtf = load_sofa(write_sofa(path, HRTF, Data_IR=longer))
    kept = round(0.005 * RATE) - first_sample(HRTF.responses)
    np.testing.assert_array_equal(hrtf.responses[..., :kept], 0)
    np.testing.assert_array_equal(
        hrtf.responses[..., kept:], HRTF.responses[..., : hrtf.taps - kept]
    )
    assert HRTF.taps - 8 < hrtf.taps - kept <= HRTF.taps


def test_known_sets_are_not_cut() -> None:
    responses, delays = trimmed(HRTF.responses, HRTF.delays + 20, RATE)
    assert responses.shape == HRTF.responses.shape
    np.testing.assert_array_equal(delays, HRTF.delays + 20)


def test_delays_that_no_head_has_are_refused(path: Path) -> None:
    delay = np.zeros_like(HRTF.delays)
    delay[3] = 30_000
    assert "differ by more than 50 ms" in refusal(write_sofa(path, HRTF, Data_Delay=delay))


def test_responses_that_are_too_long_are_refused(path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(len(HRTF.delays), 2, 5000))
    assert "5,000 samples; at most 4,096" in refusal(write_sofa(path, HRTF, Data_IR=noise))
