from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import butter, iirnotch, iirpeak, lfilter
from scipy.spatial import SphericalVoronoi

from soundstage.binaural import HrtfSet, equalized
from soundstage.binaural.hrtf.equalization import extend_bass, sphere_shares
from soundstage.binaural.hrtf.onsets import onset_delays
from spheres import RADIUS, RATE, SPEED, delays, directions, grid, sphere_head, spread

HRTF = sphere_head(grid(15), taps=256)
SIZE = 8192
FREQUENCIES = np.fft.rfftfreq(SIZE, 1 / RATE)
CENTER = 1e-3  # s


def filtered(hrtf: HrtfSet, filters: tuple) -> HrtfSet:
    longer = np.pad(hrtf.responses, ((0, 0), (0, 0), (0, 256)))
    return replace(hrtf, responses=lfilter(*filters, longer))


def colored(hrtf: HrtfSet) -> HrtfSet:
    """With a small loudspeaker, an ear canal resonance and a delay."""
    speaker, canal = butter(2, 150, "high", fs=RATE), iirpeak(2500, 2, fs=RATE)
    played = lfilter(*speaker, np.pad(hrtf.responses, ((0, 0), (0, 0), (90, 422))))
    return replace(hrtf, responses=0.3 * (played + 8 * lfilter(*canal, played)))


def diffuse_level(hrtf: HrtfSet) -> np.ndarray:
    """Third-octave levels of the diffuse field in dB, from 50 Hz to 12.8 kHz."""
    power = np.abs(np.fft.rfft(hrtf.responses.astype(float), SIZE)) ** 2
    mean = sphere_shares(hrtf) @ power.mean(axis=1)
    centers = 50 * 2 ** (np.arange(25) / 3)
    thirds = [np.abs(np.log2(np.maximum(FREQUENCIES, 1) / each)) <= 1 / 6 for each in centers]
    return np.array([10 * np.log10(mean[third].mean()) for third in thirds])


def error(found: np.ndarray, expected: np.ndarray) -> float:
    """Relative energy of the error, for the best shift by up to one sample."""
    errors = [((np.roll(found, step, -1) - expected) ** 2).sum() for step in (-1, 0, 1)]
    return min(errors) / (expected**2).sum()


def delayed(time: np.ndarray) -> np.ndarray:
    """Spectra of pure delays, in seconds relative to the center of the head."""
    return np.exp(-2j * np.pi * FREQUENCIES * (time[..., None] + CENTER))


def test_shares_are_the_areas_of_voronoi_cells() -> None:
    towards = grid(15)  # much denser at the poles
    areas = SphericalVoronoi(towards).calculate_areas() / (4 * np.pi)
    assert areas.max() > 3 * areas.min()
    found = sphere_shares(sphere_head(towards))
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, areas, atol=5 / 8192)


def test_repeated_measurements_of_a_direction_have_no_more_weight() -> None:
    fields = ("directions", "distances", "responses", "delays")
    repeated = {
        name: np.concatenate([getattr(HRTF, name), np.repeat(getattr(HRTF, name)[:1], 200, axis=0)])
        for name in fields
    }
    found = equalized(replace(HRTF, **repeated)).responses[: len(HRTF.directions)]
    expected = equalized(HRTF).responses
    assert ((found - expected) ** 2).sum() < 1e-6 * (expected**2).sum()


def test_the_diffuse_field_becomes_flat() -> None:
    measured = colored(HRTF)
    assert np.ptp(diffuse_level(measured)) > 25
    assert np.abs(diffuse_level(equalized(measured))).max() < 1  # dB


def test_coloration_and_bass_phase_of_a_measurement_are_removed() -> None:
    plain = equalized(HRTF).responses
    assert error(equalized(colored(HRTF)).responses, plain) < 10**-2.5
    poles = butter(2, 120, fs=RATE)[1]
    all_pass = filtered(HRTF, (poles[::-1], poles))  # unit gain; half a turn at 120 Hz
    assert error(equalized(all_pass).responses, plain) < 10**-1.8


def test_steep_low_passes_and_narrow_notches_are_not_inverted() -> None:
    found = equalized(filtered(HRTF, butter(8, 15_000, fs=RATE))).responses
    power = np.abs(np.fft.rfft(found, SIZE)[..., np.searchsorted(FREQUENCIES, 18_000)]) ** 2
    assert 10 * np.log10(power.mean()) < -30  # dB; a full inverse gives -19
    found = equalized(filtered(HRTF, iirnotch(5000, 15, fs=RATE))).responses
    ratio = np.fft.rfft(found, SIZE) / np.fft.rfft(equalized(HRTF).responses, SIZE)
    level = 20 * np.log10(np.abs(ratio[..., np.searchsorted(FREQUENCIES, 5000)]))
    assert level.max() < -10  # dB


