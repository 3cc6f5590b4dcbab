import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from making import noise
from soundstage.audio import Quantizer

FULL = {8: 128, 16: 32768, 24: 1 << 23, 32: 1 << 31}


@given(st.lists(st.integers(0, 500), max_size=6), st.integers(1, 3))
def test_result_does_not_depend_on_blocks_or_channels(places, channels):
    samples = noise(channels, 500)
    whole = Quantizer(16, seed=7).quantize(samples)
    quantizer = Quantizer(16, seed=7)
    edges = [0, *sorted(places), 500]
    parts = [quantizer.quantize(samples[:, a:b]) for a, b in itertools.pairwise(edges)]
    assert np.array_equal(np.concatenate(parts, axis=1), whole)


def test_one_dimension_is_one_channel():
    samples = noise(1, 300)
    assert np.array_equal(Quantizer(16).quantize(samples[0]), Quantizer(16).quantize(samples)[0])


def test_dither_makes_the_mean_error_vanish_between_steps():
    value = 100.3 / FULL[16]
    steps = Quantizer(16).quantize(np.full((1, 200_000), value))
    assert abs(steps.mean() - 100.3) < 0.01
    assert np.isclose((steps - 100.3).var(), 0.25, rtol=0.02)  # 1/12 of rounding + 2/12 of TPDF


def test_dither_is_at_most_one_step():
    samples = noise(2, 20_000) * 0.5
    error = Quantizer(16).quantize(samples) - samples * float(FULL[16])
    assert np.abs(error).max() <= 1.5


def test_digital_silence_stays_silent():
    quiet = np.full((2, 1000), 0.0009 / FULL[16])
    assert not Quantizer(16).quantize(quiet).any()


def test_seeds_differ_and_repeat():
    samples = noise(1, 1000)
    one, again, other = (Quantizer(16, seed=s).quantize(samples) for s in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_whole_steps_pass_without_dither(bits):
    steps = np.array([[-FULL[bits], -1, 0, 1, FULL[bits] - 1]], np.int64)
    out = Quantizer(bits).quantize(steps / FULL[bits], dither=False)
    assert out.dtype == np.int32
    assert np.array_equal(out, steps)


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_full_scale_saturates_by_no_more_than_the_dither(bits):
    top = Quantizer(bits).quantize(np.ones((1, 2000)))
    bottom = Quantizer(bits).quantize(-np.ones((1, 2000)))
    assert top.max() == FULL[bits] - 1
    assert top.min() >= FULL[bits] - 2
    assert bottom.min() == -FULL[bits]
    assert bottom.max() <= -FULL[bits] + 1


@pytest.mark.parametrize("value", [1.001, -1.001, np.nan, np.inf])
def test_what_does_not_fit_is_refused(value):
    with pytest.raises(ValueError, match="does not fit"):
        Quantizer(16).quantize(np.array([[0.0, value]]))


def test_without_dither_nothing_is_drawn():
    samples = noise(1, 100)
    quantizer = Quantizer(16)
    quantizer.quantize(samples, dither=False)
    assert np.array_equal(quantizer.quantize(samples), Quantizer(16).quantize(samples))
