import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import noise, stereo_scene, tone
from soundstage.metrics import (
    ImageMeter,
    channel_correlation,
    normalised_width,
    phase_correlation,
)

LENGTH = 20_000


def scene() -> np.ndarray:
    return stereo_scene(LENGTH).numpy()


def stacked(left: torch.Tensor, right: torch.Tensor) -> np.ndarray:
    return torch.stack([left, right]).numpy()


def test_correlation_agrees_with_numpy() -> None:
    wide = scene()
    assert channel_correlation(wide) == pytest.approx(np.corrcoef(wide)[0, 1], abs=1e-9)
    assert phase_correlation(wide) == pytest.approx(1 - np.corrcoef(wide)[0, 1], abs=1e-9)


def test_an_offset_does_not_change_the_correlation() -> None:
    offset = scene() + np.array([[0.5], [-0.25]], np.float32)
    assert channel_correlation(offset) == pytest.approx(channel_correlation(scene()), abs=1e-4)


def test_width_is_twice_the_rms_of_side_over_mid() -> None:
    left, right = scene().astype(float)
    mid, side = (left + right) / 2, (left - right) / 2
    wanted = 2 * np.sqrt(np.mean(side**2) / np.mean(mid**2))
    assert normalised_width(scene()) == pytest.approx(wanted)


def test_identical_channels_have_no_width_and_correlate_fully() -> None:
    mono = stacked(noise(LENGTH), noise(LENGTH))
    assert normalised_width(mono) == pytest.approx(0, abs=1e-6)
    assert channel_correlation(mono) == pytest.approx(1)
    assert phase_correlation(mono) == pytest.approx(0)


def test_inverted_channels_have_endless_width_and_correlate_negatively() -> None:
    inverted = stacked(noise(LENGTH), -noise(LENGTH))
    assert normalised_width(inverted) == float("inf")
    assert channel_correlation(inverted) == pytest.approx(-1)
    assert phase_correlation(inverted) == pytest.approx(2)


def test_independent_channels_of_equal_level_have_width_two() -> None:
    independent = stacked(noise(400_000), noise(400_000, seed=1))
    assert normalised_width(independent) == pytest.approx(2, rel=0.01)
    assert channel_correlation(independent) == pytest.approx(0, abs=0.01)


def test_one_channel_alone_has_width_two() -> None:
    assert normalised_width(stacked(noise(LENGTH), torch.zeros(LENGTH))) == pytest.approx(2)


def test_a_delayed_sine_correlates_by_the_cosine_of_its_phase() -> None:
    note = tone(44_100 + 25, hz=441.0)  # a quarter of its period is 25 samples
    assert channel_correlation(stacked(note[25:], note[:-25])) == pytest.approx(0, abs=1e-4)
    assert channel_correlation(stacked(note[50:], note[:-50])) == pytest.approx(-1, abs=1e-4)


def test_silence_counts_as_mono() -> None:
    silent = np.zeros((2, 100), np.float32)
    assert normalised_width(silent) == 0
    assert channel_correlation(silent) == 1
    assert ImageMeter().width() == 0
    assert ImageMeter().correlation() == 1


@given(places=st.lists(st.integers(0, LENGTH), max_size=5))
def test_a_meter_fed_in_blocks_reads_as_one_fed_whole(places: list[int]) -> None:
    meter = ImageMeter()
    for block in np.split(scene(), sorted(places), axis=1):
        meter.push(block)
    assert meter.width() == pytest.approx(normalised_width(scene()), rel=1e-9)
    assert meter.correlation() == pytest.approx(channel_correlation(scene()), rel=1e-9)


@pytest.mark.parametrize(("side_db", "dual_mono"), [(-200, True), (-61, True), (-59, False)])
def test_dual_mono_is_a_side_60_db_under_the_mid(side_db: float, dual_mono: bool) -> None:
    side = 10 ** (side_db / 20) * noise(LENGTH, seed=1)
    side *= noise(LENGTH).norm() / noise(LENGTH, seed=1).norm()
    meter = ImageMeter()
    meter.push(stacked(noise(LENGTH) + side, noise(LENGTH) - side))
    assert meter.is_dual_mono() is dual_mono


def test_a_level_difference_is_not_dual_mono_and_silence_is() -> None:
    meter = ImageMeter()
    meter.push(np.zeros((2, 10), np.float32))
    assert meter.is_dual_mono()
    meter.push(stacked(noise(LENGTH), 0.9 * noise(LENGTH)))
    assert not meter.is_dual_mono()
