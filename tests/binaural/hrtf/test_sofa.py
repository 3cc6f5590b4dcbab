from pathlib import Path

import netCDF4
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.binaural import HrtfSet, read_hrtf
from soundstage.errors import InputError
from spheres import EARS, RADIUS, RATE, directions, grid, sphere_head, write_sofa

HEAD = sphere_head(grid(45), taps=64)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "head.sofa"


def assert_same(found: HrtfSet, wanted: HrtfSet) -> None:
    np.testing.assert_allclose(found.directions, wanted.directions, atol=1e-9)
    np.testing.assert_array_equal(found.responses, wanted.responses)
    np.testing.assert_allclose(found.distances, wanted.distances)


def test_a_head_is_read_as_it_was_written(path: Path) -> None:
    head = read_hrtf(write_sofa(path, HEAD))
    assert_same(head, HEAD)
    assert (head.rate, head.name, head.license) == (RATE, "tests sphere", "CC0")
    assert head.delays.max() == 0


def test_sources_may_be_cartesian(path: Path) -> None:
    changes = {
        "SourcePosition": HEAD.directions * HEAD.distances[:, None],
        "SourcePosition_Type": "cartesian",
        "SourcePosition_Units": "meter",
    }
    assert_same(read_hrtf(write_sofa(path, HEAD, **changes)), HEAD)


def test_the_ears_may_come_in_the_other_order(path: Path) -> None:
    delay = np.array([[3.0, 7.0]])
    swapped = {
        "ReceiverPosition": RADIUS * EARS[::-1],
        "Data_IR": HEAD.responses[:, ::-1].astype(float),
        "Data_Delay": delay,
    }
    head = read_hrtf(write_sofa(path, HEAD, **swapped))
    assert_same(head, HEAD)
    np.testing.assert_array_equal(head.delays, np.tile(delay[:, ::-1], (len(HEAD.delays), 1)))


def test_delays_may_be_given_for_every_direction(path: Path) -> None:
    delay = np.arange(2.0 * len(HEAD.delays)).reshape(-1, 2)
    head = read_hrtf(write_sofa(path, HEAD, Data_Delay=delay))
    np.testing.assert_array_equal(head.delays, delay)


@settings(max_examples=5)
@given(yaw=st.floats(0, 360), pitch=st.floats(-80, 80))
def test_the_listener_may_stand_and_look_anywhere(
    tmp_path_factory: pytest.TempPathFactory, yaw: float, pitch: float
) -> None:
    ahead, up = directions(yaw, pitch), directions(yaw, pitch + 90)
    axes = np.stack([ahead, np.cross(up, ahead), up])
    place = np.array([[0.5, -2.0, 1.7]])
    changes = {
        "SourcePosition": 1.5 * HEAD.directions @ axes + place,
        "SourcePosition_Type": "cartesian",
        "SourcePosition_Units": "meter",
        "ListenerPosition": place,
        "ListenerView": ahead[None],
        "ListenerUp": up[None],
    }
    path = tmp_path_factory.mktemp("turned") / "head.sofa"
    assert_same(read_hrtf(write_sofa(path, HEAD, **changes)), HEAD)


def changed(path: Path, *, attributes: dict | None = None, values: dict | None = None) -> Path:
    """A file that sofar wrote, then spoilt."""
    write_sofa(path, HEAD)
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
        ("SingleRoomSRIR", "responses of a room"),
        ("SimpleFreeFieldHRTF", "frequency domain"),
        ("SimpleFreeFieldHRSOS", "second-order"),
        ("SimpleHeadphoneIR", "headphones"),
    ],
)
def test_other_conventions_are_refused_by_name(path: Path, convention: str, holds: str) -> None:
    message = refusal(changed(path, attributes={"SOFAConventions": convention}))
    assert convention in message
    assert holds in message
    assert "SimpleFreeFieldHRIR" in message


def spoilt_response(value: float) -> np.ndarray:
    responses = HEAD.responses.astype(float)
    responses[5, 1] = value
    return responses


@pytest.mark.parametrize(
    ("attributes", "values", "said"),
    [
        ({"RoomType": "reverberant"}, {}, "responses of a room"),
        ({"DataType": "TF"}, {}, "FIR"),
        ({}, {"Data.IR": spoilt_response(np.nan)}, "not numbers"),
        ({}, {"Data.IR": spoilt_response(np.inf)}, "not numbers"),
        ({}, {"Data.IR": spoilt_response(0.0)}, "silent at an ear for 1 of"),
        ({}, {"Data.IR": 0.0}, "silent"),
        ({}, {"SourcePosition": np.nan}, "not numbers"),
        ({}, {"SourcePosition": 0.0}, "middle of the head"),
        ({}, {"ReceiverPosition": 0.0}, "left ear from its right"),
        ({}, {"ReceiverPosition": RADIUS * EARS[::-1, :, None]}, "wrong way round"),
        ({}, {"Data.Delay": -1.0}, "delay"),
        ({}, {"Data.Delay": 1e9}, "delay"),
        ({}, {"Data.SamplingRate": 44_100.5}, "sample rate"),
        ({}, {"Data.SamplingRate": 100.0}, "sample rate"),
        ({}, {"ListenerView": 0.0}, "no direction"),
        ({"SourcePosition/Type": "spherical harmonics"}, {}, "SourcePosition"),
        ({"SourcePosition/Units": "radian, radian, meter"}, {}, "radian"),
    ],
)
def test_what_is_no_head_is_refused_in_one_sentence(
    path: Path, attributes: dict, values: dict, said: str
) -> None:
    assert said in refusal(changed(path, attributes=attributes, values=values))


@pytest.mark.parametrize("ears", [1, 4])
def test_a_head_has_two_ears(path: Path, ears: int) -> None:
    responses = np.repeat(HEAD.responses[:, :1].astype(float), ears, axis=1)
    places = RADIUS * np.repeat(EARS, 2, axis=0)[:ears]
    changes = {"Data_IR": responses, "ReceiverPosition": places, "Data_Delay": np.zeros((1, ears))}
    assert "2 ears" in refusal(write_sofa(path, HEAD, **changes))


def claiming(path: Path, **sizes: int) -> Path:
    """A small file whose responses would have these sizes, without anything written to them."""
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


def test_terabytes_are_refused_before_they_are_read(path: Path) -> None:
    claiming(path, M=1_000_000, R=2, N=1_000_000)
    assert path.stat().st_size < 100_000
    assert "1,000,000 directions of 1,000,000 samples" in refusal(path)


def test_a_file_without_positions_is_refused(path: Path) -> None:
    assert "no SourcePosition" in refusal(claiming(path, M=3, R=2, N=1000))


@given(share=st.floats(0, 0.999))
def test_files_cut_short_are_refused(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    path = write_sofa(tmp_path_factory.mktemp("cut") / "head.sofa", HEAD)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refusal(path)


def test_strangers_are_refused(path: Path) -> None:
    assert "There is no file" in refusal(path)
    path.write_bytes(b"RIFF, and then something else " * 100)
    assert "no SOFA file" in refusal(path)
    with netCDF4.Dataset(path, "w"):
        pass
    assert "names no convention" in refusal(path)
