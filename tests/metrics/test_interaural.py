import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt
from torch import Tensor

from sounds import drums, noise, song, tone
from soundstage.binaural import HEAD_RADIUS
from soundstage.metrics.binaural_metrics import amplitude_l2, binaural_errors, phase_l2, wave_l2
from soundstage.metrics.interaural import (
    comparable_ears,
    ild_error,
    interaural_level_differences,
    interaural_time_difference,
    itd_error,
)
from soundstage.metrics.speech_quality import pesq

RATE = 48_000
SPEED_OF_SOUND = 343.0  # m/s


def woodworth(azimuth: float) -> float:
    """Seconds by which the left ear leads, for a source far away at that many degrees."""
    angle = math.radians(azimuth)
    return HEAD_RADIUS / SPEED_OF_SOUND * (angle + math.sin(angle))


def delayed(sound: Tensor, seconds: float, rate: int = RATE) -> Tensor:
    """Exactly, for a sound that repeats itself."""
    spectrum = torch.fft.rfft(sound.double())
    hz = torch.arange(len(spectrum)) * rate / len(sound)
    return torch.fft.irfft(spectrum * torch.exp(-2j * math.pi * hz * seconds), len(sound)).float()


def placed(lead: float, gain_db: float = 0.0, *, sound: Tensor, rate: int = RATE) -> Tensor:
    """The left ear leads by so many seconds and is louder by so many dB."""
    louder = 10 ** (gain_db / 20)
    return torch.stack([louder * sound, delayed(sound, lead, rate)])


