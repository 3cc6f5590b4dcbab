import numpy as np
import pytest
import scipy.signal
import torch

from sounds import noise, song
from soundstage.spectra.streaming import convolve
from soundstage.stereo import RATE, TRANSFORM, allpass_response, band_energy
from soundstage.stereo import decorrelator as module
from soundstage.stereo.decorrelator import DELAYS_MS, match
from soundstage.stereo.encoding import BAND_OF_BIN, cross_energy

SEEDS = range(4)


def spectra(mid: torch.Tensor, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """The decorrelated copy, then the mid."""
    copy = convolve(mid, allpass_response(seed=seed))
    return tuple(TRANSFORM.analyze(torch.stack([copy, mid])))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_magnitude_is_flat_to_a_hundredth_of_a_decibel(seed: int) -> None:
    spectrum = np.fft.rfft(allpass_response(seed=seed).double().numpy(), 1 << 17)
    assert np.abs(20 * np.log10(np.abs(spectrum))).max() < 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_the_response_is_the_cascade_of_four_schroeder_sections(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    signal = np.zeros(module.TAPS)
    signal[0] = 1
    for low, high in DELAYS_MS:
        place = torch.rand(1, generator=generator, dtype=torch.float64).item()
        delay = round((low + place * (high - low)) * RATE / 1000)
        above, below = np.zeros(delay + 1), np.zeros(delay + 1)
        above[[0, -1]], below[[0, -1]] = (-0.5, 1), (1, -0.5)
        signal = scipy.signal.lfilter(above, below, signal)
    np.testing.assert_allclose(allpass_response(seed=seed).numpy(), signal, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_cut_off_lies_under_minus_100_db(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taps = module.TAPS
    monkeypatch.setattr(module, "TAPS", 4 * taps)
    longer = allpass_response(seed=seed).double()
    assert longer.square().sum().item() == pytest.approx(1, abs=1e-6)
    assert longer[taps:].square().sum() < 1e-10


def test_a_seed_repeats_and_another_differs() -> None:
    responses = [allpass_response(seed=seed) for seed in SEEDS]
    assert torch.equal(responses[1], allpass_response(seed=1))
    for first in SEEDS:
        for second in range(first):
            assert torch.dot(responses[first], responses[second]).abs() < 0.5


def test_more_feedback_rings_longer() -> None:
    responses = [allpass_response(seed=0, feedback=feedback) for feedback in (0.3, 0.5, 0.6)]
    late = [response[RATE // 10 :].square().sum().item() for response in responses]
    assert late == sorted(late)
    assert late[0] < 0.01 * late[2]


def test_its_mean_delay_is_the_sum_of_the_four_whatever_the_feedback() -> None:
    time = torch.arange(module.TAPS).double()
    for feedback in (0.3, 0.5):
        response = allpass_response(seed=0, feedback=feedback).double()
        delay = (time * response.square()).sum().item() / RATE * 1000
        assert sum(low for low, _ in DELAYS_MS) <= delay <= sum(high for _, high in DELAYS_MS)


def test_the_copy_of_noise_hardly_correlates_with_it() -> None:
    mid = noise(RATE)
    copy = convolve(mid, allpass_response(seed=0))
    assert torch.corrcoef(torch.stack([mid, copy]))[0, 1].abs() < 0.1


def test_a_matched_copy_is_orthogonal_and_of_equal_energy_in_every_band(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exactly so where gains are steps at the borders of bands; ramps are the next test's."""
    monkeypatch.setattr(module, "spread", lambda values: BAND_OF_BIN.T @ values)
    monkeypatch.setattr(module, "MAX_MATCHING_GAIN", 1e3)
    copy, mid = spectra(noise(RATE))
    matched = match(copy, mid)
    energy = band_energy(mid)
    assert (cross_energy(matched, mid) / energy).abs().max() < 1e-3
    torch.testing.assert_close(band_energy(matched), energy, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("sound", [noise, song])
def test_a_matched_copy_is_nearly_orthogonal_with_ramps_between_bands(sound) -> None:
    """Ramps leave a tenth of what an unmatched copy has in common with the mid."""
    copy, mid = spectra(sound(60_000))
    matched, energy = match(copy, mid), band_energy(mid)
    left = (cross_energy(matched, mid) / energy).abs().mean()
    assert left < 0.05
    assert left < 0.2 * (cross_energy(copy, mid) / energy).abs().mean()
    typical = (10 * torch.log10(band_energy(matched) / energy)).median()
    assert typical.abs() < 0.2


def test_the_matching_gain_is_limited() -> None:
    mid = TRANSFORM.analyze(noise(8_192))
    turned = 1j * mid  # at right angles to begin with
    assert band_energy(match(0.01 * turned, mid)).sum() < 0.001 * band_energy(mid).sum()
    ratio = band_energy(match(0.6 * turned, mid)) / band_energy(mid)
    torch.testing.assert_close(ratio, torch.ones_like(ratio), rtol=1e-3, atol=0)


def test_silence_is_matched_by_silence() -> None:
    silent = torch.zeros(2049, 3, dtype=torch.complex64)
    assert torch.equal(match(silent, silent), silent)
