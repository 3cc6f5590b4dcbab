"""Hiss and clicks are found, music is neither, and both stay out of the side."""

import numpy as np
import pytest
import torch

from sounds import RATE, chord, cut, decibels, drums, noise
from soundstage.spectra import PowerFrames
from soundstage.stereo import SurfaceNoise, SurfaceNoiseMeter
from soundstage.stereo.noise_centering import ClickRemover, HissCentering

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


def test_noise_is_the_same_in_blocks_of_any_size() -> None:
    noisy = MUSIC + HISS + clicking((35_000, 58_000))
    one, other = found(noisy), found(noisy, places=(1, 30_003, 44_100, 200_001))
    assert np.array_equal(one.density, other.density)
    assert np.array_equal(one.clicks, other.clicks)


def test_places_of_clicks_follow_the_rate() -> None:
    noisy = found(MUSIC + HISS + clicking((35_000,)))
    first, end = noisy.clicks_at(2 * RATE)[0]
    assert (first, end) == (2 * noisy.clicks[0, 0], 2 * noisy.clicks[0, 1])


def test_clicks_become_a_straight_line_and_all_else_stays() -> None:
    sound, clicks = MUSIC + 0.5, np.array([[100, 140], [130, 150], [30_000, 30_044]])
    for places in ((), (1, 99, 120, 145, 30_010, 30_044)):
        remover = ClickRemover(clicks)
        parts = [remover.push(block) for block in cut(sound, places)]
        made = np.concatenate([*parts, remover.finish()])
        kept = np.ones(LENGTH, bool)
        kept[100:150] = kept[30_000:30_044] = False
        assert np.array_equal(made[kept], sound[kept])
        assert np.abs(np.diff(made[99:151], n=2)).max() < 1e-6


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
