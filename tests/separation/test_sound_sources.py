"""Sources of sounds of any rate, length and number of channels add up; blocks change nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import soundstage
from soundstage import Audio
from soundstage.errors import InputError, OptionError, SoundstageError
from soundstage.separation.hpss import HarmonicPercussive
from soundstage.separation.separator import SourceInfo
from soundstage.separation.sound_sources import SoundSources, fit_to_sound

RATES = (8_000, 44_100, 48_000, 96_000)


class Signals:
    """Returns signals and no masks, as a network in time does; fitted by a survey."""

    rate = 22_050
    sources = (SourceInfo("half", "object"), SourceInfo("rest", "residual"))

    def __init__(self, share: float = 0.5) -> None:
        self.share = share

    def stream(self):
        return _Shares(self.share)


class _Shares:
    def __init__(self, share):
        self.share = share

    def push(self, mono):
        return torch.stack([self.share * mono, (1 - self.share) * mono])

    def finish(self):
        return torch.zeros(2, 0)


class Surveying:
    """Gives its first source the share that the mean of the song says."""

    rate = 22_050

    def __init__(self) -> None:
        self.heard: list[torch.Tensor] = []

    def survey(self):
        self.heard = []
        return self

    def push(self, mono):
        self.heard.append(mono)

    def finish(self):
        return Signals(float(torch.cat(self.heard).mean()))


def noise(frames, channels=1, seed=0):
    drawn = np.random.default_rng(seed).normal(0, 0.2, (channels, frames))
    return drawn.clip(-1, 1).astype(np.float32)


def error_db(sources, whole):
    difference = sum(each.samples.astype(np.float64) for each in sources.values()) - whole
    power = float(np.square(whole, dtype=np.float64).sum())
    return 10 * np.log10(max(float(np.square(difference).sum()), 1e-300) / power)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("method", ["hpss", Signals()], ids=["masks", "signals"])
def test_sources_add_up_at_any_rate(rate, channels, method):
    sound = Audio(noise(rate + 7, channels), rate)
    sources = soundstage.separate(sound, method)
    assert len(sources) == 2
    for source in sources.values():
        assert (source.rate, source.samples.shape) == (rate, sound.samples.shape)
    assert error_db(sources, sound.samples) < -140


@settings(max_examples=15, deadline=None)
@given(
    frames=st.integers(1, 100_000),
    size=st.integers(500, 70_000),
    rate=st.sampled_from(RATES),
    channels=st.integers(1, 2),
)
def test_blocks_change_no_bit(frames, size, rate, channels):
    sound = noise(frames, channels, seed=frames)
    made = []
    for step in (size, frames):
        stream = SoundSources(HarmonicPercussive(), rate, channels)
        parts = [stream.push(sound[:, at : at + step]) for at in range(0, frames, step)]
        made.append(np.concatenate([*parts, stream.finish()], axis=-1))
    assert made[0].shape == (2, channels, frames)
    assert np.array_equal(*made)
    np.testing.assert_allclose(made[0].sum(axis=0), sound, atol=2e-7)


def test_threads_change_no_bit():
    sound = Audio(noise(60_000), 44_100)
    one = soundstage.separate(sound, "hpss")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if before > 1 else 2)
        other = soundstage.separate(sound, "hpss")
    finally:
        torch.set_num_threads(before)
    assert one == other


def test_double_precision_is_kept():
    sound = np.random.default_rng(1).normal(0, 0.1, (1, 30_000))
    stream = SoundSources(HarmonicPercussive(), 44_100, 1)
    made = np.concatenate([stream.push(sound), stream.finish()], axis=-1)
    assert made.dtype == np.float64
    assert np.abs(made.sum(axis=0) - sound).max() < 1e-15


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_silence_and_a_single_sample(rate):
    silent = soundstage.separate(Audio(np.zeros((2, 5000), np.float32), rate), "hpss")
    assert not any(source.samples.any() for source in silent.values())
    one = soundstage.separate(Audio([0.5], rate), "hpss")
    assert sum(float(source.samples[0, 0]) for source in one.values()) == pytest.approx(0.5)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_digital_silence_after_a_sound_is_silent_in_every_source(rate):
    sound = np.concatenate([noise(rate), np.zeros((1, 2 * rate), np.float32)], axis=1)
    for source in soundstage.separate(Audio(sound, rate), "hpss").values():
        assert source.samples[:, :rate].any()
        assert not source.samples[:, 2 * rate :].any()


def test_what_a_low_rate_cannot_hold_is_in_the_residual():
    time = np.arange(96_000) / 96_000
    high = 0.3 * np.sin(2 * np.pi * 30_000 * time).astype(np.float32)
    sources = soundstage.separate((high, 96_000), Signals())
    inner = slice(5000, -5000)
    assert np.abs(sources["half"].samples[:, inner]).max() < 1e-4
    np.testing.assert_allclose(sources["rest"].samples[0, inner], high[inner], atol=1e-4)


@pytest.mark.parametrize("method", ["hpss", Signals()], ids=["masks", "signals"])
def test_a_source_keeps_its_place_in_stereo(method):
    mono = noise(50_000)[0]
    left = Audio(np.stack([mono, 0.25 * mono]), 44_100)
    for source in soundstage.separate(left, method).values():
        first, second = source.samples
        assert np.abs(0.25 * first - second).max() < 0.02 * np.abs(first).max()


def test_a_survey_gets_the_whole_song_once_at_its_rate():
    sound = 0.25 + 0 * noise(96_001)
    separator = Surveying()
    fitted = fit_to_sound(separator, iter(np.array_split(sound, 7, axis=1)), 44_100)
    assert sum(map(len, separator.heard)) == 48_001
    assert fitted.share == pytest.approx(0.25, abs=1e-3)
    sources = soundstage.separate((sound, 44_100), separator)
    assert np.median(sources["half"].samples) == pytest.approx(0.25**2, abs=1e-3)


def test_a_separator_that_is_ready_reads_nothing():
    def blocks():
        raise AssertionError("read")
        yield

    ready = Signals()
    assert fit_to_sound(ready, blocks(), 44_100) is ready


def test_samples_that_are_no_numbers_are_one_sentence():
    with pytest.raises(SoundstageError, match="not numbers"):
        soundstage.separate((noise(100_000)[0], 22_050), Signals(float("nan")))


def test_errors_of_a_user_are_sentences(tmp_path):
    with pytest.raises(OptionError, match="by name"):
        soundstage.separate((noise(100)[0], 44_100), Signals(), weights="mine.safetensors")
    with pytest.raises(InputError):
        soundstage.separate(tmp_path / "missing.wav", "hpss")


def test_a_path_and_its_samples_are_separated_alike(tmp_path):
    sound = Audio(noise(40_000, 2), 48_000)
    path = tmp_path / "song.wav"
    sound.write(path)
    assert soundstage.separate(path, "hpss") == soundstage.separate(sound, "hpss")
