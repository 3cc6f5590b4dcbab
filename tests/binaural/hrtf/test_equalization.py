from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import butter, iirnotch, iirpeak, lfilter
from scipy.spatial import SphericalVoronoi

from soundstage.binaural import HrtfSet, equalized
from soundstage.binaural.hrtf.equalization import sphere_shares
from soundstage.binaural.hrtf.onsets import onset_delays
from spheres import RATE, directions, grid, sphere_head

HEAD = sphere_head(grid(15), taps=256)
SIZE = 8192
FREQUENCIES = np.fft.rfftfreq(SIZE, 1 / RATE)


def colored(head: HrtfSet) -> HrtfSet:
    """As through a small loudspeaker, an ear canal and a long wait."""
    speaker, canal = butter(2, 150, "high", fs=RATE), iirpeak(2500, 2, fs=RATE)
    played = lfilter(*speaker, np.pad(head.responses, ((0, 0), (0, 0), (90, 422))))
    return replace(head, responses=0.3 * (played + 8 * lfilter(*canal, played)))


def diffuse_level(head: HrtfSet) -> np.ndarray:
    """In dB, of every third of an octave from 50 Hz to 12.8 kHz."""
    power = np.abs(np.fft.rfft(head.responses.astype(float), SIZE)) ** 2
    mean = sphere_shares(head) @ power.mean(axis=1)
    centers = 50 * 2 ** (np.arange(25) / 3)
    thirds = [np.abs(np.log2(np.maximum(FREQUENCIES, 1) / each)) <= 1 / 6 for each in centers]
    return np.array([10 * np.log10(mean[third].mean()) for third in thirds])


def test_shares_are_the_areas_of_voronoi_cells() -> None:
    towards = grid(15)  # much denser towards the poles
    areas = SphericalVoronoi(towards).calculate_areas() / (4 * np.pi)
    assert areas.max() > 3 * areas.min()
    found = sphere_shares(sphere_head(towards))
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, areas, atol=5 / 8192)


def test_measuring_a_direction_often_does_not_make_it_weigh_more() -> None:
    fields = ("directions", "distances", "responses", "delays")
    often = {
        name: np.concatenate([getattr(HEAD, name), np.repeat(getattr(HEAD, name)[:1], 200, axis=0)])
        for name in fields
    }
    found = equalized(replace(HEAD, **often)).responses[: len(HEAD.directions)]
    wanted = equalized(HEAD).responses
    assert ((found - wanted) ** 2).sum() < 1e-6 * (wanted**2).sum()


def filtered(head: HrtfSet, filters: tuple) -> HrtfSet:
    longer = np.pad(head.responses, ((0, 0), (0, 0), (0, 256)))
    return replace(head, responses=lfilter(*filters, longer))


def test_the_phase_of_the_loudspeaker_goes_in_the_bass() -> None:
    poles = butter(2, 120, fs=RATE)[1]
    all_pass = filtered(HEAD, (poles[::-1], poles))  # level 1; half a turn at 120 Hz
    plain, found = equalized(HEAD).responses, equalized(all_pass).responses
    errors = [((np.roll(found, step, -1) - plain) ** 2).sum() for step in (-1, 0, 1)]
    assert min(errors) < 10**-1.8 * (plain**2).sum()


def test_what_converters_do_not_pass_is_not_lifted() -> None:
    found = equalized(filtered(HEAD, butter(8, 15_000, fs=RATE))).responses
    power = np.abs(np.fft.rfft(found, SIZE)[..., np.searchsorted(FREQUENCIES, 18_000)]) ** 2
    assert 10 * np.log10(power.mean()) < -30  # dB; a full inverse leaves -19


def test_narrow_notches_are_not_filled() -> None:
    found = equalized(filtered(HEAD, iirnotch(5000, 15, fs=RATE))).responses
    ratio = np.fft.rfft(found, SIZE) / np.fft.rfft(equalized(HEAD).responses, SIZE)
    level = 20 * np.log10(np.abs(ratio[..., np.searchsorted(FREQUENCIES, 5000)]))
    assert level.max() < -10  # dB


def test_the_diffuse_field_is_flat() -> None:
    measured = colored(HEAD)
    assert np.ptp(diffuse_level(measured)) > 25
    assert np.abs(diffuse_level(equalized(measured))).max() < 1  # dB


def test_the_color_of_a_measurement_goes_and_the_head_stays() -> None:
    plain, found = (equalized(each).responses for each in (HEAD, colored(HEAD)))
    errors = [((np.roll(found, step, -1) - plain) ** 2).sum() for step in (-1, 0, 1)]
    assert min(errors) < 10**-2.5 * (plain**2).sum()  # the cut falls on whole samples


