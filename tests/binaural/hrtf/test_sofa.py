import re
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.binaural import HrtfSet, read_hrtf
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
    assert_same(read_hrtf(write_sofa(path, HRTF, **changes)), HRTF)


def test_the_right_ear_may_be_first(path: Path) -> None:
    delay = np.array([[3.0, 7.0]])
    swapped = {
        "ReceiverPosition": RADIUS * EARS[::-1],
        "Data_IR": HRTF.responses[:, ::-1].astype(float),
        "Data_Delay": delay,
    }
    hrtf = read_hrtf(write_sofa(path, HRTF, **swapped))
    assert_same(hrtf, HRTF)
    np.testing.assert_array_equal(hrtf.delays, np.tile(delay[:, ::-1], (len(HRTF.delays), 1)))


def test_delays_may_differ_by_direction(path: Path) -> None:
    delay = np.arange(2.0 * len(HRTF.delays)).reshape(-1, 2)
    hrtf = read_hrtf(write_sofa(path, HRTF, Data_Delay=delay))
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
    assert_same(read_hrtf(write_sofa(path, HRTF, **changes)), HRTF)


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
        read_hrtf(path)
    message = str(caught.value)
    assert str(path) in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize(
    ("convention", "holds"),
    [
        ("MultiSpeakerBRIR", "responses of a room"),
        ("SimpleFreeFieldHRTF", "frequency domain"),
        ("SimpleHeadphoneIR", "headphones"),
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
    assert "file not found" in refusal(path)
    path.write_bytes(b"RIFF data of another kind " * 100)
    assert "not a SOFA file" in refusal(path)
    with netCDF4.Dataset(path, "w"):
        pass
    assert "has no convention" in refusal(path)
