from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from placing_method import LowsLeft
from sounds import decibels, noise, song, tone
from soundstage import OptionError, Upmixer, upmix
from soundstage.ambisonics.conventions import to_ambix
from soundstage.ambisonics.harmonics import harmonics
from soundstage.upmixing.controls import Controls
from soundstage.upmixing.engine import upmix_blocks
from soundstage.upmixing.sound_field import FieldMethod, front, front_sides

RATE = 44_100
W, Y, X = 0, 1, 3


def field(mono: np.ndarray, *, method: str = "decorrelate", order: int = 1, **more) -> np.ndarray:
    return upmix((mono, RATE), method=method, ambix=order, width=1.0, **more).samples


@given(gain=st.floats(-1, 1), order=st.integers(1, 3))
def test_a_source_stands_where_the_sine_of_its_azimuth_is_its_gain(gain: float, order: int) -> None:
    azimuth = np.arcsin(gain)
    direction = np.array([np.cos(azimuth), np.sin(azimuth), 0])
    found = front_sides(np.array([gain]), order)[0] + front(order)
    np.testing.assert_allclose(found, harmonics(direction, order), atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("method", ["decorrelate", "nearest"])
def test_w_is_the_input_and_cardioids_are_the_stereo(method: str, order: int) -> None:
    mono = song(40_000).numpy()
    channels = field(mono, method=method, order=order)
    stereo = upmix((mono, RATE), method=method, width=1.0).samples
    assert channels.shape == ((order + 1) ** 2, mono.size)
    np.testing.assert_array_equal(channels[W], mono)
    assert decibels(channels[W] + channels[Y] - stereo[0], stereo[0]) < -130
    assert decibels(channels[W] - channels[Y] - stereo[1], stereo[1]) < -130


def test_sources_of_a_plan_stand_at_their_azimuths() -> None:
    low, high = tone(60_000, hz=300.0), tone(60_000, hz=5_000.0)
    channels = np.concatenate(_blocks(LowsLeft(), (low + high).numpy(), order=3), axis=1)
    for source, pan_db in ((low, 3.0), (high, -2.0)):
        middle, ratio = slice(20_000, 40_000), 10 ** (pan_db / 20)
        azimuth = np.arcsin((ratio - 1) / (ratio + 1))
        expected = harmonics(np.array([np.cos(azimuth), np.sin(azimuth), 0]), 3)
        reference = source.numpy()[middle].astype(float)
        gains = channels[:, middle] @ reference / (reference @ reference)
        np.testing.assert_allclose(gains, expected, atol=2e-3)


def test_a_diffuse_side_has_the_powers_of_a_diffuse_field() -> None:
    mono = noise(RATE).numpy()
    channels = field(mono, order=3).astype(float)
    rest = channels - front(3)[:, None] * channels[W]
    powers = np.square(rest).mean(axis=1) / np.square(rest[Y]).mean()
    degrees = np.sqrt(np.arange(16)).astype(int)
    np.testing.assert_allclose(10 * np.log10(powers[1:] * (2 * degrees[1:] + 1) / 3), 0, atol=1.5)
    correlations = np.corrcoef(rest[1:])
    assert np.abs(correlations - np.eye(15)).max() < 0.25


def test_no_width_is_a_source_straight_ahead() -> None:
    mono = song(30_000).numpy()
    channels = upmix((mono, RATE), method="decorrelate", ambix=2, width=0.0).samples
    np.testing.assert_allclose(channels, front(2)[:, None] * mono, atol=1e-6)


def test_takes_are_the_same_alone_and_together_whatever_the_blocks() -> None:
    mono = song(100_000).numpy()
    both = [
        [
            np.concatenate([each.sides for each in take], axis=1)
            for take in zip(*blocks, strict=True)
        ]
        for blocks in (_takes(mono, [3, 4], 100_000), _takes(mono, [3, 4], 777))
    ]
    alone = np.concatenate([take[0].sides for take in _takes(mono, [4], 100_000)], axis=1)
    np.testing.assert_array_equal(both[0], both[1])
    np.testing.assert_array_equal(both[0][1], alone)
    assert np.abs(both[0][0] - both[0][1]).max() > 0.01


@pytest.mark.parametrize("outputs", ["ambix1", "ambix3", "n3d2", "fuma1", "fuma3"])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_a_file_has_its_convention_and_w_is_proven(
    tmp_path: Path, outputs: str, subtype: str
) -> None:
    source, target = tmp_path / "mono.wav", tmp_path / f"mono.{outputs}.wav"
    soundfile.write(source, 0.3 * song(30_000).numpy(), RATE, subtype)
    report = Upmixer.from_pretrained("decorrelate").file(source, target, outputs=outputs)
    mono, _ = soundfile.read(source)
    channels = to_ambix(soundfile.read(target)[0].T, outputs[:-1])
    assert channels.shape[0] == (int(outputs[-1]) + 1) ** 2
    if outputs.startswith("fuma"):
        step = 2.0**-15 if subtype == "PCM_16" else 2.0**-24
        assert np.abs(channels[W] - mono).max() < 2.2 * step  # a rounded, dithered step times √2
    else:
        np.testing.assert_array_equal(channels[W], mono)
        assert report.fold_down_error_db == -np.inf
    assert f"of order {outputs[-1]}" in "\n".join(report.lines())


def test_methods_with_a_mid_of_their_own_have_no_field() -> None:
    with pytest.raises(OptionError, match="mid of its own"):
        field(song(5_000).numpy(), decoder="mixing", method="nearest")


@pytest.mark.parametrize("order", [0, 4])
def test_there_are_orders_1_to_3(order: int) -> None:
    with pytest.raises(OptionError, match="is 1, 2 or 3, not"):
        field(song(5_000).numpy(), order=order)


def _decorrelate():
    return Upmixer.from_pretrained("decorrelate").method


def _blocks(method, mono: np.ndarray, *, order: int) -> list[np.ndarray]:
    takes = upmix_blocks(
        [mono], FieldMethod(method, order), RATE, seeds=[0], controls=Controls(1.0)
    )
    return [
        np.concatenate([take.mid[None], take.sides + front(order)[1:, None] * take.mid])
        for (take,) in takes
    ]


def _takes(mono: np.ndarray, seeds: list[int], size: int) -> list:
    parts = [mono[start : start + size] for start in range(0, mono.size, size)]
    method = FieldMethod(_decorrelate(), 1)
    return list(upmix_blocks(parts, method, RATE, seeds=seeds, controls=Controls(1.0)))
