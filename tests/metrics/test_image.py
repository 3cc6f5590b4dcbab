import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import RATE, cut, noise, song, stereo_scene, tone
from soundstage.metrics.image import (
    ImageMeter,
    channel_correlation,
    normalized_width,
    phase_correlation,
    side_balance,
    side_balance_error,
)
from soundstage.stereo.encoding import BAND_EDGES

LENGTH = 20_000


def scene() -> torch.Tensor:
    return stereo_scene(LENGTH)


def stacked(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return torch.stack([left, right])


def test_correlation_agrees_with_numpy() -> None:
    wanted = np.corrcoef(scene().double().numpy())[0, 1]
    assert channel_correlation(scene()).item() == pytest.approx(wanted, abs=1e-12)
    assert phase_correlation(scene()).item() == pytest.approx(1 - wanted, abs=1e-12)


def test_swapped_channels_have_the_same_image() -> None:
    for measure in (normalized_width, channel_correlation, phase_correlation):
        assert measure(scene().flip(0)).item() == pytest.approx(measure(scene()).item())


def test_the_image_of_a_batch_is_that_of_its_items() -> None:
    scenes = torch.stack([stereo_scene(3_000, seed=10 * seed) for seed in range(6)])
    scenes[2] = 0
    scenes[3, 1] = -scenes[3, 0]
    for measure in (normalized_width, channel_correlation, phase_correlation):
        values = measure(scenes.reshape(3, 2, 2, -1))
        assert values.shape == (3, 2)
        torch.testing.assert_close(values.flatten(), torch.stack([*map(measure, scenes)]))


def test_identical_channels_have_no_width_and_correlation_one() -> None:
    mono = stacked(noise(LENGTH), noise(LENGTH))
    assert normalized_width(mono).item() == pytest.approx(0, abs=1e-6)
    assert channel_correlation(mono).item() == pytest.approx(1)
    assert phase_correlation(mono).item() == pytest.approx(0)


def test_inverted_channels_have_infinite_width_and_correlation_minus_one() -> None:
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


def test_the_correlation_of_a_delayed_sine_is_the_cosine_of_its_phase() -> None:
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
def test_the_meter_does_not_depend_on_blocks(places: list[int]) -> None:
    meter = ImageMeter()
    for block in cut(scene().numpy(), places):
        meter.push(block)
    assert meter.width() == pytest.approx(normalized_width(scene()).item(), rel=1e-9)
    assert meter.correlation() == pytest.approx(channel_correlation(scene()).item(), rel=1e-9)


@pytest.mark.parametrize(("side_db", "dual_mono"), [(-61, True), (-59, False)])
def test_dual_mono_is_a_side_60_db_below_the_mid(side_db: float, dual_mono: bool) -> None:
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


def wide(width_db: float, *, seed: int = 0) -> torch.Tensor:
    """Noise whose side lies `width_db` over its mid, in every band."""
    mid = noise(4 * RATE, seed=seed)
    side = 10 ** (width_db / 20) * noise(4 * RATE, seed=seed + 1)
    return torch.stack([mid + side, mid - side])


def faded_tone(hz: float) -> torch.Tensor:
    """A tone on the left alone, in few bands, since it begins and ends softly."""
    faded = tone(60_000, hz=hz) * torch.hann_window(60_000)
    return torch.stack([faded, torch.zeros(60_000)])


def test_side_balance_agrees_with_scipy_in_every_band() -> None:
    left, right = stereo_scene(60_000).double().numpy()
    energies = []
    for signal in ((left + right) / 2, (left - right) / 2):
        frames = scipy.signal.stft(signal, window="hann", nperseg=4096, noverlap=3072)[2]
        power = (np.abs(frames) ** 2).sum(axis=1)
        energies.append(np.add.reduceat(power, BAND_EDGES[:-1]))
    wanted = np.clip(10 * np.log10(energies[1] / energies[0]), -40, 20)
    np.testing.assert_allclose(side_balance(stereo_scene(60_000)).numpy(), wanted, atol=0.02)


@pytest.mark.parametrize("width_db", [-30, 12])
def test_side_balance_of_noise_is_the_level_of_its_side(width_db: float) -> None:
    balance = side_balance(wide(width_db))[10:]  # the lowest have too few bins
    torch.testing.assert_close(balance, torch.full_like(balance, width_db), atol=0.8, rtol=0)


def test_side_balance_of_independent_channels_is_0_db() -> None:
    alone = torch.stack([noise(60_000), torch.zeros(60_000)])
    torch.testing.assert_close(side_balance(alone), torch.zeros(34, dtype=torch.float64))
    other = torch.stack([noise(4 * RATE), 0.1 * noise(4 * RATE, seed=1)])
    assert side_balance(other)[10:].abs().max() < 0.3


def test_side_balance_of_identical_and_inverted_channels_is_at_the_limits() -> None:
    mono = song(60_000)
    assert (side_balance(torch.stack([mono, mono])) == -40).all()
    assert (side_balance(torch.stack([mono, -mono])) == 20).all()


def test_side_balance_of_a_delayed_copy_is_a_comb() -> None:
    delay, source = 44, noise(8 * RATE)
    balance = side_balance(torch.stack([source[:-delay], source[delay:]])).numpy()
    turn = np.pi * np.arange(2049) * delay / 4096  # half the phase between the channels
    sums = [np.add.reduceat(f(turn) ** 2, BAND_EDGES[:-1]) for f in (np.sin, np.cos)]
    wanted = 10 * np.log10(sums[0] / sums[1])
    clear = np.abs(wanted) < 10  # where the window does not blur the notches
    assert clear.sum() > 25
    np.testing.assert_allclose(balance[clear], wanted[clear], atol=1.0)
    assert wanted.max() - wanted.min() > 20


def test_side_balance_of_empty_bands_is_nan() -> None:
    held = side_balance(faded_tone(1_000)).isfinite()
    at_tone = (BAND_EDGES[:-1] <= 93) & (BAND_EDGES[1:] > 93)  # the bin nearest to 1 kHz
    assert held[torch.from_numpy(at_tone)].all()
    assert not held[:5].any()
    assert not held[-8:].any()
    assert side_balance(torch.zeros(2, 60_000)).isnan().all()


def test_side_balance_error_of_mono_is_the_whole_width() -> None:
    assert side_balance_error(stereo_scene(60_000), stereo_scene(60_000)) == 0
    mono = stereo_scene(60_000).mean(dim=0).expand(2, -1)
    wanted = (side_balance(stereo_scene(60_000)) + 40).abs().mean()
    assert side_balance_error(mono, stereo_scene(60_000)).item() == pytest.approx(wanted.item())


def test_twice_the_side_is_a_side_balance_error_of_6_db() -> None:
    left, right = stereo_scene(60_000)
    mid, side = (left + right) / 2, left - right
    wider = torch.stack([mid + side, mid - side])
    assert side_balance_error(wider, stereo_scene(60_000)).item() == pytest.approx(6.02, abs=0.01)


def test_only_bands_of_the_truth_count_and_lost_bands_count_as_mono() -> None:
    low = faded_tone(500)  # 0 dB in the bands it has
    held = side_balance(low).isfinite()
    assert 0 < held.sum() < 20
    mid = noise(60_000, level=1e-6)  # a width of its own in the bands that the truth has not
    assert side_balance_error(low + torch.stack([mid, mid]), low) < 1.0
    assert side_balance_error(torch.zeros(2, 60_000), low).item() == pytest.approx(40, abs=1e-3)
    assert side_balance_error(low, torch.zeros(2, 60_000)).isnan()


def test_side_balance_of_a_batch_is_that_of_its_items() -> None:
    scenes = torch.stack([stereo_scene(9_000, seed=10 * seed) for seed in range(4)])
    both = side_balance(scenes.reshape(2, 2, 2, -1))
    assert both.shape == (2, 2, 34)
    torch.testing.assert_close(
        both.flatten(0, 1), torch.stack([*map(side_balance, scenes)]), atol=1e-4, rtol=0
    )
    errors = side_balance_error(scenes, scenes.flip(0))
    alone = [side_balance_error(*pair) for pair in zip(scenes, scenes.flip(0), strict=True)]
    torch.testing.assert_close(errors, torch.stack(alone), atol=1e-4, rtol=0)