def test_what_the_ears_differ_in_is_kept() -> None:
    measured, found = colored(HEAD), equalized(colored(HEAD))
    heard = (FREQUENCIES > 500) & (FREQUENCIES < 12_000)
    levels = [
        20 * np.log10(np.abs(np.fft.rfft(each.responses.astype(float), SIZE)))[..., heard]
        for each in (measured, found)
    ]
    before, after = (each[:, 0] - each[:, 1] for each in levels)
    assert np.sqrt(((after - before) ** 2).mean()) < 0.2  # dB
    late = [np.subtract(*onset_delays(each.responses, RATE).T) for each in (measured, found)]
    assert np.abs(late[0] - late[1]).max() / RATE < 10e-6


def test_every_response_sums_to_one() -> None:
    np.testing.assert_allclose(equalized(colored(HEAD)).responses.sum(axis=-1), 1, atol=1e-4)


@pytest.mark.parametrize("taps", [128, 256])
def test_the_wait_is_cut_and_little_sounds_before_the_onset(taps: int) -> None:
    found = equalized(colored(HEAD), taps=taps)
    assert found.taps == taps
    earliest = onset_delays(found.responses, RATE).min()
    assert earliest == pytest.approx(0.5e-3 * RATE, abs=1.5)
    energy = (found.responses.astype(float) ** 2).sum(axis=(0, 1))
    assert energy[: int(earliest) - 8].sum() < 10**-3.5 * energy.sum()
    assert energy[-1] < 1e-9 * energy.max()


def test_a_symmetric_head_stays_symmetric_and_delays_stay() -> None:
    late = replace(colored(HEAD), delays=np.tile([5.0, 12.0], (len(HEAD.delays), 1)))
    found = equalized(late)
    np.testing.assert_array_equal(found.delays, late.delays)
    np.testing.assert_allclose(found.directions, late.directions, atol=1e-15)
    mirrored = found.nearest(found.directions * [1, -1, 1])
    np.testing.assert_allclose(found.responses[mirrored, ::-1], found.responses, atol=1e-5)


@pytest.mark.parametrize("rate", [16_000, 96_000])
def test_other_rates_will_do(rate: int) -> None:
    found = equalized(sphere_head(grid(30), rate=rate))
    assert np.isfinite(found.responses).all()
    assert np.abs(found.responses).max() < 3


def test_a_head_in_the_horizontal_plane_alone_will_do() -> None:
    azimuths = np.arange(0, 360, 10.0)
    found = equalized(colored(sphere_head(directions(azimuths, 0 * azimuths))))
    assert np.abs(diffuse_level(found)).max() < 1


def test_too_few_taps_are_refused() -> None:
    with pytest.raises(ValueError, match="63 taps"):
        equalized(HEAD, taps=63)


# from test_low_frequencies.py
import numpy as np
import pytest

from soundstage.binaural.hrtf.equalization import extend_bass
from spheres import RADIUS, SPEED, delays, sphere_head, spread

SIZE, RATE = 8192, 44_100
FREQUENCIES = np.fft.rfftfreq(SIZE, 1 / RATE)
CENTER = 1e-3  # s


def delayed(time):
    """Spectra of pure delays, in seconds after the middle of the head."""
    return np.exp(-2j * np.pi * FREQUENCIES * (time[..., None] + CENTER))


def test_a_head_without_shadow_is_returned() -> None:
    spectra = delayed(delays(spread(40)))
    np.testing.assert_allclose(extend_bass(spectra, FREQUENCIES, CENTER), spectra, atol=1e-9)


@pytest.mark.parametrize("order", [2, 4])
def test_what_a_small_loudspeaker_leaves_out_is_put_back(order: int) -> None:
    time = delays(spread(40))
    speaker = 1 / np.sqrt(1 + (120 / np.maximum(FREQUENCIES, 1e-3)) ** (2 * order))
    found = extend_bass(delayed(time) * speaker, FREQUENCIES, CENTER)
    low = FREQUENCIES <= 100
    np.testing.assert_allclose(found[..., low], delayed(time)[..., low], atol=1e-9)
    assert (
        np.abs(found[..., FREQUENCIES < 400]).min() > 0.8
    )  # at 200 Hz the speaker has lost little


def test_the_delay_is_that_of_the_phase_just_above() -> None:
    head = sphere_head(spread(60), taps=512)
    spectra = np.fft.rfft(head.responses.astype(float), SIZE)
    found = extend_bass(spectra, FREQUENCIES, 30 / RATE)
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
    found = extend_bass(spoilt, FREQUENCIES, CENTER)
    np.testing.assert_allclose(found[..., low], spectra[..., low], atol=1e-9)


def test_above_it_nothing_changes() -> None:
    noise = np.random.default_rng(0).standard_normal((3, 2, 64))
    spectra = np.fft.rfft(noise, SIZE)
    found = extend_bass(spectra, FREQUENCIES, 0.0)
    high = FREQUENCIES >= 400
    np.testing.assert_allclose(found[..., high], spectra[..., high], rtol=1e-9)
    np.testing.assert_allclose(np.abs(found[..., FREQUENCIES <= 100]), 1)
