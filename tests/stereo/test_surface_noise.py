"""Hiss and clicks are found, music is neither, and both stay out of the side."""

import numpy as np
import pytest
import torch

from sounds import RATE, chord, cut, decibels, drums, noise, tone
from soundstage.spectra import PowerFrames
from soundstage.stereo import SurfaceNoise, SurfaceNoiseMeter
from soundstage.stereo.click_removal import ClickRemover
from soundstage.stereo.noise_centering import HissCentering

SECONDS = 8
LENGTH = SECONDS * RATE
PAUSES = torch.arange(LENGTH) % (2 * RATE) < 1.4 * RATE  # and 0.6 s of silence
MUSIC = ((chord(LENGTH) + drums(LENGTH)) * PAUSES).numpy()
HISS = noise(LENGTH, seed=11, level=0.002).numpy()


def found(samples: np.ndarray, *, rate: int = RATE, places: tuple[int, ...] = ()) -> SurfaceNoise:
    frames = PowerFrames(rate)
    meter = SurfaceNoiseMeter(frames)
    for block in cut(samples, places):
        meter.push(block, frames.push(block))
    return meter.noise()


def clicking(places: tuple[int, ...]) -> np.ndarray:
    samples = np.zeros(LENGTH, np.float32)
    for place in places:
        samples[place : place + 12] += 0.3 * np.hanning(14)[1:-1] * (-1) ** np.arange(12)
    return samples


@pytest.mark.parametrize("gain", [1.0, 0.1])
def test_the_level_of_hiss_is_found_in_every_band(gain: float) -> None:
    noisy = found(MUSIC + gain * HISS)
    density = noisy.density[0] * RATE
    error = 10 * np.log10(density / (gain * 0.002) ** 2)
    assert np.abs(error[noisy.edges_hz[:-1] > 1_000]).max() < 1.5
    assert np.abs(error).max() < 4  # bands of a few bins
    sound = np.mean((MUSIC + gain * HISS) ** 2)
    assert noisy.level_db == pytest.approx(10 * np.log10((gain * 0.002) ** 2 / sound), abs=1)


def test_clean_music_noise_alone_and_silence_have_no_hiss() -> None:
    steady = (chord(LENGTH) + noise(LENGTH, seed=3, level=0.02)).numpy()  # 14 dB below
    tail = noise(LENGTH, level=0.1).numpy() * 10 ** (-np.arange(LENGTH) / RATE)  # 20 dB a second
    for sound in (MUSIC, HISS, steady, tail, 0 * MUSIC):
        assert not found(sound).has_hiss


def test_clicks_are_found_at_their_places_and_onsets_are_none() -> None:
    places = (35_000, 100_000, 210_000, 343_000)
    clicks = found(MUSIC + HISS + clicking(places)).clicks
    assert len(clicks) == len(places)
    for (first, end), place in zip(clicks, places, strict=True):
        assert first <= place < place + 12 <= end
        assert end - first < 0.005 * RATE
    assert not len(found(MUSIC + HISS).clicks)


def test_the_tick_of_a_drum_is_no_click_and_a_click_on_a_low_tone_is_one() -> None:
    """A kick is a tick of a millisecond, and a low tone that goes on after it."""
    kick = np.sin(2 * np.pi * 60 * np.arange(8_000) / RATE) * np.exp(-np.arange(8_000) / 1_000)
    kick *= np.hanning(16_000)[8_000:]  # a cut end would be a click
    kick[:40] += np.linspace(1, 0, 40)
    for floor in (0 * HISS, 0.1 * HISS):
        sound = floor.copy()
        for place in (50_000, 150_000, 250_000):
            sound[place : place + kick.size] += 0.3 * kick
        assert not len(found(sound).clicks)
    rumble = tone(LENGTH, hz=60, level=0.2).numpy()
    assert len(found(rumble + HISS + clicking((50_000,))).clicks) == 1