@pytest.mark.parametrize(
    ("azimuth", "rate"), [(-90, 48_000), (-10, 44_100), (0, 48_000), (30, 16_000), (90, 44_100)]
)
def test_the_time_difference_follows_woodworth(azimuth: float, rate: int) -> None:
    lead = woodworth(azimuth)
    stereo = placed(lead, sound=noise(rate), rate=rate)
    times = interaural_time_difference(stereo, rate)
    assert times.shape == ((rate - rate * 40 // 1000) // (rate // 100) + 1,)
    assert times.median().item() == pytest.approx(1e6 * lead, abs=1.0)
    assert (times - 1e6 * lead).abs().mean() < 6
    if azimuth == 90:
        assert times.median().item() == pytest.approx(656, abs=2)


@given(lead_us=st.floats(-700, 700), gain_db=st.floats(-20, 20))
def test_time_and_level_difference_are_independent(lead_us: float, gain_db: float) -> None:
    stereo = placed(1e-6 * lead_us, gain_db, sound=0.1 * noise(12_000))
    times = interaural_time_difference(stereo, RATE)
    assert times.median().item() == pytest.approx(lead_us, abs=3)
    levels = interaural_level_differences(stereo, RATE)
    assert levels.median().item() == pytest.approx(gain_db, abs=0.3)


@pytest.mark.parametrize("hz", [100.0, 480.0])
def test_the_delay_of_a_low_tone_is_found(hz: float) -> None:
    steady = tone(RATE, hz=hz, rate=RATE)
    times = interaural_time_difference(placed(500e-6, sound=steady), RATE)[1:]  # the filter settles
    torch.testing.assert_close(times, torch.full_like(times, 500.0), atol=4, rtol=0)


@given(gain_db=st.floats(-39, 39))
def test_a_louder_ear_has_the_level_difference_in_every_band(gain_db: float) -> None:
    sound = noise(6_000)
    stereo = torch.stack([10 ** (gain_db / 20) * sound, sound])
    levels = interaural_level_differences(stereo, RATE)
    torch.testing.assert_close(levels, torch.full_like(levels, gain_db), atol=1e-4, rtol=0)
    assert interaural_time_difference(stereo, RATE).abs().max() < 1e-4


def slow_time_differences(stereo: np.ndarray, rate: int) -> list[float]:
    """From the definition, by correlation in time."""
    filtered = sosfilt(butter(4, 1500, fs=rate, output="sos"), stereo.astype(float))
    length, found = rate // 25, []
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    lags = np.arange(-length + 1, length)
    near = np.abs(lags) <= math.ceil(rate / 1000)
    own = np.correlate(window, window, "full")
    for start in range(0, stereo.shape[1] - length + 1, rate // 100):
        left, right = window * filtered[:, start : start + length]
        correlation = np.correlate(right, left, "full") / np.maximum(own, 1e-9)
        best = np.flatnonzero(near)[correlation[near].argmax()]
        fit = np.polyfit([-1, 0, 1], correlation[best - 1 : best + 2], 2)
        beside = np.clip(-fit[1] / (2 * fit[0]), -0.5, 0.5) if fit[0] < 0 else 0
        found.append(np.clip((lags[best] + beside) / rate * 1e6, -1000, 1000))
    return found


def slow_level_differences(stereo: np.ndarray, rate: int) -> np.ndarray:
    """From the definition, window by window and bin by bin."""
    length = rate // 25
    size = 2 ** math.ceil(math.log2(length))
    scale = 21.4 * np.log10(1 + 0.00437 * rate / 2)
    edges = [
        round((10 ** (scale * band / 32 / 21.4) - 1) / 0.00437 * size / rate) for band in range(33)
    ]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    found = []
    for start in range(0, stereo.shape[1] - length + 1, rate // 100):
        shown = stereo[:, start : start + length].astype(float) * window
        left, right = np.abs(np.fft.rfft(shown, size)) ** 2
        ratios = [
            left[first:end].sum() / right[first:end].sum()
            for first, end in zip(edges[:-1], [*edges[1:-1], size], strict=True)
        ]
        found.append(np.clip(10 * np.log10(ratios), -40, 40))
    return np.transpose(found)


@pytest.mark.parametrize(("rate", "length"), [(48_000, 40_000), (44_100, 1_764)])
def test_the_differences_match_their_definition(rate: int, length: int) -> None:
    scene = placed(300e-6, 4.0, sound=song(length, rate=rate), rate=rate)
    scene = scene + noise(2 * length, seed=5, level=0.02).reshape(2, -1)
    levels = interaural_level_differences(scene, rate).numpy()
    np.testing.assert_allclose(levels, slow_level_differences(scene.numpy(), rate), atol=1e-3)
    short = scene[:, : 2 * rate // 5]
    times = interaural_time_difference(short, rate).numpy()
    np.testing.assert_allclose(times, slow_time_differences(short.numpy(), rate), atol=1e-5)
    whole = interaural_time_difference(scene, rate).numpy()
    np.testing.assert_allclose(whole[: len(times)], times, atol=1e-5)


def test_mirrored_ears_have_mirrored_differences() -> None:
    scene = placed(400e-6, 6.0, sound=0.1 * song(20_000, rate=RATE))
    for of_one in (interaural_time_difference, interaural_level_differences):
        torch.testing.assert_close(of_one(scene.flip(0), RATE), -of_one(scene, RATE))


def test_the_time_difference_ignores_high_frequencies() -> None:
    low = placed(400e-6, sound=noise(RATE))
    high = sosfilt(butter(8, 6_000, "high", fs=RATE, output="sos"), noise(2 * RATE, level=0.5))
    mixed = low + torch.from_numpy(high).float().reshape(2, -1)
    change = interaural_time_difference(mixed, RATE) - interaural_time_difference(low, RATE)
    assert change.abs().median() < 3


def test_time_differences_are_limited_to_one_millisecond() -> None:
    times = interaural_time_difference(placed(1.02e-3, sound=noise(RATE)), RATE)
    assert times.abs().max() <= 1000
    assert times.median() == 1000


def test_equal_ears_have_no_error() -> None:
    true = placed(400e-6, 6.0, sound=0.1 * song(20_000, rate=RATE))
    assert itd_error(true, true, RATE) == ild_error(true, true, RATE) == 0
    assert itd_error(0.5 * true, true, RATE) == ild_error(0.5 * true, true, RATE) == 0
    assert itd_error(-true, true, RATE) == ild_error(-true, true, RATE) == 0


@given(wrong=st.floats(-60, 60), right=st.floats(-60, 60))
def test_the_error_is_the_difference_of_the_positions(wrong: float, right: float) -> None:
    sound = noise(12_000)
    made, true = (placed(woodworth(x), x / 10, sound=sound) for x in (wrong, right))
    wanted = 1e6 * abs(woodworth(wrong) - woodworth(right))
    assert itd_error(made, true, RATE) == pytest.approx(wanted, abs=8)
    one, other = (torch.stack([10 ** (x / 200) * sound, sound]) for x in (wrong, right))
    assert ild_error(one, other, RATE) == pytest.approx(abs(wrong - right) / 10, abs=1e-4)


def test_mono_and_silence_have_the_full_error_of_the_truth() -> None:
    sound = noise(RATE)
    true = placed(500e-6, 8.0, sound=sound)
    mono = sound.expand(2, -1)
    assert itd_error(mono, true, RATE) == pytest.approx(500, abs=5)
    assert ild_error(mono, true, RATE) == pytest.approx(8, abs=0.2)
    silent = torch.zeros_like(true)
    assert itd_error(silent, true, RATE) == pytest.approx(itd_error(mono, true, RATE))
    assert ild_error(silent, true, RATE) == pytest.approx(ild_error(mono, true, RATE))


def test_faint_windows_of_the_truth_do_not_count() -> None:
    level = torch.cat([torch.ones(RATE), torch.full((RATE,), 1e-3)])  # 60 dB under it
    true = placed(300e-6, 6.0, sound=noise(RATE)).repeat(1, 2) * level
    made = true.clone()
    made[:, RATE:] = true[:, RATE:].flip(0)
    assert itd_error(made, true, RATE) < 1
    assert ild_error(made, true, RATE) < 0.2
    loud = level.flip(0)
    assert itd_error(made * loud, true * loud, RATE) > 250  # all of it counts at one level
    assert ild_error(made * loud, true * loud, RATE) > 5


def test_windows_20_db_below_the_loudest_count_fully() -> None:
    level = torch.cat([torch.ones(RATE), torch.full((RATE,), 0.1)])
    true = placed(300e-6, 6.0, sound=noise(RATE)).repeat(1, 2) * level
    made = true.clone()
    made[:, RATE:] = true[:, RATE:].flip(0)
    assert itd_error(made, true, RATE) == pytest.approx(600 / 2, abs=20)
    assert ild_error(made, true, RATE) == pytest.approx(12 / 2, abs=0.6)


def test_empty_bands_of_the_truth_do_not_count() -> None:
    bass = sosfilt(butter(16, 1_000, fs=RATE, output="sos"), noise(RATE).double())
    true = placed(0.0, 6.0, sound=torch.from_numpy(bass).float())
    made = true + noise(2 * RATE, seed=3, level=1e-5).reshape(2, -1)
    assert ild_error(made, true, RATE) < 0.1


def test_a_silent_ear_has_no_time_difference_and_the_maximum_level_difference() -> None:
    one = torch.stack([drums(RATE), torch.zeros(RATE)])
    assert interaural_time_difference(one, RATE).isnan().all()
    assert (interaural_level_differences(one, RATE)[:, :3] == 40).all()
    silent = torch.zeros(2, RATE)
    assert interaural_level_differences(silent, RATE).isnan().all()
    for error in (itd_error, ild_error):
        assert math.isnan(error(one, silent, RATE))
    assert math.isnan(itd_error(one, one, RATE))


def test_windows_without_a_true_time_difference_are_skipped() -> None:
    true = placed(500e-6, 8.0, sound=noise(RATE)).repeat(1, 2)
    true[1, :RATE] = 0
    mono = true[:1].expand(2, -1)
    assert itd_error(mono, true, RATE) == pytest.approx(500, abs=20)
    assert ild_error(mono, true, RATE) == pytest.approx((40 + 8) / 2, abs=0.5)


def test_sounds_shorter_than_a_window_have_no_differences() -> None:
    short = placed(0.0, 3.0, sound=noise(1_919))
    assert interaural_time_difference(short, RATE).shape == (0,)
    assert interaural_level_differences(short, RATE).shape == (32, 0)
    assert math.isnan(itd_error(short, short, RATE))
    assert math.isnan(ild_error(short, short, RATE))


METRICS = {
    "wave_l2": wave_l2,
    "amplitude_l2": lambda made, true: amplitude_l2(made, true, RATE),
    "phase_l2": lambda made, true: phase_l2(made, true, RATE),
    "pesq": lambda made, true: pesq(made, true, RATE),
    "itd_error": lambda made, true: itd_error(made, true, RATE),
    "ild_error": lambda made, true: ild_error(made, true, RATE),
    "binaural_errors": lambda made, true: binaural_errors(made, true, RATE),
}


@pytest.mark.parametrize("name", METRICS)
def test_signals_that_are_not_finite_or_not_of_two_ears_are_refused(name: str) -> None:
    good = noise(2 * 4_000).reshape(2, -1)
    infinite = good.clone()
    infinite[1, 7] = -math.inf
    for bad in (good[:1], good[[0, 1, 0]], good[None], good[0], good[:, :0], infinite):
        same_shape = torch.zeros(bad.shape)
        for made, true in ((bad, same_shape), (same_shape, bad)):
            with pytest.raises(ValueError, match=r"shape|finite"):
                METRICS[name](made, true)
    with pytest.raises(ValueError, match=r"\(2, 3999\), not \(2, 4000\)"):
        METRICS[name](good[:, 1:], good)


def test_differences_of_invalid_signals_are_refused() -> None:
    for difference in (interaural_time_difference, interaural_level_differences):
        for bad in (noise(100)[None], torch.full((2, 100), math.nan)):
            with pytest.raises(ValueError, match="the signal has"):
                difference(bad, RATE)


def test_rates_out_of_range_are_refused() -> None:
    good = noise(2 * 4_000).reshape(2, -1)
    for rate in (99, 51_201):
        for metric in (amplitude_l2, phase_l2):
            with pytest.raises(ValueError, match="100 to 51200 Hz"):
                metric(good, good, rate)
    for error in (itd_error, ild_error):
        with pytest.raises(ValueError, match="at least 8000 Hz, not 7999"):
            error(good, good, 7_999)


def test_the_result_is_clipped_and_the_truth_is_not() -> None:
    good = noise(2 * 4_000).reshape(2, -1)
    made, true = comparable_ears(30 * good, 30 * good)
    assert torch.equal(made, (30 * good).clamp(-1, 1))
    assert torch.equal(true, 30 * good)
    for name in ("wave_l2", "amplitude_l2", "phase_l2", "itd_error", "ild_error"):
        assert METRICS[name](30 * good, good) == METRICS[name]((30 * good).clamp(-1, 1), good)
