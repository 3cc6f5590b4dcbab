import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import cut, decibels, noise, song, stereo_scene
from soundstage.stereo import (
    BANDS,
    TRANSFORM,
    Parameters,
    decode_signal,
    encode_signal,
    to_mid_side,
)
from soundstage.upmixing import ParametricMethod, make_side
from tiny import predictor


class Oracle:
    """A predictor that returns known parameters, with a delay in frames."""

    def __init__(self, parameters: Parameters, *, delay: int = 0) -> None:
        self.parameters, self.delay = parameters, delay
        self.frames: list[torch.Tensor] = []

    def stream(self, seeds) -> "Oracle":
        self.takes, self.seen, self.done = len(seeds), 0, 0
        return self

    def push(self, spectrogram: torch.Tensor) -> Parameters:
        self.frames.append(spectrogram)
        self.seen += spectrogram.shape[1]
        return self._until(max(self.seen - self.delay, self.done))

    def finish(self) -> Parameters:
        return self._until(self.seen)

    def _until(self, end: int) -> Parameters:
        now, self.done = slice(self.done, end), end
        return Parameters(*(v[:, now].expand(self.takes, -1, -1) for v in self.parameters))


def scene(length: int) -> tuple[torch.Tensor, Parameters]:
    """A mid and its true parameters."""
    stereo = stereo_scene(length)
    return to_mid_side(*stereo)[0], encode_signal(stereo)


@pytest.mark.parametrize(
    ("decoder", "delay"), [("prediction", 0), ("prediction", 1_000), ("mixing", 7)]
)
def test_a_predictor_may_look_ahead(delay: int, decoder: str) -> None:
    mid, parameters = scene(40_000)
    method = ParametricMethod(Oracle(parameters, delay=delay), decoder=decoder)
    expected = decode_signal(mid, parameters, decoder=decoder)
    side = make_side(method, mid)
    assert side.shape == expected.shape == (method.n_outputs, 40_000)
    torch.testing.assert_close(side, expected, rtol=0, atol=1e-6)


@given(
    length=st.integers(1, 30_000),
    places=st.lists(st.integers(0, 30_000), max_size=5),
    delay=st.sampled_from([0, 3]),
)
def test_blocks_of_any_size_give_the_same_side(length: int, places: list[int], delay: int) -> None:
    mid, parameters = scene(length)
    method = ParametricMethod(Oracle(parameters, delay=delay))
    whole = make_side(method, mid)
    stream = method.stream([0])
    streamed = torch.cat([*map(stream.push, cut(mid, places)), stream.finish()], dim=-1)
    assert streamed.shape == (1, 1, length)
    torch.testing.assert_close(streamed[0], whole, rtol=0, atol=2e-6)


def test_the_predictor_gets_the_spectrogram_of_the_mid() -> None:
    mid, parameters = scene(30_000)
    oracle = Oracle(parameters)
    make_side(ParametricMethod(oracle), mid)
    frames = torch.cat(oracle.frames, dim=1)
    torch.testing.assert_close(frames, TRANSFORM.analyze(mid), rtol=0, atol=1e-4)


def test_the_seed_changes_the_decorrelator() -> None:
    parameters = Parameters(torch.zeros(BANDS, 60), torch.zeros(BANDS, 60))
    method, mid = ParametricMethod(Oracle(parameters)), noise(40_000)
    one, other = (make_side(method, mid, seed=seed) for seed in (0, 1))
    assert decibels(one - other, one) > -10


def test_a_method_has_no_state_of_a_signal() -> None:
    method, mid = ParametricMethod(predictor()), song(20_000)
    first = make_side(method, mid)
    method.stream([0]).push(noise(9_000))  # an unfinished signal
    assert torch.equal(make_side(method, mid), first)
