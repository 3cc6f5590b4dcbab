import numpy as np
import pytest
from scipy.signal import minimum_phase as scipy_minimum_phase

from soundstage.binaural.hrtf.onsets import minimum_phase, onset_delays
from spheres import LEAD, delays, grid, sphere_head

TOWARDS = grid(30)


@pytest.mark.parametrize("rate", [16_000, 96_000])
def test_onsets_of_a_sphere_match_its_formula(rate: int) -> None:
    hrtf = sphere_head(TOWARDS, rate=rate, taps=256)
    found = onset_delays(hrtf.responses, rate) - rate * delays(TOWARDS)
    assert np.ptp(found) / rate < (15e-6 if rate == 16_000 else 4e-6)  # seconds
    assert found.mean() == pytest.approx(LEAD, abs=1)


def test_level_and_polarity_do_not_matter() -> None:
    hrtf = sphere_head(TOWARDS)
    expected = onset_delays(hrtf.responses, hrtf.rate)
    found = onset_delays(-20 * hrtf.responses, hrtf.rate)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


def test_minimum_phase_agrees_with_scipy() -> None:
    taps = np.random.default_rng(0).standard_normal(64) * np.exp(-np.arange(64) / 10)
    size = 4096
    logs = np.log(np.abs(np.fft.rfft(taps, size)))
    response = np.fft.irfft(minimum_phase(logs, size), size)[:64]
    expected = scipy_minimum_phase(
        np.correlate(taps, taps, "full"), method="homomorphic", n_fft=1 << 16, half=True
    )
    np.testing.assert_allclose(np.abs(response), np.abs(expected), rtol=0, atol=1e-3)
