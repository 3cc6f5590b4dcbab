import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import cut, noise, stereo_scene, tone
from soundstage.metrics.image import (
    ImageMeter,
    channel_correlation,
    normalized_width,
    phase_correlation,
)

LENGTH = 20_000


def scene() -> torch.Tensor:
    return stereo_scene(LENGTH)


def stacked(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return torch.stack([left, right])


def test_correlation_agrees_with_numpy() -> None:
    wanted = np.corrcoef(scene().double().numpy())[0, 1]
    assert channel_correlation(scene()).item() == pytest.approx(wanted, abs=1e-12)
    assert phase_correlation(scene()).item() == pytest.approx(1 - wanted, abs=1e-12)


def test_correlation_agrees_with_torchmetrics() -> None:
    regression = pytest.importorskip("torchmetrics.functional.regression")
    wanted = regression.pearson_corrcoef(*scene().double()).item()
    assert channel_correlation(scene()).item() == pytest.approx(wanted, abs=1e-6)


def test_an_offset_does_not_change_the_correlation() -> None:
    offset = scene() + torch.tensor([[0.5], [-0.25]])
    wanted = channel_correlation(scene()).item()
    assert channel_correlation(offset).item() == pytest.approx(wanted, abs=1e-4)


def test_swapped_channels_have_the_same_image() -> None:
    for measure in (normalized_width, channel_correlation, phase_correlation):
        assert measure(scene().flip(0)).item() == pytest.approx(measure(scene()).item())


def test_a_batch_is_measured_item_by_item() -> None:
    scenes = torch.stack([stereo_scene(3_000, seed=10 * seed) for seed in range(6)])
    scenes[2] = 0
    scenes[3, 1] = -scenes[3, 0]
    for measure in (normalized_width, channel_correlation, phase_correlation):
        values = measure(scenes.reshape(3, 2, 2, -1))
        assert values.shape == (3, 2)
        torch.testing.assert_close(values.flatten(), torch.stack([*map(measure, scenes)]))


def test_width_is_twice_the_rms_of_side_over_mid() -> None:
    left, right = scene().double().numpy()
    mid, side = (left + right) / 2, (left - right) / 2
    wanted = 2 * np.sqrt(np.mean(side**2) / np.mean(mid**2))
    assert normalized_width(scene()).item() == pytest.approx(wanted)


def test_identical_channels_have_no_width_and_correlate_fully() -> None:
    mono = stacked(noise(LENGTH), noise(LENGTH))
    assert normalized_width(mono).item() == pytest.approx(0, abs=1e-6)
    assert channel_correlation(mono).item() == pytest.approx(1)
    assert phase_correlation(mono).item() == pytest.approx(0)


def test_inverted_channels_have_endless_width_and_correlate_negatively() -> None:
    inverted = stacked(noise(LENGTH), -noise(LENGTH))
    assert normalized_width(inverted) == float("inf")
    assert channel_correlation(inverted).item() == pytest.approx(-1)
    assert phase_correlation(inverted).item() == pytest.approx(2)


def test_independent_channels_of_equal_level_have_width_two() -> None:
    independent = stacked(noise(400_000), noise(400_000, seed=1))
    assert normalized_width(independent).item() == pytest.approx(2, rel=0.01)
    assert channel_correlation(independent).item() == pytest.approx(0, abs=0.01)


def test_one_channel_alone_has_width_two() -> None:
    alone = stacked(noise(LENGTH), torch.zeros(LENGTH))
    assert normalized_width(alone).item() == pytest.approx(2)
    assert normalized_width(alone.flip(0)).item() == pytest.approx(2)


def test_a_delayed_sine_correlates_by_the_cosine_of_its_phase() -> None:
    note = tone(44_100 + 25, hz=441.0)  # a quarter of its period is 25 samples
    assert channel_correlation(stacked(note[25:], note[:-25])).item() == pytest.approx(0, abs=1e-4)
    assert channel_correlation(stacked(note[50:], note[:-50])).item() == pytest.approx(-1, abs=1e-4)


def test_silence_counts_as_mono() -> None:
    silent = torch.zeros(2, 100)
    assert normalized_width(silent) == 0
    assert channel_correlation(silent) == 1
    assert channel_correlation(silent + torch.tensor([[0.1], [-0.1]])) == 1
    assert ImageMeter().width() == 0
    assert ImageMeter().correlation() == 1


@given(places=st.lists(st.integers(0, LENGTH), max_size=5))
def test_a_meter_fed_in_blocks_reads_as_one_fed_whole(places: list[int]) -> None:
    meter = ImageMeter()
    for block in cut(scene().numpy(), places):
        meter.push(block)
    assert meter.width() == pytest.approx(normalized_width(scene()).item(), rel=1e-9)
    assert meter.correlation() == pytest.approx(channel_correlation(scene()).item(), rel=1e-9)


@pytest.mark.parametrize(("side_db", "dual_mono"), [(-200, True), (-61, True), (-59, False)])
def test_dual_mono_is_a_side_60_db_under_the_mid(side_db: float, dual_mono: bool) -> None:
    side = 10 ** (side_db / 20) * noise(LENGTH, seed=1)
    side *= noise(LENGTH).norm() / noise(LENGTH, seed=1).norm()
    meter = ImageMeter()
    meter.push(stacked(noise(LENGTH) + side, noise(LENGTH) - side).numpy())
    assert meter.is_dual_mono() is dual_mono


def test_a_level_difference_is_not_dual_mono_and_silence_is() -> None:
    meter = ImageMeter()
    meter.push(np.zeros((2, 10), np.float32))
    assert meter.is_dual_mono()
    meter.push(stacked(noise(LENGTH), 0.9 * noise(LENGTH)).numpy())
    assert not meter.is_dual_mono()
