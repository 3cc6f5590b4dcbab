import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import noise, song, stereo_scene, tone
from soundstage.metrics.fidelity import centered, fold_down_error, si_snr

LENGTH = 20_000


def stacked(*channels: torch.Tensor) -> torch.Tensor:
    return torch.stack(channels)


def test_an_equal_fold_down_has_an_error_of_minus_400_db() -> None:
    mono = noise(1_000)
    assert fold_down_error(stacked(mono, mono), mono) == -400


def test_a_side_signal_is_no_error() -> None:
    left, right = stereo_scene(1_000).double()
    assert fold_down_error(stacked(left, right), (left + right) / 2) == -400
    assert fold_down_error(stacked(right, left), (left + right) / 2) == -400


@pytest.mark.parametrize("level_db", [-100, -40, 0, 6])
def test_an_added_error_is_measured_in_decibels(level_db: float) -> None:
    mono = noise(1_000).double()
    error = mono.roll(1) * 10 ** (level_db / 20)
    stereo = stacked(mono + 2 * error, mono)  # in one channel alone, so halved
    assert fold_down_error(stereo, mono).item() == pytest.approx(level_db, abs=1e-6)


def test_a_gain_of_one_per_mille_is_an_error_of_minus_60_db() -> None:
    mono = noise(1_000)
    stereo = stacked(mono, mono).double() * 1.001
    assert fold_down_error(stereo, mono).item() == pytest.approx(-60, abs=0.01)


def test_the_error_of_a_silent_input_counts_from_full_scale() -> None:
    silent = torch.zeros(100)
    assert fold_down_error(torch.zeros(2, 100), silent) == -400
    assert fold_down_error(torch.full((2, 100), 0.01), silent).item() == pytest.approx(-40)


def test_an_inverted_channel_loses_all_and_an_inverted_pair_doubles() -> None:
    mono = noise(1_000)
    assert fold_down_error(stacked(mono, -mono), mono).item() == pytest.approx(0)
    assert fold_down_error(stacked(-mono, -mono), mono).item() == pytest.approx(6.0206, abs=1e-4)


def test_si_snr_agrees_with_torchmetrics() -> None:
    audio = pytest.importorskip("torchmetrics.audio")
    one = stereo_scene(LENGTH).double() + 0.1
    other = one + 0.3 * stereo_scene(LENGTH, seed=4).double()
    for estimate, reference in ((one, other), (other, one), (other, one.flip(0))):
        for ours, pair in zip(
            si_snr(estimate, reference), zip(estimate, reference, strict=True), strict=True
        ):
            wanted = audio.ScaleInvariantSignalNoiseRatio()(*pair).item()
            assert ours.item() == pytest.approx(wanted, abs=1e-6)


@given(snr_db=st.floats(-60, 60), gain=st.floats(0.01, 10), offset=st.floats(-1, 1))
def test_si_snr_is_that_of_added_noise_whatever_the_gain_and_offset(
    snr_db: float, gain: float, offset: float
) -> None:
    reference = centered(noise(5_000))
    other = centered(noise(5_000, seed=1))
    other -= (other @ reference) / (reference @ reference) * reference  # orthogonal
    other *= reference.norm() / other.norm() * 10 ** (-snr_db / 20)
    estimate = gain * (reference + other) + offset
    assert si_snr(estimate, reference).item() == pytest.approx(snr_db, abs=1e-6)
    assert si_snr(-estimate, reference).item() == pytest.approx(snr_db, abs=1e-6)


def test_equal_signals_have_the_limit_and_scaled_ones_are_near_it() -> None:
    signal = song(LENGTH)
    assert si_snr(signal, signal) == 400
    assert si_snr(-signal, signal) == 400
    assert si_snr(0.3 * signal.double(), signal) > 290


def test_orthogonal_signals_have_the_other_limit() -> None:
    one = torch.tensor([1.0, -1.0, 1.0, -1.0])
    other = torch.tensor([1.0, 1.0, -1.0, -1.0])
    assert si_snr(one, other) == -400


@pytest.mark.parametrize("phase", [15, 45, 75])
def test_a_delayed_sine_has_the_cotangent_of_its_phase(phase: float) -> None:
    note = tone(36_000 + 360, hz=100, rate=36_000)  # a degree a sample
    delayed = si_snr(note[phase : phase + 36_000], note[:36_000])
    assert delayed.item() == pytest.approx(-20 * math.log10(math.tan(math.radians(phase))), abs=0.1)


@pytest.mark.parametrize("silent", [torch.zeros(LENGTH), torch.full((LENGTH,), 0.1)])
def test_silence_and_constants_have_no_si_snr_on_either_side(silent: torch.Tensor) -> None:
    assert si_snr(silent, noise(LENGTH)).isnan()
    assert si_snr(noise(LENGTH), silent).isnan()
    assert si_snr(silent, silent).isnan()
    assert si_snr(silent.double(), noise(LENGTH)).isnan()


@given(level=st.floats(-1, 1), length=st.integers(1, 3_000))
def test_a_constant_is_silent_once_its_mean_is_gone(level: float, length: int) -> None:
    constant = torch.full((length,), level, dtype=torch.float64)
    assert not centered(constant).any()
    assert centered(torch.cat([constant, constant + 1e-3])).all()


def test_a_batch_is_measured_item_by_item() -> None:
    estimate = torch.stack([stereo_scene(3_000, seed=seed) for seed in range(0, 60, 10)])
    reference = torch.stack([stereo_scene(3_000, seed=seed) for seed in range(5, 65, 10)])
    wide, mono = estimate.reshape(3, 2, 2, -1), reference[:, 0].reshape(3, 2, -1)
    errors = fold_down_error(wide, mono)
    ratios = si_snr(estimate, reference)
    assert errors.shape == (3, 2)
    assert ratios.shape == (6, 2)
    for i in range(6):
        assert errors.flatten()[i] == fold_down_error(estimate[i], reference[i, 0])
        assert torch.equal(ratios[i], torch.stack([*map(si_snr, estimate[i], reference[i])]))
