import numpy as np
import pytest

from soundstage.binaural.hrtf.bass_extension import with_bass
from spheres import RADIUS, SPEED, delays, sphere_head, spread

SIZE, RATE = 8192, 44_100
FREQUENCIES = np.fft.rfftfreq(SIZE, 1 / RATE)
CENTER = 1e-3  # s


def delayed(time):
    """Spectra of pure delays, in seconds after the middle of the head."""
    return np.exp(-2j * np.pi * FREQUENCIES * (time[..., None] + CENTER))


def test_a_head_without_shadow_is_returned() -> None:
    spectra = delayed(delays(spread(40)))
    np.testing.assert_allclose(with_bass(spectra, FREQUENCIES, CENTER), spectra, atol=1e-9)


@pytest.mark.parametrize("order", [2, 4])
def test_what_a_small_loudspeaker_leaves_out_is_put_back(order: int) -> None:
    time = delays(spread(40))
    speaker = 1 / np.sqrt(1 + (120 / np.maximum(FREQUENCIES, 1e-3)) ** (2 * order))
    found = with_bass(delayed(time) * speaker, FREQUENCIES, CENTER)
    low = FREQUENCIES <= 100
    np.testing.assert_allclose(found[..., low], delayed(time)[..., low], atol=1e-9)
    assert (
        np.abs(found[..., FREQUENCIES < 400]).min() > 0.8
    )  # at 200 Hz the speaker has lost little


def test_the_delay_is_that_of_the_phase_just_above() -> None:
    head = sphere_head(spread(60), taps=512)
    spectra = np.fft.rfft(head.responses.astype(float), SIZE)
    found = with_bass(spectra, FREQUENCIES, 30 / RATE)
    bass = np.searchsorted(FREQUENCIES, 50)
    phase = np.angle(found[..., bass] * np.exp(2j * np.pi * FREQUENCIES[bass] * 30 / RATE))
    late = -phase / (2 * np.pi * FREQUENCIES[bass])
    # The one-pole shadow of this sphere adds a group delay to Woodworth's: 3/2 of a/c·cos θ or so
    slope = np.polyfit(head.directions[:, 1], late[:, 0] - late[:, 1], 1)[0]
    assert -3.4 * RADIUS / SPEED < slope < -2.6 * RADIUS / SPEED


def test_what_the_loudspeaker_does_below_does_not_count() -> None:
    spectra = delayed(delays(spread(40)))
    noise = np.random.default_rng(0).uniform(-1, 1, (40, 2, len(FREQUENCIES)))
    spoilt = spectra * np.exp(1j * noise * (FREQUENCIES < 190))
    low = FREQUENCIES <= 100
    found = with_bass(spoilt, FREQUENCIES, CENTER)
    np.testing.assert_allclose(found[..., low], spectra[..., low], atol=1e-9)


def test_above_it_nothing_changes() -> None:
    noise = np.random.default_rng(0).standard_normal((3, 2, 64))
    spectra = np.fft.rfft(noise, SIZE)
    found = with_bass(spectra, FREQUENCIES, 0.0)
    high = FREQUENCIES >= 400
    np.testing.assert_allclose(found[..., high], spectra[..., high], rtol=1e-9)
    np.testing.assert_allclose(np.abs(found[..., FREQUENCIES <= 100]), 1)
