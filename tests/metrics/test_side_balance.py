import numpy as np
import pytest
import scipy.signal
import torch

from sounds import RATE, noise, song, stereo_scene, tone
from soundstage.metrics.image import side_balance, side_balance_error
from soundstage.stereo.encoding import BAND_EDGES

LENGTH = 60_000


def scene() -> torch.Tensor:
    return stereo_scene(LENGTH)


def wide(width_db: float, *, seed: int = 0) -> torch.Tensor:
    """Noise whose side lies `width_db` over its mid, in every band."""
    mid = noise(4 * RATE, seed=seed)
    side = 10 ** (width_db / 20) * noise(4 * RATE, seed=seed + 1)
    return torch.stack([mid + side, mid - side])


def faded_tone(hz: float) -> torch.Tensor:
    """A tone on the left alone, in few bands, since it begins and ends softly."""
    faded = tone(LENGTH, hz=hz) * torch.hann_window(LENGTH)
    return torch.stack([faded, torch.zeros(LENGTH)])


def test_every_band_agrees_with_scipy() -> None:
    left, right = scene().double().numpy()
    energies = []
    for signal in ((left + right) / 2, (left - right) / 2):
        frames = scipy.signal.stft(signal, window="hann", nperseg=4096, noverlap=3072)[2]
        power = (np.abs(frames) ** 2).sum(axis=1)
        energies.append(np.add.reduceat(power, BAND_EDGES[:-1]))
    wanted = np.clip(10 * np.log10(energies[1] / energies[0]), -40, 20)
    np.testing.assert_allclose(side_balance(scene()).numpy(), wanted, atol=0.02)


@pytest.mark.parametrize("width_db", [-30, -6, 0, 12])
def test_noise_has_the_level_of_its_side_in_every_band(width_db: float) -> None:
    balance = side_balance(wide(width_db))[10:]  # the lowest hold too few bins to be sure
    torch.testing.assert_close(balance, torch.full_like(balance, width_db), atol=0.8, rtol=0)


def test_independent_channels_of_any_level_have_0_db() -> None:
    alone = torch.stack([noise(LENGTH), torch.zeros(LENGTH)])
    torch.testing.assert_close(side_balance(alone), torch.zeros(34, dtype=torch.float64))
    other = torch.stack([noise(4 * RATE), 0.1 * noise(4 * RATE, seed=1)])
    assert side_balance(other)[10:].abs().max() < 0.3


def test_identical_and_inverted_channels_are_the_two_ends() -> None:
    mono = song(LENGTH)
    assert (side_balance(torch.stack([mono, mono])) == -40).all()
    assert (side_balance(torch.stack([mono, -mono])) == 20).all()


def test_a_delayed_copy_is_the_comb_that_it_should_be() -> None:
    delay, source = 44, noise(8 * RATE)
    balance = side_balance(torch.stack([source[:-delay], source[delay:]])).numpy()
    turn = np.pi * np.arange(2049) * delay / 4096  # half the phase between the channels
    sums = [np.add.reduceat(f(turn) ** 2, BAND_EDGES[:-1]) for f in (np.sin, np.cos)]
    wanted = 10 * np.log10(sums[0] / sums[1])
    clear = np.abs(wanted) < 10  # where the window does not blur the notches
    assert clear.sum() > 25
    np.testing.assert_allclose(balance[clear], wanted[clear], atol=1.0)
    assert wanted.max() - wanted.min() > 20


def test_swapped_channels_have_the_same_balance() -> None:
    torch.testing.assert_close(side_balance(scene().flip(0)), side_balance(scene()))
    assert side_balance_error(scene().flip(0), scene()) < 1e-4


def test_an_empty_band_has_no_balance() -> None:
    held = side_balance(faded_tone(1_000)).isfinite()
    at_tone = (BAND_EDGES[:-1] <= 93) & (BAND_EDGES[1:] > 93)  # the bin nearest to 1 kHz
    assert held[torch.from_numpy(at_tone)].all()
    assert not held[:5].any()
    assert not held[-8:].any()
    assert side_balance(torch.zeros(2, LENGTH)).isnan().all()


def test_equal_stereo_has_no_error_and_mono_that_of_its_width() -> None:
    assert side_balance_error(scene(), scene()) == 0
    mono = scene().mean(dim=0).expand(2, -1)
    wanted = (side_balance(scene()) + 40).abs().mean()
    assert side_balance_error(mono, scene()).item() == pytest.approx(wanted.item())


def test_twice_the_side_is_an_error_of_6_db() -> None:
    left, right = scene()
    mid, side = (left + right) / 2, left - right
    wider = torch.stack([mid + side, mid - side])
    assert side_balance_error(wider, scene()).item() == pytest.approx(6.02, abs=0.01)


def test_only_the_bands_of_the_truth_count_and_a_band_that_is_lost_counts_as_mono() -> None:
    low = faded_tone(500)  # 0 dB in the bands it has
    held = side_balance(low).isfinite()
    assert 0 < held.sum() < 20
    mid = noise(LENGTH, level=1e-6)  # a width of its own in the bands that the truth has not
    assert side_balance_error(low + torch.stack([mid, mid]), low) < 1.0
    assert side_balance_error(torch.zeros(2, LENGTH), low).item() == pytest.approx(40, abs=1e-3)
    assert side_balance_error(low, torch.zeros(2, LENGTH)).isnan()


def test_a_batch_is_measured_item_by_item() -> None:
    scenes = torch.stack([stereo_scene(9_000, seed=10 * seed) for seed in range(4)])
    both = side_balance(scenes.reshape(2, 2, 2, -1))
    assert both.shape == (2, 2, 34)
    torch.testing.assert_close(
        both.flatten(0, 1), torch.stack([*map(side_balance, scenes)]), atol=1e-4, rtol=0
    )
    errors = side_balance_error(scenes, scenes.flip(0))
    alone = [side_balance_error(*pair) for pair in zip(scenes, scenes.flip(0), strict=True)]
    torch.testing.assert_close(errors, torch.stack(alone), atol=1e-4, rtol=0)
