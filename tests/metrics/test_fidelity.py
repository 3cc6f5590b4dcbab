import math

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import noise, song, stereo_scene, tone
from soundstage.metrics.fidelity import (
    centered,
    fold_down_error,
    log_spectral_distance,
    mrstft_distance,
    si_snr,
)

LENGTH = 30_000


def stacked(*channels: torch.Tensor) -> torch.Tensor:
    return torch.stack(channels)


def test_an_equal_fold_down_has_an_error_of_minus_400_db() -> None:
    mono = noise(1_000)
    assert fold_down_error(stacked(mono, mono), mono) == -400


def test_the_side_does_not_change_the_fold_down_error() -> None:
    left, right = stereo_scene(1_000).double()
    assert fold_down_error(stacked(left, right), (left + right) / 2) == -400
    assert fold_down_error(stacked(right, left), (left + right) / 2) == -400


@pytest.mark.parametrize("level_db", [-100, 0])
def test_the_fold_down_error_is_the_level_of_an_added_error(level_db: float) -> None:
    mono = noise(1_000).double()
    error = mono.roll(1) * 10 ** (level_db / 20)
    stereo = stacked(mono + 2 * error, mono)  # in one channel alone, so halved
    assert fold_down_error(stereo, mono).item() == pytest.approx(level_db, abs=1e-6)


def test_the_fold_down_error_of_a_silent_input_is_relative_to_full_scale() -> None:
    silent = torch.zeros(100)
    assert fold_down_error(torch.zeros(2, 100), silent) == -400
    assert fold_down_error(torch.full((2, 100), 0.01), silent).item() == pytest.approx(-40)


def test_inverted_channels_have_the_expected_fold_down_errors() -> None:
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
def test_si_snr_of_added_noise_is_invariant_to_gain_and_offset(
    snr_db: float, gain: float, offset: float
) -> None:
    reference = centered(noise(5_000))
    other = centered(noise(5_000, seed=1))
    other -= (other @ reference) / (reference @ reference) * reference  # orthogonal
    other *= reference.norm() / other.norm() * 10 ** (-snr_db / 20)
    estimate = gain * (reference + other) + offset
    assert si_snr(estimate, reference).item() == pytest.approx(snr_db, abs=1e-6)
    assert si_snr(-estimate, reference).item() == pytest.approx(snr_db, abs=1e-6)


def test_si_snr_of_equal_signals_is_400_db() -> None:
    signal = song(LENGTH)
    assert si_snr(signal, signal) == 400
    assert si_snr(-signal, signal) == 400
    assert si_snr(0.3 * signal.double(), signal) > 290


def test_si_snr_of_orthogonal_signals_is_minus_400_db() -> None:
    one = torch.tensor([1.0, -1.0, 1.0, -1.0])
    other = torch.tensor([1.0, 1.0, -1.0, -1.0])
    assert si_snr(one, other) == -400


@pytest.mark.parametrize("phase", [15, 75])
def test_si_snr_of_a_delayed_sine_is_the_cotangent_of_its_phase(phase: float) -> None:
    note = tone(36_000 + 360, hz=100, rate=36_000)  # a degree a sample
    delayed = si_snr(note[phase : phase + 36_000], note[:36_000])
    assert delayed.item() == pytest.approx(-20 * math.log10(math.tan(math.radians(phase))), abs=0.1)


@pytest.mark.parametrize("silent", [torch.zeros(LENGTH), torch.full((LENGTH,), 0.1)])
def test_si_snr_of_silence_and_constants_is_undefined(silent: torch.Tensor) -> None:
    assert si_snr(silent, noise(LENGTH)).isnan()
    assert si_snr(noise(LENGTH), silent).isnan()
    assert si_snr(silent, silent).isnan()
    assert si_snr(silent.double(), noise(LENGTH)).isnan()


@given(level=st.floats(-1, 1), length=st.integers(1, 3_000))
def test_a_centered_constant_is_exactly_zero(level: float, length: int) -> None:
    constant = torch.full((length,), level, dtype=torch.float64)
    assert not centered(constant).any()
    assert centered(torch.cat([constant, constant + 1e-3])).all()


