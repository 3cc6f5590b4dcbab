import math

import numpy as np
import pytest

from soundstage.audio.loudness import LoudnessMeter


def loudness(samples, rate, block=1000):
    meter = LoudnessMeter(rate, samples.shape[0])
    for start in range(0, samples.shape[1], block):
        meter.push(samples[:, start : start + block])
    return meter.integrated()


def sine(rate, level_db, seconds=4.0, frequency=997):
    time = np.arange(int(seconds * rate)) / rate
    return 10 ** (level_db / 20) * np.sin(2 * np.pi * frequency * time)[None]


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 192_000])
def test_a_sine_at_full_scale_has_the_loudness_of_the_standard(rate):
    assert loudness(sine(rate, 0), rate) == pytest.approx(
        -3.01, abs=0.1
    )  # the tolerance of EBU Tech 3341
    assert loudness(sine(rate, -20).repeat(2, axis=0), rate) == pytest.approx(-20, abs=0.1)


def test_the_gates_leave_out_silence_and_quiet_passages():
    """Cases 3 and 4 of EBU Tech 3341: a loud middle decides, with or without a silent start."""
    rate = 48_000
    parts = [sine(rate, level, seconds) for level, seconds in [(-36, 10), (-23, 60), (-36, 10)]]
    case = np.concatenate(parts, axis=1).repeat(2, axis=0)
    assert loudness(case, rate) == pytest.approx(-23, abs=0.1)
    silent = sine(rate, -72, 10).repeat(2, axis=0)
    case = np.concatenate([silent, case, silent], axis=1)
    assert loudness(case, rate) == pytest.approx(-23, abs=0.1)


def test_blocks_do_not_matter_and_pyloudnorm_agrees():
    pyloudnorm = pytest.importorskip("pyloudnorm")
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2, 150_000)) * np.linspace(0, 0.2, 150_000) ** 2
    whole = loudness(noise, 44_100, block=150_000)
    assert loudness(noise, 44_100, block=777) == pytest.approx(whole, abs=1e-9)
    assert whole == pytest.approx(pyloudnorm.Meter(44_100).integrated_loudness(noise.T), abs=0.05)


def test_silence_and_very_short_sounds_have_none():
    assert loudness(np.zeros((1, 44_100)), 44_100) == -math.inf
    assert math.isnan(loudness(np.ones((1, 17_000)), 44_100))
