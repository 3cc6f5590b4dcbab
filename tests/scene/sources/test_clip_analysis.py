"""Levels of clips: start and end, steadiness, the loudest segment, and cuts."""

import numpy as np
import pytest

from soundstage.scene.sources.clip_analysis import (
    Segment,
    active_segment,
    cut,
    frame_powers,
    is_steady,
    level_spread,
    loudest_segment,
)

RATE = 16_000


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE)).astype("f4")


def test_silence_before_and_after_is_not_active() -> None:
    sound = np.concatenate([np.zeros(RATE, "f4"), noise(0.5), np.zeros(RATE, "f4")])
    segment = active_segment(sound, RATE)
    assert segment.start == pytest.approx(RATE, abs=0.03 * RATE)
    assert segment.stop == pytest.approx(1.5 * RATE, abs=0.03 * RATE)


def test_a_silent_sound_is_returned_whole() -> None:
    assert active_segment(np.zeros(999, "f4"), RATE) == Segment(0, 999)
    assert level_spread(np.zeros(999, "f4"), RATE) == 0


def test_noise_is_steady_and_bursts_are_not() -> None:
    steady = noise(3)
    bursts = steady * (np.arange(len(steady)) // 4000 % 4 == 0)
    assert level_spread(steady, RATE) < 1
    assert is_steady(steady, RATE)
    assert not is_steady(steady[:RATE], RATE)  # too short for crossfades
    assert level_spread(bursts, RATE) > 15
    assert not is_steady(bursts, RATE)


def test_the_loudest_segment_is_found() -> None:
    sound = noise(4)
    sound[2 * RATE : 3 * RATE] *= 10
    assert loudest_segment(sound, RATE, RATE) == Segment(2 * RATE, 3 * RATE)
    assert loudest_segment(sound, RATE, 9 * RATE) == Segment(0, 4 * RATE)


def test_only_cuts_inside_of_a_sound_are_faded() -> None:
    sound = np.ones(RATE, "f4")
    assert cut(sound, Segment(0, RATE), RATE).min() == 1
    inner = cut(sound, Segment(100, RATE - 100), RATE)
    assert inner[0] < 0.01
    assert inner[-1] < 0.01
    assert inner[RATE // 2] == 1
    assert sound.min() == 1  # a copy


def test_sounds_shorter_than_a_frame_have_a_power() -> None:
    assert frame_powers(np.full(5, 0.5, "f4"), RATE).tolist() == [0.25]
    assert len(cut(np.ones(3, "f4"), Segment(1, 2), RATE)) == 1
