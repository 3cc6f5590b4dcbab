import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import cut, noise
from soundstage.spectra import StreamingConvolver
from soundstage.spectra.streaming import convolve


def by_scipy(samples: torch.Tensor, response: torch.Tensor, advance: int) -> np.ndarray:
    whole = scipy.signal.fftconvolve(samples.double().numpy(), response.double().numpy())
    return np.pad(whole, (0, advance))[advance : advance + samples.shape[0]]


@pytest.mark.parametrize("length", [1, 100, 16_384, 50_000])
@pytest.mark.parametrize(
    ("taps", "advance"), [(1, 0), (2, 1), (300, 0), (301, 150), (300, 299), (8_193, 4_096)]
)
def test_convolution_agrees_with_scipy(length: int, taps: int, advance: int) -> None:
    samples, response = noise(length, level=1.0), noise(taps, seed=1, level=taps**-0.5)
    ours = convolve(samples, response, advance=advance).numpy()
    np.testing.assert_allclose(ours, by_scipy(samples, response, advance), atol=1e-5)


@given(
    length=st.integers(1, 40_000),
    places=st.lists(st.integers(0, 40_000), max_size=6),
    advance=st.integers(0, 256),
)
def test_streamed_convolution_equals_whole(length: int, places: list[int], advance: int) -> None:
    samples, response = noise(length, level=1.0), noise(257, seed=1, level=1 / 16)
    convolver = StreamingConvolver(response, advance=advance)
    parts = [*map(convolver.push, cut(samples, places)), convolver.finish()]
    streamed = torch.cat(parts)
    assert torch.equal(streamed, convolve(samples, response, advance=advance))
    np.testing.assert_allclose(streamed.numpy(), by_scipy(samples, response, advance), atol=1e-5)


@given(places=st.lists(st.integers(0, 60_000), min_size=1, max_size=6))
def test_never_more_comes_out_than_went_in(places: list[int]) -> None:
    convolver = StreamingConvolver(noise(101), advance=100)
    went_in = came_out = 0
    for block in cut(noise(60_000), places):
        went_in += block.shape[0]
        came_out += convolver.push(block).shape[0]
        assert came_out <= went_in


def test_a_signal_that_ends_with_a_block_loses_nothing() -> None:
    response = noise(301, seed=1, level=1 / 16)
    samples = noise((1 << 14) - 300, level=1.0)  # as many as one transform makes
    ours = convolve(samples, response, advance=150).numpy()
    assert ours.shape == samples.shape
    np.testing.assert_allclose(ours, by_scipy(samples, response, 150), atol=1e-5)


def test_a_symmetric_response_with_its_center_as_advance_does_not_delay() -> None:
    samples = torch.zeros(1_000)
    samples[400] = 1.0
    response = torch.hann_window(101, periodic=False)
    assert convolve(samples, response, advance=50).argmax() == 400
