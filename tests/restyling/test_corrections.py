"""Lag, polarity, balance and treble between the channels of a mix are measured and corrected."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.corpora.hard_panned import delayed, hard_pan
from soundstage.restyling.correction_meter import CorrectionMeter, measure
from soundstage.restyling.corrections import ChannelFilters, Corrections, corrected_blocks

RATE = 44_100
KINDS = ("lead", "drums", "bass", "object")


@cache
def band_song(seed: int = 0, seconds: float = 6.0, rate: int = RATE) -> np.ndarray:
    """Four stems of decaying notes with harmonics and noise, each with pauses."""
    generator = np.random.default_rng(seed)
    length = round(seconds * rate)
    stems = np.zeros((len(KINDS), length))
    time = np.arange(round(0.4 * rate)) / rate
    for stem, low in zip(stems, (220, 90, 60, 330), strict=True):
        for start in range(0, length - time.size, round(0.25 * rate)):
            if generator.random() < 0.5:
                continue
            pitch = low * 2 ** (generator.integers(0, 12) / 12 + generator.normal(0, 0.01))
            harmonics = np.arange(1, int(min(16_000, 0.45 * rate) / pitch))
            phases = generator.uniform(0, 2 * np.pi, harmonics.size)
            partials = np.sin(2 * np.pi * pitch * harmonics * time[:, None] + phases)
            note = partials @ harmonics**-0.7 + 0.3 * generator.standard_normal(time.size)
            stem[start : start + time.size] += note * np.exp(-6 * time)
    return 0.1 * stems / np.sqrt(np.mean(np.square(stems), axis=1, keepdims=True))


def faulty_mix(style: str = "left-center-right", **faults: float):
    return hard_pan(band_song(), KINDS, style, rate=RATE, **faults)  # type: ignore[arg-type]


@pytest.mark.parametrize(("lag", "gain_db"), [(0.37, 1.4), (-6.8, -1.9), (23.25, 0.6)])
def test_lag_and_balance_are_found_beside_independent_sides(lag, gain_db):
    found = measure([faulty_mix(lag=lag, gain_db=gain_db, hiss_db=-55.0).stereo], RATE)
    assert found.lag == pytest.approx(lag, abs=0.1)
    assert found.gain_db == pytest.approx(gain_db, abs=0.2)
    assert not found.inverted


@pytest.mark.parametrize("style", ["band-left", "twin-track"])
def test_channels_without_common_sound_are_left_alone(style):
    mix = faulty_mix(style, lag=3.0, gain_db=1.0, hiss_db=-55.0)
    found = measure([mix.stereo], RATE)
    assert found.lag is None
    assert found.gain_db is None
    assert not found.is_needed
    assert "not measurable" in found.describe()
    (same,) = corrected_blocks([mix.stereo], found)
    assert same is mix.stereo


def test_correction_gives_the_mix_without_its_faults():
    mix = faulty_mix(lag=4.3, gain_db=-1.2)
    blocks = np.array_split(mix.stereo, 7, axis=1)
    corrected = np.concatenate([*corrected_blocks(blocks, measure(blocks, RATE))], axis=1)
    assert corrected.shape == mix.stereo.shape
    level = 10 ** (-0.6 / 20)
    inner = slice(2_000, -2_000)
    error = (corrected / level - mix.clean)[:, inner]
    assert 10 * np.log10(np.mean(error**2) / np.mean(mix.clean[:, inner] ** 2)) < -25
    again = measure([corrected.astype(np.float32)], RATE)
    assert abs(again.lag) < 0.1
    assert abs(again.gain_db) < 0.2


def test_an_inverted_channel_is_found_and_turned():
    mix = faulty_mix()
    found = measure([mix.stereo * np.array([[1.0], [-1.0]], np.float32)], RATE)
    assert found.inverted
    assert found.lag == pytest.approx(0, abs=0.1)
    assert "polarity" in found.describe()


def test_lost_treble_is_found_and_raised():
    mix = faulty_mix()
    frequency = np.fft.rfftfreq(mix.stereo.shape[1], 1 / RATE)
    lost = 10 ** (-4.0 * (np.minimum(frequency, 14_000) / 10_000) ** 2 / 20)
    dull = np.fft.irfft(np.fft.rfft(mix.stereo[1]) * lost, mix.stereo.shape[1])
    found = measure([np.stack([mix.stereo[0], dull])], RATE)
    assert found.treble_db == pytest.approx(-4.0, abs=0.5)
    assert found.gain_db == pytest.approx(0, abs=0.2)
    assert "right has lost" in found.describe()
    raised = np.concatenate([*corrected_blocks([np.stack([mix.stereo[0], dull])], found)], axis=1)
    assert measure([raised], RATE).treble_db is None


@pytest.mark.slow
def test_a_mix_that_leans_to_a_side_has_no_balance_error():
    stems = band_song(1)
    pans = np.array([0.15, 0.3, -0.2, 0.5])[:, None]
    stereo = np.stack([((1 + pans) * stems).sum(0), ((1 - pans) * stems).sum(0)])
    found = measure([stereo], RATE)
    assert found.lag == pytest.approx(0, abs=0.01)
    assert found.gain_db is None


@pytest.mark.parametrize("frames", [0, 1, 300, 5_000])
def test_sounds_that_are_too_short_have_nothing_to_correct(frames):
    assert not measure([np.ones((2, frames), np.float32)], RATE).is_needed


def test_silence_has_nothing_to_correct():
    assert not measure([np.zeros((2, 3 * RATE), np.float32)], RATE).is_needed


def test_dual_mono_has_nothing_to_correct():
    mono = band_song().sum(axis=0)
    found = measure([np.stack([mono, mono])], RATE)
    assert found.lag == pytest.approx(0, abs=1e-3)
    assert not found.is_needed


@pytest.mark.slow
def test_other_rates_have_the_same_lag_in_time():
    stems = band_song(2, rate=96_000)
    mix = hard_pan(stems, KINDS, "left-center-right", rate=96_000, lag=9.4)
    assert measure([mix.stereo], 96_000).lag == pytest.approx(9.4, abs=0.1)


def test_a_lag_that_changes_has_a_drift(monkeypatch):
    monkeypatch.setattr("soundstage.restyling.correction_meter.SECTION", 3.0)
    first, second = (faulty_mix(lag=lag).stereo for lag in (2.0, 3.0))
    assert measure([first, second], RATE).drift == pytest.approx(1.0, abs=0.1)


def test_a_long_song_is_measured_with_bounded_memory(monkeypatch):
    monkeypatch.setattr("soundstage.restyling.correction_meter.MAX_CELLS", 2_000)
    meter, mix = CorrectionMeter(RATE), faulty_mix(lag=1.5)
    for _ in range(6):
        meter.push(mix.stereo)
    assert meter._count <= 4_000
    assert meter.corrections().lag == pytest.approx(1.5, abs=0.1)


@settings(deadline=None, max_examples=10)
@given(st.lists(st.integers(0, 30_000), min_size=1, max_size=12))
def test_block_sizes_change_no_bit(sizes):
    stereo = np.random.default_rng(0).standard_normal((2, 90_000)).astype(np.float32)
    found = Corrections(RATE, lag=2.6, gain_db=1.0, treble_db=-3.0)
    (whole,) = (np.concatenate([*corrected_blocks([stereo], found)], axis=1),)
    blocks = np.split(stereo, np.cumsum(sizes), axis=1)
    parts = np.concatenate([*corrected_blocks(blocks, found)], axis=1)
    np.testing.assert_array_equal(parts, whole)


def test_filters_delay_and_scale_by_the_requested_amounts():
    noise = np.random.default_rng(0).standard_normal(40_000)
    filters = ChannelFilters(RATE, lag=5.25, gain_db=2.0)
    late = np.stack([noise, delayed(noise, 5.25)])
    made = np.concatenate([filters.push(late), filters.finish()], axis=1)
    inner = slice(2_000, -2_000)
    spectra = np.abs(np.fft.rfft(made[:, inner] * np.hanning(36_000)))
    band = slice(100, int(0.45 * 36_000))
    ratio = 20 * np.log10(np.sqrt((spectra[0, band] ** 2).sum() / (spectra[1, band] ** 2).sum()))
    assert ratio == pytest.approx(2.0, abs=0.01)


def test_the_description_names_the_later_and_the_louder_channel():
    text = Corrections(RATE, lag=-2.0, gain_db=1.0, drift=0.4).describe()
    assert text == (
        "left is 2.0 samples (0.05 ms) later, with a drift of 0.4 samples, right is 1.0 dB louder"
    )
    assert Corrections(RATE, lag=0.0, gain_db=0.0).describe() == "no lag, in balance"
    assert Corrections(RATE, lag=0.0).as_dict()["gain_db"] is None
