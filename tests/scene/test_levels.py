import numpy as np
import pytest

from soundstage.scene.levels import LOUDNESS, active_loudness, distance_gain, normalized

RATE = 16_000
NOISE = np.random.default_rng(0).standard_normal((1, 5 * RATE)).astype(np.float32)


@pytest.mark.parametrize("gain", [0.001, 0.3])
@pytest.mark.parametrize("seconds", [0.05, 0.5, 5.0])
def test_sounds_of_any_length_and_level_are_equally_loud(gain, seconds):
    sound = normalized(gain * NOISE[:, : round(seconds * RATE)], RATE)
    assert active_loudness(sound, RATE) == pytest.approx(LOUDNESS, abs=0.1)


def test_pauses_do_not_count():
    bark = np.concatenate([NOISE[:, :RATE], np.zeros((1, 9 * RATE), np.float32)], axis=1)
    assert np.abs(normalized(bark, RATE)[:, :RATE] - normalized(NOISE, RATE)[:, :RATE]).max() < 0.03


def test_peaks_stay_under_full_scale_and_silence_stays_silent():
    click = np.zeros((1, RATE), np.float32)
    assert not normalized(click, RATE).any()
    click[0, ::4_000] = 0.1
    assert np.abs(normalized(click, RATE)).max() == pytest.approx(10 ** (-3 / 20), abs=1e-3)


def test_both_ears_have_one_gain():
    ears = np.concatenate([NOISE, 0.1 * NOISE])
    left, right = normalized(ears, RATE)
    assert right == pytest.approx(0.1 * left, abs=1e-6)


def test_the_gain_falls_by_six_decibels_with_each_doubling():
    assert distance_gain(1.5) == 0
    assert distance_gain(6.0) == pytest.approx(-12.04, abs=0.01)
