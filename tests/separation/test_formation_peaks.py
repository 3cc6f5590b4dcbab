import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import noise, song, tone
from soundstage.separation.formation_peaks import (
    FLOOR,
    FRAME,
    PEAKS,
    short_spectra,
    sinusoidal_peaks,
)
from soundstage.stereo.encoding import RATE, TRANSFORM


def test_short_spectra_are_those_of_the_samples() -> None:
    sound = song(10_000)
    spectra = short_spectra(TRANSFORM.analyze(sound))
    for frame in range(3, 7):
        start = frame * TRANSFORM.hop - FRAME // 2
        samples = sound[start : start + FRAME] * torch.hann_window(FRAME)
        torch.testing.assert_close(spectra[:, frame], torch.fft.rfft(samples), atol=1e-4, rtol=1e-4)


@given(hz=st.floats(100, 20_000), level=st.floats(-60, 0))
def test_a_sine_is_one_peak_with_its_frequency_and_amplitude(hz: float, level: float) -> None:
    amplitude = 10 ** (level / 20)
    peaks = sinusoidal_peaks(TRANSFORM.analyze(tone(8192, hz=hz, level=amplitude))[:, 3:6])
    np.testing.assert_allclose(peaks.frequency[:, 0], hz, atol=1.0)
    np.testing.assert_allclose(peaks.amplitude[:, 0], amplitude, rtol=0.03)
    others = peaks.amplitude[:, 1:]  # side lobes of the window, the first 31 dB below
    assert (others < amplitude * 10 ** (-30 / 20)).all()


def test_the_loudest_peaks_come_first_and_are_at_most_twenty() -> None:
    sound = torch.stack([tone(8192, hz=500.0 * n, level=0.5 / n) for n in range(1, 31)]).sum(dim=0)
    peaks = sinusoidal_peaks(TRANSFORM.analyze(sound)[:, 4:5])
    assert peaks.frequency.shape == (1, PEAKS)
    np.testing.assert_allclose(peaks.frequency[0], 500.0 * np.arange(1, PEAKS + 1), atol=1.0)
    assert (np.diff(peaks.amplitude[0]) < 0).all()


def test_silence_and_sound_below_the_floor_have_no_peaks() -> None:
    for sound in (torch.zeros(8192), tone(8192, level=0.9 * FLOOR)):
        peaks = sinusoidal_peaks(TRANSFORM.analyze(sound))
        assert not peaks.amplitude.any()
        assert not peaks.frequency.any()


def test_peaks_of_noise_are_finite_and_between_zero_and_nyquist() -> None:
    peaks = sinusoidal_peaks(TRANSFORM.analyze(noise(50_000)))
    found = peaks.amplitude > 0
    assert math.isfinite(peaks.amplitude.sum())
    assert ((peaks.frequency[found] > 0) & (peaks.frequency[found] < RATE / 2)).all()
