import time

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import noise, song, stereo_scene, tone
from soundstage.metrics.fidelity import log_spectral_distance, mrstft_distance

LENGTH = 30_000
FLOOR = 1e-10  # −100 dB


def derived(estimate: np.ndarray, reference: np.ndarray) -> float:
    """The log-spectral distance by scipy, in which a full-scale sine has the power 1 in its bin."""
    levels = []
    for signal in (estimate, reference):
        frames = scipy.signal.stft(
            signal.astype(float), window="hann", nperseg=2048, noverlap=1536, padded=False
        )[2]
        levels.append(10 * np.log10(np.maximum(np.abs(2 * frames) ** 2, FLOOR)))
    return float(np.mean(np.sqrt(np.mean((levels[0] - levels[1]) ** 2, axis=0))))


def pair(*, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    return song(LENGTH, seed=seed), 0.5 * song(LENGTH, seed=seed + 5) + noise(LENGTH, seed=seed + 9)


@pytest.mark.parametrize("length", [1, 511, 512, 2048, LENGTH, LENGTH + 1])
def test_the_log_spectral_distance_agrees_with_scipy(length: int) -> None:
    one, other = (x[:length] for x in pair())
    if length >= 2048:  # scipy shortens its window to a shorter signal
        wanted = derived(one.numpy(), other.numpy())
        assert log_spectral_distance(one, other).item() == pytest.approx(wanted, abs=2e-3)
    assert log_spectral_distance(one, other) > 0


def test_double_precision_agrees_with_scipy_to_rounding() -> None:
    one, other = (x.double() for x in pair())
    wanted = derived(one.numpy(), other.numpy())
    assert log_spectral_distance(one, other).item() == pytest.approx(wanted, rel=1e-9)


def test_identical_signals_have_no_distance() -> None:
    wide = stereo_scene(LENGTH)
    assert torch.equal(log_spectral_distance(wide, wide), torch.zeros(2, dtype=torch.float64))
    assert mrstft_distance(wide, wide) == 0


@given(gain_db=st.floats(-20, 20))
def test_a_change_of_gain_costs_its_decibels(gain_db: float) -> None:
    source = noise(8_000, level=0.1)  # nowhere near the floor
    changed = 10 ** (gain_db / 20) * source
    assert log_spectral_distance(changed, source).item() == pytest.approx(abs(gain_db), abs=1e-4)


def test_the_log_spectral_distance_is_symmetric_and_blind_to_polarity() -> None:
    one, other = pair()
    distance = log_spectral_distance(one, other)
    assert log_spectral_distance(other, one) == pytest.approx(distance.item())
    assert log_spectral_distance(-one, other) == pytest.approx(distance.item())
    assert log_spectral_distance(-one, one) == 0


def test_a_delay_of_a_steady_tone_costs_little_and_of_music_more() -> None:
    steady = noise(LENGTH) + tone(LENGTH + 2_000, level=0.3)[:LENGTH]
    assert log_spectral_distance(steady.roll(1), steady) < 2
    assert log_spectral_distance(song(LENGTH).roll(4_000), song(LENGTH)) > 5


def test_silence_has_a_finite_distance_and_none_to_itself() -> None:
    silent, sine = torch.zeros(44_100), tone(44_100, hz=44_100 * 64 / 2048, level=1.0)
    assert log_spectral_distance(silent, silent) == 0
    # 100 dB at the bin of a full-scale sine, 94 at its two neighbors, and no energy elsewhere
    inside = log_spectral_distance(silent[:8_192], sine[:8_192]).item()
    whole = np.sqrt((100**2 + 2 * (100 - 6.0206) ** 2) / 1025)
    assert inside >= whole - 0.01
    assert mrstft_distance(silent.expand(1, -1), silent.expand(1, -1)) == 0
    assert torch.isfinite(mrstft_distance(silent.expand(1, -1), sine.expand(1, -1)))
    assert torch.isfinite(mrstft_distance(sine.expand(1, -1), silent.expand(1, -1)))


def test_what_lies_100_db_under_full_scale_is_no_difference() -> None:
    faint = noise(LENGTH, level=1e-7)
    assert log_spectral_distance(faint, torch.zeros(LENGTH)) == 0


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_multi_resolution_distance_is_that_of_auraloss(channels: int, swapped: bool) -> None:
    auraloss = pytest.importorskip("auraloss")
    one, other = (x.expand(channels, -1).clone() for x in pair())
    one[0] *= 2
    if swapped:
        one, other = other, one
    wanted = auraloss.freq.MultiResolutionSTFTLoss()(one[None], other[None])
    assert mrstft_distance(one, other).item() == pytest.approx(wanted.item(), rel=2e-5)


def test_auraloss_agrees_at_the_shortest_length_and_on_silence() -> None:
    auraloss = pytest.importorskip("auraloss")
    music, silent = song(1025)[None, None], torch.zeros(1, 1, 1025)
    for one, other in ((music, silent), (silent, music)):
        wanted = auraloss.freq.MultiResolutionSTFTLoss()(one, other).item()
        assert mrstft_distance(one[0], other[0]).item() == pytest.approx(wanted, rel=2e-3)
    assert mrstft_distance(music[..., 1:], music[..., 1:]).isnan().all()


def test_items_of_a_batch_are_measured_one_by_one() -> None:
    scenes = [stereo_scene(9_000, seed=10 * seed) for seed in range(6)]
    one = torch.stack(scenes).reshape(3, 2, 2, -1)
    other = one.flip(1) + 0.01
    for distance, depth in ((log_spectral_distance, 3), (mrstft_distance, 2)):
        values = distance(one, other)
        assert values.shape == one.shape[:depth]
        alone = [distance(one[i, j], other[i, j]) for i in range(3) for j in range(2)]
        torch.testing.assert_close(values, torch.stack(alone).reshape(values.shape))


def test_half_a_minute_takes_less_than_a_third_of_a_second() -> None:
    one, other = noise(30 * 44_100), noise(30 * 44_100, seed=1)
    taken = []
    for _ in range(3):
        start = time.process_time()
        log_spectral_distance(one, other)
        taken.append(time.process_time() - start)
    assert min(taken) < 0.3 * torch.get_num_threads()
