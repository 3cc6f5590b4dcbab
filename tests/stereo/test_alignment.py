"""Lag, gain and polarity between the channels of one recording, and their aligned sum."""

import numpy as np
import pytest

from sounds import cut, decibels, noise, song
from soundstage.stereo import Alignment, AlignmentMeter
from soundstage.stereo.alignment import AlignedSum

RATE = 44_100
SONG = song(4 * RATE).double().numpy()
HISS = [noise(4 * RATE, seed=seed, level=1.0).double().numpy() for seed in (11, 12)]


def delayed(samples: np.ndarray, lag: float) -> np.ndarray:
    """Later by any lag in samples, with zeros before."""
    size = 1 << (samples.size + 8192).bit_length()
    turns = np.fft.rfftfreq(size) * lag
    return np.fft.irfft(np.fft.rfft(samples, size) * np.exp(-2j * np.pi * turns))[: samples.size]


def transfer(
    lag: float, gain: float = 1.0, snr: tuple[float, float] = (200.0, 200.0), sound=SONG
) -> np.ndarray:
    """A recording digitized in stereo; the noise of each channel is relative to its signal."""
    channels = [sound, gain * delayed(sound, lag)]
    noisy = [
        channel + hiss * channel.std() * 10 ** (-ratio / 20)
        for channel, hiss, ratio in zip(channels, HISS, snr, strict=True)
    ]
    return np.stack(noisy).astype(np.float32)


def measured(stereo: np.ndarray, *, rate: int = RATE, places: tuple[int, ...] = ()) -> Alignment:
    meter = AlignmentMeter(rate)
    for block in cut(stereo, places):
        meter.push(block)
    alignment = meter.alignment()
    assert alignment
    return alignment


def aligned(stereo: np.ndarray, mix: str = "mean", places: tuple[int, ...] = ()) -> np.ndarray:
    total = AlignedSum(measured(stereo), mix)
    blocks = [total.push(block) for block in cut(stereo, places)]
    return np.concatenate([*blocks, total.finish()])


@pytest.mark.parametrize("lag", [0.0, 0.5, 4.0, 4.3, -17.37, 900.25, -2_000.0])
def test_lag_is_found_to_a_tenth_of_a_sample(lag: float) -> None:
    alignment = measured(transfer(lag, snr=(25, 25)))
    assert alignment.lag == pytest.approx(lag, abs=0.1)
    assert alignment.is_near_mono
    assert alignment.needs_alignment == (lag != 0)


@pytest.mark.parametrize("gain", [0.3, 0.8, -1.0, -2.5])
def test_gain_and_polarity_are_found(gain: float) -> None:
    alignment = measured(transfer(4.3, gain, snr=(30, 30)))
    assert alignment.inverted == (gain < 0)
    assert alignment.gain_db == pytest.approx(20 * np.log10(abs(gain)), abs=0.1)
    assert alignment.lag == pytest.approx(4.3, abs=0.1)


def test_noise_lowers_the_correlation_and_not_the_lag() -> None:
    loud = measured(transfer(4.3, snr=(8, 8)))
    assert not loud.is_near_mono
    assert loud.is_alignable
    assert loud.lag == pytest.approx(4.3, abs=0.1)


def test_independent_channels_are_no_recording_and_silence_has_no_lag() -> None:
    stereo = np.stack([SONG, song(4 * RATE, seed=7).numpy() + 3 * HISS[0] * SONG.std()])
    assert not measured(stereo).is_alignable
    meter = AlignmentMeter(RATE)
    meter.push(np.stack([SONG, 0 * SONG]))
    assert meter.alignment() is None


def test_a_lag_that_drifts_is_reported() -> None:
    long = np.tile(SONG, 12)
    right = np.concatenate([delayed(SONG, 3.0 + part // 5) for part in range(12)])
    alignment = measured(np.stack([long, right]))
    assert 3 < alignment.lag < 5
    assert alignment.drift > 0.5
    assert "drift" in alignment.describe()


def test_the_aligned_sum_is_flat_up_to_20_kilohertz() -> None:
    """The plain sum of white noise with a lag of 4 samples has lost all of 5.5 kHz."""
    white = HISS[0]
    stereo = transfer(4.0, sound=white)
    response = np.abs(np.fft.rfft(aligned(stereo)[8192:-8192])) ** 2
    plain = np.abs(np.fft.rfft(stereo.mean(axis=0)[8192:-8192])) ** 2
    source = np.abs(np.fft.rfft(white[8192:-8192])) ** 2
    hertz = np.fft.rfftfreq(white.size - 16384, 1 / RATE)

    def gain(power: np.ndarray, low: float) -> float:
        band = (hertz >= low) & (hertz < low + 500)
        return 10 * np.log10(power[band].sum() / source[band].sum())

    assert gain(plain, 5_250) < -16
    assert max(abs(gain(response, low)) for low in range(0, 19_750, 250)) < 0.1


@pytest.mark.parametrize(
    ("snr", "mix", "least"),
    [((20, 20), "mean", 22.7), ((20, 20), "best", 22.7), ((30, 10), "best", 29.0)],
)
def test_the_sum_gains_3_db_over_equal_noise_and_more_over_unequal(
    snr: tuple[float, float], mix: str, least: float
) -> None:
    made = aligned(transfer(4.3, snr=snr), mix)
    error = decibels((made - SONG)[2048:-2048], SONG[2048:-2048])
    assert -error > least


def test_the_mean_of_unequal_noise_is_worse_than_its_better_channel() -> None:
    made = aligned(transfer(4.3, snr=(30, 10)), "mean")
    assert -decibels((made - SONG)[2048:-2048], SONG[2048:-2048]) < 18


def test_the_sum_has_the_level_of_the_plain_sum_and_its_length() -> None:
    stereo = transfer(0.0, 0.5)
    assert decibels(aligned(stereo) - stereo.mean(axis=0), SONG) < -60


@pytest.mark.parametrize("lag", [4.3, -30.2])
def test_blocks_of_any_size_give_the_same_bytes(lag: float) -> None:
    stereo = transfer(lag, snr=(30, 30))
    places = (1, 3, 30_000, 30_001, 200_000)
    one, other = measured(stereo), measured(stereo, places=places)
    assert one.as_dict() == other.as_dict()
    assert np.array_equal(aligned(stereo), aligned(stereo, places=places))
    assert aligned(stereo).size == stereo.shape[1]
