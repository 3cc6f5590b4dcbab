import numpy as np
import pytest

from soundstage.scene.looping import crossfade, extended, seamless, texture

RATE = 8_000


def noise(seconds, seed=0):
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE)).astype(np.float32)


def tone(seconds, hz=200.0):
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def level(samples):
    return 10 * np.log10(np.mean(np.square(samples)))


@pytest.mark.parametrize("sound", [noise(1.3), tone(1.3), np.stack([noise(0.6), noise(0.6, 1)])])
def test_a_sound_is_extended_to_exactly_the_length_at_its_level(sound):
    longer = extended(sound, RATE, 7.0, seed=3)
    assert longer.shape == (*sound.shape[:-1], 7 * RATE)
    assert np.array_equal(longer[..., :3_000], sound[..., :3_000])
    parts = longer.reshape(*sound.shape[:-1], 14, -1)
    levels = [level(parts[..., part, :]) for part in range(14)]
    assert max(levels) - min(levels) < 2.5
    assert np.array_equal(extended(sound, RATE, 0.3, seed=3), sound[..., : round(0.3 * RATE)])


def test_the_continuation_depends_on_the_seed_only():
    sound = noise(1.0)
    once, again, other = (extended(sound, RATE, 5.0, seed) for seed in (0, 0, 1))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


@pytest.mark.parametrize("seconds", [0.4, 2.0, 5.0])
@pytest.mark.parametrize("sound", [noise(2.0), tone(2.0)])
def test_the_seam_of_a_texture_is_no_larger_than_its_inside(sound, seconds):
    """The step over the seam, and the level around it, are those that the texture has inside."""
    period = texture(sound, RATE, round(seconds * RATE), seed=1)
    assert period.shape == (round(seconds * RATE),)
    steps = np.abs(np.diff(period))
    assert abs(period[0] - period[-1]) <= 1.1 * steps.max()
    around = np.roll(period, len(period) // 2)
    hop = RATE // 20
    levels = [level(around[at : at + hop]) for at in range(0, len(around) - hop, hop)]
    middle = level(around[len(around) // 2 - hop // 2 :][:hop])
    assert min(levels) - 1 <= middle <= max(levels) + 1


def test_the_end_of_a_period_continues_at_its_start():
    sound = noise(1.0)
    period = seamless(sound, 6_000, 1_000)
    assert np.array_equal(period[1_000:], sound[1_000:6_000])
    assert period[0] == pytest.approx(sound[6_000], abs=0.1)  # what follows the end
    assert period[999] == pytest.approx(sound[999], abs=0.1)


@pytest.mark.parametrize("gain", [1.0, 0.0, 0.5, -0.5])
def test_a_crossfade_keeps_the_power_for_any_correlation(gain):
    one, other = noise(20.0), noise(20.0, 1)
    second = gain * one + np.sqrt(1 - gain**2) * other
    assert level(crossfade(one, second)) == pytest.approx(0.0, abs=0.15)


def test_silence_and_single_samples_are_extended():
    assert not extended(np.zeros(100, np.float32), RATE, 1.0, 0).any()
    assert extended(np.ones(1, np.float32), RATE, 0.01, 0).tolist() == [1.0] * 80