def test_noise_is_the_same_in_blocks_of_any_size() -> None:
    noisy = MUSIC + HISS + clicking((35_000, 58_000))
    one, other = found(noisy), found(noisy, places=(1, 30_003, 44_100, 200_001))
    assert np.array_equal(one.density, other.density)
    assert np.array_equal(one.clicks, other.clicks)


def test_places_of_clicks_follow_the_rate() -> None:
    noisy = found(MUSIC + HISS + clicking((35_000,)))
    first, end = noisy.clicks_at(2 * RATE)[0]
    assert (first, end) == (2 * noisy.clicks[0, 0], 2 * noisy.clicks[0, 1])


def removed(sound: np.ndarray, clicks: np.ndarray, places: tuple[int, ...] = ()) -> np.ndarray:
    remover = ClickRemover(clicks)
    parts = [remover.push(block) for block in cut(sound, places)]
    return np.concatenate([*parts, remover.finish()])


@pytest.mark.parametrize(("rate", "error"), [(8_000, -25), (RATE, -10), (192_000, -3)])
def test_clicks_become_what_was_there_and_all_else_stays(rate: int, error: float) -> None:
    sound = (chord(LENGTH, rate=rate) + 0.5 * tone(LENGTH, hz=55, rate=rate)).numpy()
    size = round(0.0015 * rate)
    clicks = np.array([[place, place + size] for place in (9_000, 50_000, 50_000 + 2 * size)])
    kept = np.ones(LENGTH, bool)
    damaged = sound.copy()
    for first, end in clicks:
        kept[first:end] = False
        damaged[first:end] += 0.8
    made = removed(damaged, clicks)
    assert np.array_equal(made[kept & (np.arange(LENGTH) < 50_000)], sound[kept][: 50_000 - size])
    line = np.interp(np.arange(LENGTH), np.flatnonzero(kept), sound[kept])
    assert decibels((made - sound)[~kept], sound[~kept]) < error
    assert decibels((made - sound)[~kept], (line - sound)[~kept]) < -3


@pytest.mark.parametrize(
    "clicks",
    [
        [[0, 40], [100, 140], [130, 150], [30_000, 30_044]],  # at the start, and one in another
        [[LENGTH - 30, LENGTH]],
        [[500, 544], [700, 744], [2_000, 2_044]],  # in the context of another
    ],
)
def test_clicks_are_removed_in_blocks_of_any_size(clicks: list[list[int]]) -> None:
    one = removed(MUSIC + HISS, np.array(clicks))
    assert one.shape == MUSIC.shape
    assert np.abs(one).max() <= 2 * np.abs(MUSIC).max()
    for places in ((1, 99, 120, 145, 30_010, 30_044), (1_024, 1_700, 3_000, LENGTH - 10)):
        assert np.array_equal(one, removed(MUSIC + HISS, np.array(clicks), places))


def test_a_click_in_silence_becomes_silence() -> None:
    assert not removed(clicking((20_000,)), np.array([[19_990, 20_020]])).any()


def centered(mid: np.ndarray, side: np.ndarray, places: tuple[int, ...] = ()) -> np.ndarray:
    stage = HissCentering(found(mid), RATE, takes=1)
    mids, sides = cut(torch.from_numpy(mid), places), cut(torch.from_numpy(side)[None], places)
    parts = [stage.push(*pair) for pair in zip(mids, sides, strict=True)]
    return torch.cat([*parts, stage.finish()], dim=-1)[0].numpy()


def test_the_side_of_hiss_is_taken_out_and_the_side_of_music_stays() -> None:
    mid = MUSIC + HISS
    side = centered(mid, 0.5 * mid)
    assert side.size == mid.size
    pause = ~PAUSES.numpy()
    pause &= np.roll(pause, 4096) & np.roll(pause, -4096)
    assert decibels(side[pause], mid[pause]) < -20
    assert decibels(side - 0.5 * mid, 0.5 * MUSIC) < -25  # what is gone is the hiss


def test_centering_gives_the_same_bytes_in_blocks_of_any_size() -> None:
    mid = MUSIC + HISS
    assert np.array_equal(centered(mid, mid), centered(mid, mid, (5, 2_000, 2_001, 100_000)))