def test_interaural_differences_are_kept() -> None:
    measured, found = colored(HRTF), equalized(colored(HRTF))
    band = (FREQUENCIES > 500) & (FREQUENCIES < 12_000)
    levels = [
        20 * np.log10(np.abs(np.fft.rfft(each.responses.astype(float), SIZE)))[..., band]
        for each in (measured, found)
    ]
    before, after = (each[:, 0] - each[:, 1] for each in levels)
    assert np.sqrt(((after - before) ** 2).mean()) < 0.2  # dB
    itds = [np.subtract(*onset_delays(each.responses, RATE).T) for each in (measured, found)]
    assert np.abs(itds[0] - itds[1]).max() / RATE < 10e-6


@pytest.mark.parametrize("taps", [128, 256])
def test_responses_are_truncated_around_the_onset_and_sum_to_one(taps: int) -> None:
    found = equalized(colored(HRTF), taps=taps)
    assert found.taps == taps
    np.testing.assert_allclose(found.responses.sum(axis=-1), 1, atol=1e-4)
    earliest = onset_delays(found.responses, RATE).min()
    assert earliest == pytest.approx(0.5e-3 * RATE, abs=1.5)
    energy = (found.responses.astype(float) ** 2).sum(axis=(0, 1))
    assert energy[: int(earliest) - 8].sum() < 10**-3.5 * energy.sum()
    assert energy[-1] < 1e-9 * energy.max()


def test_symmetry_and_delays_are_kept() -> None:
    hrtf = replace(colored(HRTF), delays=np.tile([5.0, 12.0], (len(HRTF.delays), 1)))
    found = equalized(hrtf)
    np.testing.assert_array_equal(found.delays, hrtf.delays)
    np.testing.assert_allclose(found.directions, hrtf.directions, atol=1e-15)
    mirrored = found.nearest(found.directions * [1, -1, 1])
    np.testing.assert_allclose(found.responses[mirrored, ::-1], found.responses, atol=1e-5)


def test_other_rates_and_horizontal_sets_are_equalized() -> None:
    for rate in (16_000, 96_000):
        assert np.abs(equalized(sphere_head(grid(30), rate=rate)).responses).max() < 3
    azimuths = np.arange(0, 360, 10.0)
    horizontal = equalized(colored(sphere_head(directions(azimuths, 0 * azimuths))))
    assert np.abs(diffuse_level(horizontal)).max() < 1


def test_too_few_taps_are_refused() -> None:
    with pytest.raises(ValueError, match="64 taps, not 63"):
        equalized(HRTF, taps=63)


def test_the_bass_of_pure_delays_is_unchanged() -> None:
    spectra = delayed(delays(spread(40)))
    np.testing.assert_allclose(extend_bass(spectra, FREQUENCIES, CENTER), spectra, atol=1e-9)


@pytest.mark.parametrize("order", [2, 4])
def test_the_bass_below_a_small_loudspeaker_is_restored(order: int) -> None:
    time = delays(spread(40))
    speaker = 1 / np.sqrt(1 + (120 / np.maximum(FREQUENCIES, 1e-3)) ** (2 * order))
    found = extend_bass(delayed(time) * speaker, FREQUENCIES, CENTER)
    low = FREQUENCIES <= 100
    np.testing.assert_allclose(found[..., low], delayed(time)[..., low], atol=1e-9)
    assert np.abs(found[..., FREQUENCIES < 400]).min() > 0.8


def test_the_delay_of_the_bass_is_fitted_to_the_phase_above() -> None:
    hrtf = sphere_head(spread(60), taps=512)
    spectra = np.fft.rfft(hrtf.responses.astype(float), SIZE)
    found = extend_bass(spectra, FREQUENCIES, 30 / RATE)
    bass = np.searchsorted(FREQUENCIES, 50)
    phase = np.angle(found[..., bass] * np.exp(2j * np.pi * FREQUENCIES[bass] * 30 / RATE))
    delay = -phase / (2 * np.pi * FREQUENCIES[bass])
    # The one-pole shadow of this sphere adds a group delay to Woodworth's: 3/2 of a/c·cos θ or so
    slope = np.polyfit(hrtf.directions[:, 1], delay[:, 0] - delay[:, 1], 1)[0]
    assert -3.4 * RADIUS / SPEED < slope < -2.6 * RADIUS / SPEED


def test_phases_below_the_fitted_band_are_ignored() -> None:
    spectra = delayed(delays(spread(40)))
    noise = np.random.default_rng(0).uniform(-1, 1, (40, 2, len(FREQUENCIES)))
    noisy = spectra * np.exp(1j * noise * (FREQUENCIES < 190))
    low = FREQUENCIES <= 100
    found = extend_bass(noisy, FREQUENCIES, CENTER)
    np.testing.assert_allclose(found[..., low], spectra[..., low], atol=1e-9)


def test_the_measurement_is_unchanged_above_the_crossover() -> None:
    noise = np.random.default_rng(0).standard_normal((3, 2, 64))
    spectra = np.fft.rfft(noise, SIZE)
    found = extend_bass(spectra, FREQUENCIES, 0.0)
    high = FREQUENCIES >= 400
    np.testing.assert_allclose(found[..., high], spectra[..., high], rtol=1e-9)
    np.testing.assert_allclose(np.abs(found[..., FREQUENCIES <= 100]), 1)
