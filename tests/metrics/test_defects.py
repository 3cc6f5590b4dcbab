"""Defects of known size."""

import numpy as np
import pytest

from sounds import RATE
from soundstage.metrics.defects import (
    correlation,
    crest_change,
    decibels,
    null_depth,
    octave_imbalance,
    rise_change,
    side_level,
    source_image,
    sum_ripple,
    tail_level,
)

RNG = np.random.default_rng(0)
ONE, OTHER = 0.1 * RNG.standard_normal((2, 4 * RATE))


def tone(hertz: float) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(4 * RATE) / RATE)


def test_decibels_are_limited() -> None:
    assert decibels(10, 1) == pytest.approx(10)
    assert [decibels(0), decibels(1, 0), decibels(0, 0)] == [-200, 200, -200]


@pytest.mark.parametrize("error_db", [-20.0, -60.0, -100.0])
def test_the_null_depth_is_the_level_of_the_error(error_db: float) -> None:
    error = 10 ** (error_db / 20) * OTHER * np.sqrt(np.square(ONE).sum() / np.square(OTHER).sum())
    stereo = np.stack([ONE + OTHER + error, ONE - OTHER + error])
    assert null_depth(stereo, ONE) == pytest.approx(error_db, abs=0.01)
    assert null_depth(np.stack([ONE, ONE]), ONE) == -200


def test_correlation_of_equal_inverted_and_independent_channels() -> None:
    assert correlation(np.stack([ONE, ONE]), RATE) == pytest.approx((1, 1, 1))
    assert correlation(np.stack([ONE, -ONE]), RATE) == pytest.approx((0, -1, -1))
    both = correlation(np.stack([ONE, OTHER]), RATE)
    assert 0.3 < both.positive < 0.7
    assert abs(both.lowest_band) < 0.4
    assert correlation(np.zeros((2, RATE)), RATE) == (1, 1, 1)


def test_one_inverted_octave_is_found() -> None:
    low, high = tone(250), tone(4000)
    found = correlation(np.stack([low + high, low - 0.5 * high]), RATE)
    assert found.lowest_band == pytest.approx(-1, abs=1e-3)
    assert found.positive == 1


def test_silence_at_the_end_is_no_active_frame() -> None:
    stereo = np.concatenate([np.stack([ONE, ONE]), np.stack([1e-6 * ONE, -1e-6 * ONE])], axis=1)
    assert correlation(stereo, RATE).positive == 1


def test_the_imbalance_is_that_of_the_worst_octave() -> None:
    low, high = tone(125), tone(8000)
    stereo = np.stack([low + high, low + high / 2])
    assert octave_imbalance(stereo, RATE) == pytest.approx(20 * np.log10(2), abs=0.05)
    assert octave_imbalance(np.stack([ONE, OTHER]), RATE) < 1


def test_a_delay_ripples_the_sum_and_a_side_does_not() -> None:
    side = np.stack([ONE + OTHER, ONE - OTHER])
    assert sum_ripple(side, ONE) < 1e-6
    delayed = np.stack([ONE, 0.5 * np.roll(ONE, 44)])  # between 1.5 and 0.5
    assert sum_ripple(delayed, ONE) == pytest.approx(20 * np.log10(3), abs=0.3)


def test_the_tail_of_a_click() -> None:
    stereo = np.zeros((2, RATE))
    stereo[:, RATE // 2] = 1
    assert tail_level(stereo, RATE // 2, RATE) == -200
    stereo[0, RATE // 2 + 4410] = 0.1  # 0.01 of 2.01
    assert tail_level(stereo, RATE // 2, RATE) == pytest.approx(10 * np.log10(0.01 / 2.01))
    assert tail_level(stereo, RATE // 2, RATE, after=0.2) == -200
    stereo[1, RATE // 2 - 4410] = 0.1  # an echo before counts too
    assert tail_level(stereo, RATE // 2, RATE) == pytest.approx(10 * np.log10(0.02 / 2.02))


def test_crest_factor_and_rise_time_of_a_softened_attack() -> None:
    drum = np.zeros(RATE)
    onsets = [5000, 15_000, 25_000]
    for onset in onsets:
        drum[onset : onset + 4000] = np.exp(-np.arange(4000) / 800)
    assert crest_change(np.stack([drum, drum]), drum) == 0
    assert rise_change(np.stack([drum, drum]), drum, onsets, RATE) == 0
    soft = np.convolve(drum, np.ones(441) / 441)[: drum.size]
    assert crest_change(np.stack([drum, soft]), drum) > 1
    # a ramp of 10 ms rises from 10 to 90 % in about 8
    assert rise_change(np.stack([drum, soft]), drum, onsets, RATE) == pytest.approx(7.6, abs=0.5)


def test_the_side_below_a_frequency() -> None:
    low, high = tone(60), tone(5000)
    stereo = np.stack([low + high, low - high])
    assert side_level(stereo, RATE) == pytest.approx(0, abs=0.1)
    assert side_level(stereo, RATE, below=120) < -60


def test_the_image_of_one_source() -> None:
    """A panned lead at twice the level of right, beside a centered bass."""
    lead, bass = tone(2000), tone(100)
    stereo = np.stack([bass + 1.2 * lead, bass + 0.6 * lead])
    image = source_image(stereo, bass + lead, lead, RATE)
    assert image.mid_change == pytest.approx(20 * np.log10(0.9), abs=0.01)
    assert image.imbalance == pytest.approx(20 * np.log10(2), abs=0.01)
    assert image.wander == pytest.approx(0, abs=0.01)
    assert image.side == pytest.approx(20 * np.log10(0.3 / 0.9), abs=0.01)
    centered = source_image(stereo, bass + lead, bass, RATE)
    assert centered.imbalance == pytest.approx(0, abs=0.05)


def test_a_lead_that_changes_sides_wanders() -> None:
    lead, bass = tone(2000), tone(100)
    pan = np.where(np.arange(lead.size) < 2 * RATE, 0.6, -0.6)
    stereo = np.stack([bass + (1 + pan) * lead, bass + (1 - pan) * lead])
    image = source_image(stereo, bass + lead, lead, RATE)
    assert image.imbalance == pytest.approx(0, abs=0.2)
    assert image.wander == pytest.approx(20 * np.log10(1.6 / 0.4), rel=0.05)


def test_a_source_that_dominates_nothing_has_no_image() -> None:
    assert np.isnan(source_image(np.stack([ONE, ONE]), ONE, np.zeros_like(ONE), RATE)).all()
