import numpy as np
import pytest

from soundstage.audio import TruePeakMeter, decibels, safe_gain


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
def test_one_gain_keeps_peaks_where_they_may_be(result, mid, bits, gain):
    assert safe_gain(meter(*result), meter(*mid), bits) == pytest.approx(gain)


@pytest.mark.parametrize("bits", [8, 16, 24, None])
def test_no_peaks_whatever_can_clip_under_the_gain(bits):
    peaks = np.random.default_rng(0).uniform(0, 3, (500, 2))
    for result, mid in peaks:
        larger = max(result, mid)  # left or right is at least as large as their mean
        gain = safe_gain(meter(larger, 1.1 * larger), meter(mid, 1.1 * mid), bits)
        assert 0 < gain <= 1
        assert larger * gain <= 1


def test_decibels_of_nothing_are_minus_infinity():
    assert decibels(0.5) == pytest.approx(-6.0206, abs=1e-4)
    assert decibels(0) == -np.inf
