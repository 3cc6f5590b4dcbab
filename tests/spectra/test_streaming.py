import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import convolve, cut, noise
from soundstage.spectra import SampleQueue, StreamingConvolver


@given(
    pushed=st.lists(st.integers(0, 20), min_size=1, max_size=10),
    popped=st.lists(st.integers(0, 30), max_size=10),
)
def test_a_queue_is_first_in_first_out(pushed: list[int], popped: list[int]) -> None:
    queue, total = SampleQueue((2,)), sum(pushed)
    samples = torch.arange(2.0 * total).reshape(2, total)
    for block in samples.split(pushed, dim=-1):
        queue.push(block)
    taken = []
    for count in popped:
        taken.append(queue.pop(min(count, len(queue))))
        assert len(queue) == total - sum(block.shape[-1] for block in taken)
    taken.append(queue.pop(len(queue)))
    assert torch.equal(torch.cat(taken, dim=-1), samples)


def test_popping_more_than_is_queued_is_refused() -> None:
    queue = SampleQueue()
    queue.push(torch.zeros(3))
    with pytest.raises(ValueError, match="4 samples are more than the 3"):
        queue.pop(4)
    assert len(queue) == 3


def test_an_empty_queue_keeps_its_shape() -> None:
    queue = SampleQueue((2,))
    assert queue.pop(0).shape == (2, 0)
    queue.push(torch.zeros(2, 3))
    queue.pop(3)
    assert queue.pop(0).shape == (2, 0)
    with pytest.raises(ValueError, match="than the 0"):
        queue.pop(1)


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
def test_the_output_is_never_longer_than_the_input(places: list[int]) -> None:
    convolver = StreamingConvolver(noise(101), advance=100)
    went_in = came_out = 0
    for block in cut(noise(60_000), places):
        went_in += block.shape[0]
        came_out += convolver.push(block).shape[0]
        assert came_out <= went_in


def test_a_signal_that_ends_with_a_block_is_complete() -> None:
    response = noise(301, seed=1, level=1 / 16)
    samples = noise((1 << 14) - 300, level=1.0)  # exactly one transform
    ours = convolve(samples, response, advance=150).numpy()
    assert ours.shape == samples.shape
    np.testing.assert_allclose(ours, by_scipy(samples, response, 150), atol=1e-5)


def test_a_symmetric_response_with_its_center_as_advance_does_not_delay() -> None:
    samples = torch.zeros(1_000)
    samples[400] = 1.0
    response = torch.hann_window(101, periodic=False)
    assert convolve(samples, response, advance=50).argmax() == 400