def test_fold_down_and_si_snr_of_a_batch_are_those_of_its_items() -> None:
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


@pytest.mark.parametrize("length", [2048, LENGTH, LENGTH + 1])
def test_the_log_spectral_distance_agrees_with_scipy(length: int) -> None:
    one, other = (x[:length] for x in pair())
    wanted = derived(one.numpy(), other.numpy())
    assert log_spectral_distance(one, other).item() == pytest.approx(wanted, abs=2e-3)
    precise = log_spectral_distance(one.double(), other.double()).item()
    assert precise == pytest.approx(wanted, rel=1e-9)


def test_sounds_shorter_than_a_frame_have_a_log_spectral_distance() -> None:
    one, other = pair()
    for length in (1, 511, 512):
        assert log_spectral_distance(one[:length], other[:length]) > 0


def test_identical_signals_have_no_distance() -> None:
    wide = stereo_scene(LENGTH)
    assert torch.equal(log_spectral_distance(wide, wide), torch.zeros(2, dtype=torch.float64))
    assert mrstft_distance(wide, wide) == 0


@given(gain_db=st.floats(-20, 20))
def test_the_log_spectral_distance_of_a_gain_is_its_decibels(gain_db: float) -> None:
    source = noise(8_000, level=0.1)  # nowhere near the floor
    changed = 10 ** (gain_db / 20) * source
    assert log_spectral_distance(changed, source).item() == pytest.approx(abs(gain_db), abs=1e-3)


def test_the_log_spectral_distance_is_symmetric_and_ignores_polarity() -> None:
    one, other = pair()
    distance = log_spectral_distance(one, other)
    assert log_spectral_distance(other, one) == pytest.approx(distance.item())
    assert log_spectral_distance(-one, other) == pytest.approx(distance.item())
    assert log_spectral_distance(-one, one) == 0


def test_a_delay_matters_for_music_and_not_for_a_steady_tone() -> None:
    steady = noise(LENGTH) + tone(LENGTH + 2_000, level=0.3)[:LENGTH]
    assert log_spectral_distance(steady.roll(1), steady) < 2
    assert log_spectral_distance(song(LENGTH).roll(4_000), song(LENGTH)) > 5


def test_silence_has_a_finite_distance_to_sound_and_none_to_itself() -> None:
    silent, sine = torch.zeros(44_100), tone(44_100, hz=44_100 * 64 / 2048, level=1.0)
    assert log_spectral_distance(silent, silent) == 0
    # 100 dB at the bin of a full-scale sine, 94 at its two neighbors, and no energy elsewhere
    inside = log_spectral_distance(silent[:8_192], sine[:8_192]).item()
    whole = np.sqrt((100**2 + 2 * (100 - 6.0206) ** 2) / 1025)
    assert inside >= whole - 0.01
    assert mrstft_distance(silent.expand(1, -1), silent.expand(1, -1)) == 0
    assert torch.isfinite(mrstft_distance(silent.expand(1, -1), sine.expand(1, -1)))
    assert torch.isfinite(mrstft_distance(sine.expand(1, -1), silent.expand(1, -1)))


def test_signals_below_the_floor_do_not_differ() -> None:
    faint = noise(LENGTH, level=1e-7)
    assert log_spectral_distance(faint, torch.zeros(LENGTH)) == 0


@pytest.mark.parametrize(("channels", "swapped"), [(1, False), (2, True)])
def test_the_multi_resolution_distance_agrees_with_auraloss(channels: int, swapped: bool) -> None:
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


def test_spectral_distances_of_a_batch_are_those_of_its_items() -> None:
    scenes = [stereo_scene(9_000, seed=10 * seed) for seed in range(6)]
    one = torch.stack(scenes).reshape(3, 2, 2, -1)
    other = one.flip(1) + 0.01
    for distance, depth in ((log_spectral_distance, 3), (mrstft_distance, 2)):
        values = distance(one, other)
        assert values.shape == one.shape[:depth]
        alone = [distance(one[i, j], other[i, j]) for i in range(3) for j in range(2)]
        torch.testing.assert_close(values, torch.stack(alone).reshape(values.shape))
