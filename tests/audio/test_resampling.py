import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from making import noise
from soundstage.audio import StreamResampler, resample, resampled_frames

RATES = [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000]


def in_blocks(samples, rate_in, rate_out, edges):
    stream = StreamResampler(rate_in, rate_out, samples.shape[0])
    edges = [0, *sorted(min(e, samples.shape[1]) for e in edges), samples.shape[1]]
    parts = [stream.push(samples[:, a:b]) for a, b in itertools.pairwise(edges)]
    return np.concatenate([*parts, stream.finish()], axis=1)


@given(st.integers(0, 9000), st.sampled_from(RATES), st.sampled_from(RATES))
def test_length_is_rounded_to_the_nearest(frames, rate_in, rate_out):
    exact = frames * rate_out / rate_in
    got = resample(np.zeros((1, frames), np.float32), rate_in, rate_out).shape[1]
    assert got == resampled_frames(frames, rate_in, rate_out) == int(np.floor(exact + 0.5))


@given(
    st.lists(st.integers(0, 5000), max_size=8),
    st.sampled_from([(44100, 48000), (48000, 16000), (8000, 44100), (44100, 44100)]),
    st.sampled_from([np.float32, np.float64]),
)
def test_the_result_does_not_depend_on_the_blocks(edges, rates, dtype):
    samples = noise(2, 5000).astype(dtype)
    parts = in_blocks(samples, *rates, edges)
    whole = resample(samples, *rates)
    assert parts.dtype == whole.dtype == dtype
    assert np.array_equal(parts, whole)


def test_equal_rates_pass_through_unchanged():
    samples = noise(2, 1000)
    assert StreamResampler(44100, 44100, 2).push(samples) is samples


@pytest.mark.parametrize(("rate_in", "rate_out"), [(44100, 48000), (48000, 44100), (96000, 16000)])
def test_a_tone_keeps_its_phase_and_level(rate_in, rate_out):
    def tone(rate):
        return np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)[None]

    got = resample(tone(rate_in), rate_in, rate_out)
    inner = slice(rate_out // 4, 3 * rate_out // 4)
    assert np.abs(got - tone(rate_out))[:, inner].max() < 1e-6


def test_frequencies_above_nyquist_are_removed():
    tone = np.sin(2 * np.pi * 15_000 * np.arange(48_000) / 48_000)[None]
    assert np.abs(resample(tone, 48_000, 16_000)[:, 1000:-1000]).max() < 1e-6


def test_empty_input_gives_empty_output():
    assert StreamResampler(44100, 48000, 3).finish().shape == (3, 0)
