import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from stereo_songs import high, low

import sounds
from soundstage.restyling.pan_histogram import BANDS, CELLS, CENTERS, PanMeter, pan_histogram
from soundstage.stereo import TRANSFORM

LENGTH = 66_150


def panned(*gains):
    """Noise of its own at every gain in the side."""
    stereo = torch.zeros(2, LENGTH)
    for seed, gain in enumerate(gains):
        source = sounds.noise(LENGTH, seed=seed)
        stereo += torch.stack([(1 + gain) * source, (1 - gain) * source])
    return stereo


@pytest.mark.parametrize("gain", [-1.0, -0.5, 0.0, 0.3, 1.0])
def test_one_source_stands_at_its_pan_in_every_band(gain):
    histogram = pan_histogram([panned(gain)])
    assert histogram.bands.shape == (BANDS, CELLS)
    np.testing.assert_allclose(histogram.bands.sum(axis=1), 1)
    nearest = np.abs(CENTERS - gain).argmin()
    assert (histogram.bands.argmax(axis=1) == nearest).all()
    assert histogram.whole[nearest] > 0.9


def test_sound_in_one_channel_at_a_time_is_hard_panned_and_has_no_center():
    histogram = pan_histogram([torch.cat([panned(1.0), panned(-1.0)], dim=1)])
    assert histogram.need == 1
    assert not histogram.has_center
    assert min(histogram.hard_left, histogram.hard_right) > 0.45
    assert histogram.central < 0.01


def test_independent_channels_are_a_modern_mix():
    histogram = pan_histogram([torch.stack([sounds.noise(LENGTH), sounds.noise(LENGTH, seed=1)])])
    assert histogram.need == 0
    assert histogram.hard_left + histogram.hard_right < 0.06


def test_a_quiet_center_between_two_channels_is_found():
    assert pan_histogram([panned(1.0, -1.0, 0.0)]).has_center
    assert not pan_histogram([panned(1.0, -1.0)]).has_center


def test_need_rises_with_the_share_that_is_hard_panned():
    needs = []
    for level in (0.05, 0.5, 1.0, 4.0):
        stereo = panned(0.0)
        stereo[0] += level * sounds.noise(LENGTH, seed=7)
        needs.append(pan_histogram([stereo]).need)
    assert needs == sorted(needs)
    assert (needs[0], needs[-1]) == (0, 1)


def test_silence_needs_nothing():
    histogram = pan_histogram([torch.zeros(2, LENGTH)])
    assert (histogram.need, histogram.has_center, histogram.whole.sum()) == (0, False, 0)


@given(st.integers(0, 60))
def test_frames_count_the_same_in_any_blocks(cut):
    frames = TRANSFORM.analyze(panned(1.0, -0.5))
    parts, whole = PanMeter(), PanMeter()
    parts.push(frames[..., :cut])
    parts.push(frames[..., cut:])
    whole.push(frames)
    np.testing.assert_allclose(parts.finish().amplitudes, whole.finish().amplitudes)


@given(st.floats(-40, 40))
def test_the_level_of_a_song_does_not_matter(level_db):
    gain = 10 ** (level_db / 20)
    loud, plain = pan_histogram([gain * panned(0.4, 1.0)]), pan_histogram([panned(0.4, 1.0)])
    np.testing.assert_allclose(loud.whole, plain.whole, atol=1e-3)
    assert loud.need == pytest.approx(plain.need, abs=0.01)


def test_the_emptiest_center_is_that_of_the_worst_band():
    """Lows at the center, highs hard left: the middle of the treble is empty."""
    lows, highs = low(), high()
    assert pan_histogram([torch.stack([lows + highs] * 2)]).emptiest_center > 0.99
    assert pan_histogram([torch.stack([lows + 2 * highs, lows])]).emptiest_center < 0.05
    assert pan_histogram([torch.zeros(2, 44_100)]).emptiest_center == 0
