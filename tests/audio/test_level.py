import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from making import noise
from soundstage.audio import TruePeakMeter, decibels, resample, safe_gain, true_peak


def tone(hz, phase, rate=48_000, seconds=0.5, level=1.0):
    return level * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate + phase)[None]


@pytest.mark.parametrize("level", [0.1, 1.0])
def test_a_tone_between_the_samples_has_its_true_peak(level):
    samples = tone(12_000, np.pi / 4, level=level)  # samples reach only 0.707
    faded = samples * np.hanning(samples.shape[1])
    assert np.abs(samples).max() < 0.708 * level
    assert abs(20 * np.log10(true_peak(faded, 48_000) / level)) < 0.15


@pytest.mark.parametrize("hz", [100, 997, 5000, 9000, 12_000])
def test_error_stays_within_the_tolerance_of_ebu_3341(hz):
    for phase in np.linspace(0, np.pi, 9):
        faded = tone(hz, phase) * np.hanning(24_000)
        assert -0.4 < 20 * np.log10(true_peak(faded, 48_000)) < 0.2


def test_agrees_with_sixteenfold_oversampling():
    samples = resample(noise(1, 24_000), 24_000, 48_000).astype(np.float64)
    fine = np.abs(resample(samples, 48_000, 16 * 48_000)).max()
    assert abs(20 * np.log10(true_peak(samples, 48_000) / fine)) < 0.3


@given(st.lists(st.integers(0, 20_000), max_size=6))
def test_the_peaks_do_not_depend_on_the_blocks(places):
    samples = noise(2, 20_000)
    meter = TruePeakMeter(48_000, 2)
    edges = [0, *sorted(places), 20_000]
    for a, b in itertools.pairwise(edges):
        meter.push(samples[:, a:b])
    meter.finish()
    assert meter.true_peak == true_peak(samples, 48_000)
    assert meter.sample_peak == np.abs(samples).max()


@pytest.mark.parametrize("place", [0, 1, 4095, 4096, 4097, 4999])
@pytest.mark.parametrize("value", [0.5, -0.5])
def test_a_single_sample_is_found_at_any_position(place, value):
    samples = np.zeros((2, 5000), np.float32)
    samples[1, place] = value
    meter = TruePeakMeter(48_000, 2)
    meter.push(samples)
    meter.finish()
    assert meter.sample_peak == 0.5
    assert meter.true_peak == pytest.approx(0.5, rel=0.03)


def test_silence_and_empty_sound_have_no_peak():
    assert true_peak(np.zeros((1, 100), np.float32), 48_000) == 0
    assert true_peak(np.zeros((1, 0), np.float32), 48_000) == 0


def test_the_tail_after_the_last_sample_counts():
    samples = np.ones((1, 64), np.float32)
    samples[0, ::2] = -1  # the highest frequency there is, cut off at full level
    ringing = np.pad(samples, ((0, 0), (0, 64)))
    assert true_peak(samples, 48_000) == true_peak(ringing, 48_000) > 1


def test_negative_peaks_count_alike():
    samples = np.zeros((1, 500), np.float32)
    samples[0, 200:202] = -0.5  # the peak lies between the two
    assert true_peak(samples, 48_000) == pytest.approx(true_peak(-samples, 48_000))
    assert true_peak(samples, 48_000) > 0.6


def meter(sample_peak, true_peak=None):
    made = TruePeakMeter(44_100, 1)
    made.sample_peak, made.true_peak = sample_peak, true_peak or sample_peak
    return made


@pytest.mark.parametrize(
    ("result", "mid", "bits", "gain"),
    [
        ((0.9, 0.95), (0.5, 0.55), 16, 1.0),  # fits
        ((0.9, 1.25), (0.5, 0.55), 16, 1 / 1.25),  # would pass full scale between the samples
        ((1.6, 1.6), (0.5, 0.5), 24, (1 - 2**-22) / 1.6),  # would clip
        ((1.0, 1.2), (1.0, 1.2), 16, 1.0),  # no worse than the input, which is legal
        ((1.0, 1.3), (1.0, 1.2), 16, 1.2 / 1.3),
        ((1.5, 1.6), (1.5, 1.6), 16, 1 / 1.6),  # a float input beyond full scale is not legal
        ((1.4, 1.4), (1.4, 1.4), None, 10 ** (-0.5 / 20) / 1.4),
        ((0.0, 0.0), (0.0, 0.0), 16, 1.0),  # silence
    ],
)
def test_the_safe_gain_limits_the_peaks(result, mid, bits, gain):
    assert safe_gain(meter(*result), meter(*mid), bits) == pytest.approx(gain)


@pytest.mark.parametrize("bits", [8, 16, 24, None])
def test_nothing_clips_with_the_safe_gain(bits):
    peaks = np.random.default_rng(0).uniform(0, 3, (500, 2))
    for result, mid in peaks:
        larger = max(result, mid)  # left or right is at least as large as their mean
        gain = safe_gain(meter(larger, 1.1 * larger), meter(mid, 1.1 * mid), bits)
        assert 0 < gain <= 1
        assert larger * gain <= 1


def test_decibels_of_zero_are_minus_infinity():
    assert decibels(0.5) == pytest.approx(-6.0206, abs=1e-4)
    assert decibels(0) == -np.inf
