import numpy as np
import pytest
from scipy.signal import minimum_phase as scipy_minimum_phase

from soundstage.binaural.hrtf.onsets import minimum_phase, onset_delays
from spheres import LEAD, delays, grid, sphere_head

TOWARDS = grid(30)


@pytest.mark.parametrize("rate", [16_000, 44_100, 96_000])
def test_the_delays_of_a_sphere_are_those_of_its_formula(rate: int) -> None:
    head = sphere_head(TOWARDS, rate=rate, taps=256)
    found = onset_delays(head.responses, rate) - rate * delays(TOWARDS)
    assert np.ptp(found) / rate < (15e-6 if rate == 16_000 else 4e-6)  # seconds
    assert found.mean() == pytest.approx(LEAD, abs=1)  # less what the fade takes for its phase


def test_neither_level_nor_polarity_matters() -> None:
    head = sphere_head(TOWARDS)
    wanted = onset_delays(head.responses, head.rate)
    found = onset_delays(-20 * head.responses, head.rate)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-3)


def test_the_minimum_phase_is_that_of_scipy() -> None:
    taps = np.random.default_rng(0).standard_normal(64) * np.exp(-np.arange(64) / 10)
    size = 4096
    logs = np.log(np.abs(np.fft.rfft(taps, size)))
    made = np.fft.irfft(minimum_phase(logs, size), size)[:64]
    wanted = scipy_minimum_phase(
        np.correlate(taps, taps, "full"), method="homomorphic", n_fft=1 << 16, half=True
    )
    np.testing.assert_allclose(np.abs(made), np.abs(wanted), rtol=0, atol=1e-3)
