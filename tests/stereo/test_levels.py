import pytest
import torch

from sounds import noise, tone
from soundstage.spectra.filterbanks import hertz_to_htk_mel
from soundstage.stereo import BANDS, RATE, TRANSFORM, band_energy
from soundstage.stereo.features import (
    FULL_SCALE,
    LEVELS,
    MIN_LEVEL_DB,
    energy_of_levels,
    mid_levels,
)


def levels_of(sound):
    return mid_levels(TRANSFORM.analyze(sound))


@pytest.mark.parametrize("hz", [100.0, 1000.0, 9000.0])
def test_a_sine_is_loudest_in_the_band_of_its_frequency(hz):
    loudest = int(levels_of(tone(20_000, hz=hz))[8].argmax())
    width = float(hertz_to_htk_mel(RATE / 2)) / (LEVELS + 1)
    assert abs(loudest - (float(hertz_to_htk_mel(hz)) / width - 1)) <= 0.75


def test_a_sine_at_full_scale_reads_near_nought():
    # in the middle of a bin, whose neighbors hold −6 dB each
    hz = 200 * RATE / TRANSFORM.frame
    assert -3.1 < float(levels_of(tone(20_000, hz=hz, level=1.0))[8].max()) < 1.8


def test_every_band_hears_something_of_white_noise():
    levels = levels_of(noise(40_000, level=0.1))
    assert levels.shape == (TRANSFORM.frames(40_000), LEVELS)
    assert float(levels[4:-4].mean(dim=0).min()) > -70


def test_a_gain_is_one_number_added_to_all():
    change = levels_of(noise(20_000, level=0.4)) - levels_of(noise(20_000, level=0.1))
    assert torch.allclose(change[3:-3], torch.tensor(12.0412), atol=0.01)


def test_silence_is_the_floor():
    assert torch.allclose(levels_of(torch.zeros(9000)), torch.tensor(MIN_LEVEL_DB), atol=1e-3)


def test_levels_tell_the_energy_of_the_bands():
    spectrogram = TRANSFORM.analyze(noise(60_000, level=0.1))
    energy = energy_of_levels(mid_levels(spectrogram))
    assert energy.shape == (BANDS, spectrogram.shape[1])
    wanted = band_energy(spectrogram).mean(dim=1) / FULL_SCALE
    error = 10 * (energy.mean(dim=1) / wanted).log10()
    assert float(error[1:].abs().max()) < 0.5
    assert -2.5 < float(error[0]) < 0.5  # the bin at 0 Hz lies in no level


def test_the_energy_of_a_sine_at_full_scale_is_near_one():
    hz = 200 * RATE / TRANSFORM.frame
    energy = energy_of_levels(levels_of(tone(20_000, hz=hz, level=1.0)))[:, 8]
    assert 0.7 < float(energy.sum()) < 1.7
    assert float(energy.max()) > 0.5


def test_energy_has_any_number_of_examples():
    levels = levels_of(noise(20_000)).expand(2, 3, -1, -1)
    energy = energy_of_levels(levels)
    assert energy.shape == (2, 3, BANDS, levels.shape[2])
    assert torch.allclose(energy[1, 2], energy_of_levels(levels[0, 0]))
