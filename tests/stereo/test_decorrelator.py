import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import chord, convolve, cut, drums, noise, song, tone
from soundstage.stereo import RATE, TRANSFORM, TransientStream, allpass_response, band_energy
from soundstage.stereo import decorrelator as module
from soundstage.stereo.decorrelator import BLOCK, DELAYS_MS, RECOVERY, match
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
def test_the_truncated_tail_is_below_minus_100_db(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taps = module.TAPS
    monkeypatch.setattr(module, "TAPS", 4 * taps)
    longer = allpass_response(seed=seed).double()
    assert longer.square().sum().item() == pytest.approx(1, abs=1e-6)
    assert longer[taps:].square().sum() < 1e-10


def test_seeds_repeat_and_differ() -> None:
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


def test_the_copy_of_noise_is_decorrelated() -> None:
    mid = noise(RATE)
    copy = convolve(mid, allpass_response(seed=0))
    assert torch.corrcoef(torch.stack([mid, copy]))[0, 1].abs() < 0.1


def test_a_matched_copy_is_orthogonal_and_of_equal_energy_in_every_band(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exactly so with gains that are steps at the borders of bands."""
    monkeypatch.setattr(module, "spread", lambda values: BAND_OF_BIN.T @ values)
    monkeypatch.setattr(module, "MAX_MATCHING_GAIN", 1e3)
    copy, mid = spectra(noise(RATE))
    matched = match(copy, mid)
    energy = band_energy(mid)
    assert (cross_energy(matched, mid) / energy).abs().max() < 1e-3
    torch.testing.assert_close(band_energy(matched), energy, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("sound", [noise, song])
def test_a_matched_copy_is_nearly_orthogonal_with_ramps_between_bands(sound) -> None:
    """Ramps leave a fifth of the correlation of an unmatched copy at most."""
    copy, mid = spectra(sound(60_000))
    matched, energy = match(copy, mid), band_energy(mid)
    left = (cross_energy(matched, mid) / energy).abs().mean()
    assert left < 0.05
    assert left < 0.2 * (cross_energy(copy, mid) / energy).abs().mean()
    typical = (10 * torch.log10(band_energy(matched) / energy)).median()
    assert typical.abs() < 0.2


def test_the_matching_gain_is_limited() -> None:
    mid = TRANSFORM.analyze(noise(8_192))
    rotated = 1j * mid  # orthogonal already
    assert band_energy(match(0.01 * rotated, mid)).sum() < 0.001 * band_energy(mid).sum()
    ratio = band_energy(match(0.6 * rotated, mid)) / band_energy(mid)
    torch.testing.assert_close(ratio, torch.ones_like(ratio), rtol=1e-3, atol=0)


def test_the_match_of_silence_is_silence() -> None:
    silent = torch.zeros(2049, 3, dtype=torch.complex64)
    assert torch.equal(match(silent, silent), silent)


START = 3_000  # samples after which the beginning of the sound, itself an attack, has no effect


def gain(mid: torch.Tensor) -> torch.Tensor:
    stream = TransientStream()
    return torch.cat([stream.push(mid), stream.finish()])


@pytest.mark.parametrize("sound", [noise, tone, chord])
def test_steady_sounds_are_no_attacks(sound) -> None:
    steady = gain(sound(100_000))[START:]
    assert torch.all(steady == 1)


def test_crescendos_are_no_attacks() -> None:
    swell = 10 ** (torch.arange(88_200) / 88_200 * 40 / 20 - 2)  # 20 dB a second
    assert torch.all(gain(noise(88_200, level=1.0) * swell)[START:] == 1)


def test_silence_is_no_attack() -> None:
    assert torch.all(gain(torch.zeros(5_000)) == 1)


@pytest.mark.parametrize("place", [44_032, 44_033, 44_100, 44_287])
def test_a_click_closes_the_gain_at_most_two_blocks_before(place: int) -> None:
    mid = noise(88_200, level=0.01)
    mid[place] += 1
    found = gain(mid)
    assert found[place] < 0.01
    closes_after, opens_before = place - 2 * BLOCK, place + (RECOVERY + 3) * BLOCK
    assert torch.all(found[START:closes_after] == 1)
    assert torch.all(found[opens_before:] == 1)


def test_drum_onsets_close_the_gain_and_their_decays_open_it() -> None:
    found = gain(drums(88_200) + noise(88_200, seed=5, level=0.001))
    for onset in (22_050, 44_100, 66_150):
        assert found[onset : onset + 128].max() < 0.05
        assert torch.all(found[onset - 8_000 : onset - 2 * BLOCK] == 1)
        assert torch.all(found[onset + (RECOVERY + 4) * BLOCK : onset + 8_000] == 1)


def test_a_first_note_after_silence_is_an_attack() -> None:
    found = gain(torch.cat([torch.zeros(10_000), chord(10_000)]))
    assert found[10_000] == 0


@pytest.mark.parametrize("level_db", [-40, -20, 20])
def test_attacks_do_not_depend_on_the_level(level_db: float) -> None:
    mid = song(60_000)
    quieter = gain(10 ** (level_db / 20) * mid)
    assert (quieter - gain(mid)).abs().max() < 0.05


@given(length=st.integers(0, 6_000), places=st.lists(st.integers(0, 6_000), max_size=6))
def test_streamed_gains_equal_whole(length: int, places: list[int]) -> None:
    mid = song(22_050)[20_000 : 20_000 + length]
    stream = TransientStream()
    parts = [*map(stream.push, cut(mid, places)), stream.finish()]
    streamed = torch.cat(parts)
    assert streamed.shape == mid.shape
    torch.testing.assert_close(streamed, gain(mid), rtol=0, atol=1e-6)


def test_gains_are_from_zero_to_one_and_continuous() -> None:
    found = gain(song(88_200))
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.diff().abs().max() <= 1 / BLOCK + 1e-6
