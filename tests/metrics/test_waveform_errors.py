import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sounds import noise, song
from soundstage.metrics.binaural_metrics import amplitude_l2, phase_l2, wave_l2

RATE = 48_000


def ears(length: int, *, seed: int = 0) -> Tensor:
    one = 0.3 * song(length, seed=seed, rate=RATE)  # twice that is still under full scale
    return torch.stack([one, 0.5 * one.roll(20) + noise(length, seed=seed + 3, level=0.02)])


def pair(length: int) -> tuple[Tensor, Tensor]:
    true = ears(length)
    return 0.8 * true.roll(3, dims=-1) + noise(2 * length, seed=7, level=0.02).reshape(2, -1), true


def spectra(ears: np.ndarray, rate: int) -> np.ndarray:
    """From the definition, frame by frame, in double precision."""
    length, hop = rate * 40 // 1000, rate // 100
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    mirrored = np.pad(ears.astype(float), ((0, 0), (1024, 1024)), mode="reflect")
    frames = []
    for time in range(ears.shape[1] // hop + 1):
        frame = mirrored[:, time * hop : time * hop + 2048].copy()
        before = (2048 - length) // 2
        frame[:, :before] = 0
        frame[:, before : before + length] *= window
        frame[:, before + length :] = 0
        frames.append(np.fft.rfft(frame))
    return np.stack(frames, axis=1)


def derived(made: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Amplitude L2 and Phase L2 of two spectrograms."""
    size = np.abs(true.real) + np.abs(true.imag)
    threshold = 0.2 * size.mean()
    both = (size > threshold) & (np.abs(made.real) + np.abs(made.imag) > threshold)
    phases = np.abs(np.angle(made[both] * true[both].conj()))
    return float(np.abs(np.abs(made) - np.abs(true)).mean()), float(phases.mean())


@pytest.mark.parametrize(("rate", "length"), [(48_000, 145_013), (44_100, 9_000), (16_000, 1_025)])
def test_the_errors_are_those_of_their_definition(rate: int, length: int) -> None:
    made, true = pair(length)
    amplitude, phase = derived(spectra(made.numpy(), rate), spectra(true.numpy(), rate))
    assert amplitude_l2(made, true, rate) == pytest.approx(amplitude, rel=1e-5)
    assert phase_l2(made, true, rate) == pytest.approx(phase, rel=1e-4)
    assert amplitude_l2(made.double(), true.double(), rate) == pytest.approx(amplitude, rel=1e-10)
    assert phase_l2(made.double(), true.double(), rate) == pytest.approx(phase, rel=1e-10)
    squares = (made.numpy().astype(float) - true.numpy()) ** 2
    assert wave_l2(made, true) == pytest.approx(squares.mean(), rel=1e-6)


def test_the_transform_is_that_of_the_published_evaluation() -> None:
    made, true = (x.double() for x in pair(30_000))
    window = torch.hann_window(1920, dtype=torch.float64)
    found, wanted = (
        torch.stft(x, 2048, 480, 1920, window, return_complex=True).numpy() for x in (made, true)
    )
    amplitude, phase = derived(found, wanted)
    assert amplitude_l2(made, true, RATE) == pytest.approx(amplitude, rel=1e-10)
    assert phase_l2(made, true, RATE) == pytest.approx(phase, rel=1e-10)


def test_equal_ears_have_no_error() -> None:
    true = ears(20_000)
    assert wave_l2(true, true) == 0
    assert amplitude_l2(true, true, RATE) == 0
    assert phase_l2(true, true, RATE) == 0


@given(gain=st.floats(0.5, 2.0))
def test_a_gain_costs_amplitude_and_no_phase(gain: float) -> None:
    true = ears(8_000)
    assert wave_l2(gain * true, true) == pytest.approx(
        (gain - 1) ** 2 * true.square().mean().item(), rel=1e-4, abs=1e-12
    )
    whole = amplitude_l2(torch.zeros_like(true), true, RATE)
    wanted = pytest.approx(abs(gain - 1) * whole, rel=1e-4, abs=1e-6)
    assert amplitude_l2(gain * true, true, RATE) == wanted
    assert phase_l2(gain * true, true, RATE) == pytest.approx(0, abs=1e-5)


def test_turned_polarity_costs_all_phase_and_no_amplitude() -> None:
    true = ears(20_000)
    assert wave_l2(-true, true) == pytest.approx(4 * true.square().mean().item(), rel=1e-6)
    assert amplitude_l2(-true, true, RATE) == 0
    assert phase_l2(-true, true, RATE) == pytest.approx(math.pi, abs=1e-5)


@given(angle=st.floats(-3.1, 3.1))
def test_turning_every_phase_costs_that_angle(angle: float) -> None:
    true = noise(RATE).reshape(2, -1)
    turned = torch.fft.irfft(torch.fft.rfft(true) * np.exp(1j * angle), true.shape[1])
    assert phase_l2(turned, true, RATE) == pytest.approx(abs(angle), abs=0.02)  # but for the ends


def test_unrelated_phases_are_a_quarter_turn_apart() -> None:
    one, other = (noise(2 * RATE, seed=seed).reshape(2, -1) for seed in (0, 1))
    assert phase_l2(one, other, RATE) == pytest.approx(math.pi / 2, abs=0.01)


@pytest.mark.parametrize("in_truth", [True, False])
def test_a_bin_that_is_faint_in_either_has_no_phase(in_truth: bool) -> None:
    low = torch.fft.rfft(noise(RATE).reshape(2, -1))
    low[:, low.shape[1] // 3 :] = 0
    both = torch.fft.irfft(low)
    full, faint = (both + noise(RATE, seed=3, level=x).reshape(2, -1) for x in (0.1, 3e-4))
    made, true = (full, faint) if in_truth else (faint, full)
    own = noise(RATE, seed=4).reshape(2, -1)
    assert phase_l2(faint, both + 1e-3 * own, RATE) < 0.05
    assert phase_l2(made, true, RATE) < 0.75 * phase_l2(full, both + own, RATE)


def test_both_ears_count_alike() -> None:
    made, true = pair(20_000)
    for error in (wave_l2, lambda x, y: amplitude_l2(x, y, RATE)):
        one = error(torch.stack([made[0], true[1]]), true)
        other = error(torch.stack([true[0], made[1]]), true)
        assert one + other == pytest.approx(error(made, true), rel=1e-6)
    for error in (amplitude_l2, phase_l2):
        swapped = error(made.flip(0), true.flip(0), RATE)
        assert swapped == pytest.approx(error(made, true, RATE), rel=1e-6)


def test_long_sounds_in_single_precision_are_summed_in_double() -> None:
    made, true = (x.repeat(1, 60) for x in pair(16_000))
    assert made.shape[1] == 20 * RATE
    assert wave_l2(made, true) == pytest.approx(wave_l2(made.double(), true.double()), rel=1e-7)
    for error in (amplitude_l2, phase_l2):
        wanted = error(made[:, : 4 * RATE].double(), true[:, : 4 * RATE].double(), RATE)
        assert error(made[:, : 4 * RATE], true[:, : 4 * RATE], RATE) == pytest.approx(
            wanted, rel=2e-5
        )


def test_silence_has_no_phase_and_a_sound_too_short_to_be_mirrored_no_spectrum() -> None:
    true = ears(4_000)
    silent = torch.zeros_like(true)
    for made, wanted in ((true, silent), (silent, true), (silent, silent)):
        assert math.isnan(phase_l2(made, wanted, RATE))
    assert wave_l2(silent, silent) == amplitude_l2(silent, silent, RATE) == 0
    for error in (amplitude_l2, phase_l2):
        assert math.isnan(error(true[:, :1024], true[:, :1024], RATE))
        assert error(true[:, :1025], true[:, :1025], RATE) == 0
    assert wave_l2(true[:, :1], 0.5 * true[:, :1]) > 0
