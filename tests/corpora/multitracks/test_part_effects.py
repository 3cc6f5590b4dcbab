"""Reverberation, chorus, saturation, pumping."""

import numpy as np
import pytest

from soundstage.corpora.multitracks.effects import Effects, apply_effects, draw_effects

RATE = 44_100


def applied(sound: np.ndarray, effects: Effects) -> np.ndarray:
    random = np.random.default_rng(0)
    return apply_effects(sound.astype(np.float32), effects, RATE, 120.0, random)


def noise(seconds: float = 2.0) -> np.ndarray:
    return 0.1 * np.random.default_rng(1).standard_normal(round(seconds * RATE))


def test_no_effects_only_remove_an_offset() -> None:
    time = np.arange(2 * RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 440 * time)
    result = applied(tone + 0.2, Effects())
    assert np.abs(result[RATE:] - tone[RATE:]).max() < 0.02
    assert abs(result[RATE:].mean()) < 1e-3


@pytest.mark.parametrize("seconds", [0.5, 1.5])
def test_reverberation_decays_by_60_db_in_its_time(seconds: float) -> None:
    click = np.zeros(3 * RATE)
    click[100] = 1.0
    late = applied(click, Effects(reverb=seconds, reverb_level=0.0))[100:]
    start, length = round(0.05 * RATE), round(0.1 * RATE)
    step = round(0.3 * seconds * RATE)
    first, second = ((late[s : s + length] ** 2).mean() for s in (start, start + step))
    assert 10 * np.log10(first / second) == pytest.approx(18, abs=3)


def test_the_level_of_reverberation_is_its_energy() -> None:
    click = np.zeros(2 * RATE)
    click[RATE // 100] = 1.0
    dry = applied(click, Effects())
    wet = applied(click, Effects(reverb=0.5, reverb_level=-10.0)) - dry
    assert 10 * np.log10((wet**2).sum() / (dry**2).sum()) == pytest.approx(-10, abs=0.5)


def test_saturation_lowers_the_crest() -> None:
    plain, driven = applied(noise(), Effects()), applied(noise(), Effects(drive=3.0))
    crests = [np.abs(x).max() / np.sqrt((x**2).mean()) for x in (plain, driven)]
    assert crests[1] < 0.7 * crests[0]


def test_pumping_ducks_every_beat() -> None:
    result = applied(noise(), Effects(pump=0.8)) ** 2
    beat = result[: 4 * (RATE // 2)].reshape(4, RATE // 2)
    assert (beat[:, : RATE // 50].mean(axis=1) < 0.2 * beat[:, -RATE // 10 :].mean(axis=1)).all()


def test_chorus_adds_a_delayed_copy() -> None:
    click = np.zeros(RATE)
    click[100] = 1.0
    copy = np.abs(applied(click, Effects(chorus=0.5)) - applied(click, Effects()))
    assert 0.003 < (np.argmax(copy) - 100) / RATE < 0.025


def test_silence_stays_silent() -> None:
    effects = Effects(reverb=1.0, chorus=0.5, drive=2.0, pump=0.5)
    assert not applied(np.zeros(RATE), effects).any()


def test_bass_is_mostly_dry_and_drums_never_pump() -> None:
    draws = np.random.default_rng(0)
    basses = [draw_effects("bass", True, draws) for _ in range(200)]
    drums = [draw_effects("drums", True, draws) for _ in range(200)]
    assert np.mean([bass.reverb > 0 for bass in basses]) < 0.15
    assert not any(drum.pump for drum in drums)
