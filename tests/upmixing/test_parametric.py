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
from soundstage.upmixing import make_side
from soundstage.upmixing.parametric import ParametricUpmixer
from tiny import predictor


class Known:
    """A predictor that was told the answer, and gives it as late as it is told to."""

    def __init__(self, parameters: Parameters, *, delay: int = 0) -> None:
        self.parameters, self.delay = parameters, delay

    def stream(self, *, seed: int) -> "Known":
        self.seen = self.told = 0
        return self

    def push(self, spectrogram: torch.Tensor) -> Parameters:
        self.seen += spectrogram.shape[1]
        return self._tell(max(self.seen - self.delay, self.told))

    def finish(self) -> Parameters:
        return self._tell(self.seen)

    def _tell(self, until: int) -> Parameters:
        now = slice(self.told, until)
        self.told = until
        return Parameters(*(values[:, now] for values in self.parameters))


def scene(length: int) -> tuple[torch.Tensor, Parameters]:
    """A mid and its true parameters."""
    stereo = stereo_scene(length)
    return to_mid_side(*stereo)[0], encode_signal(stereo)


@pytest.mark.parametrize("decoder", ["prediction", "mixing"])
@pytest.mark.parametrize("delay", [0, 1, 7, 1_000])
def test_a_predictor_may_look_ahead_as_far_as_it_likes(delay: int, decoder: str) -> None:
    mid, parameters = scene(40_000)
    upmixer = ParametricUpmixer(Known(parameters, delay=delay), decoder=decoder)
    wanted = decode_signal(mid, parameters, decoder=decoder)
    made = make_side(upmixer, mid)
    assert made.shape == wanted.shape
    torch.testing.assert_close(made, wanted, rtol=0, atol=1e-6)


@given(
    length=st.integers(1, 30_000),
    places=st.lists(st.integers(0, 30_000), max_size=5),
    delay=st.sampled_from([0, 3]),
)
def test_streamed_equals_whole(length: int, places: list[int], delay: int) -> None:
    mid, parameters = scene(length)
    upmixer = ParametricUpmixer(Known(parameters, delay=delay))
    whole = make_side(upmixer, mid)
    stream = upmixer.stream(seed=0)
    streamed = torch.cat([*map(stream.push, cut(mid, places)), stream.finish()], dim=-1)
    assert streamed.shape == (1, length)
    torch.testing.assert_close(streamed, whole, rtol=0, atol=2e-6)


def test_every_frame_of_the_mid_is_shown_to_the_predictor_once() -> None:
    mid, parameters = scene(30_000)
    shown = []

    class Listening(Known):
        def push(self, spectrogram: torch.Tensor) -> Parameters:
            shown.append(spectrogram)
            return super().push(spectrogram)

    make_side(ParametricUpmixer(Listening(parameters)), mid)
    torch.testing.assert_close(torch.cat(shown, dim=1), TRANSFORM.analyze(mid), rtol=0, atol=1e-4)


def test_rows_say_whether_a_new_mid_is_made() -> None:
    assert ParametricUpmixer(predictor()).rows == 1
    assert ParametricUpmixer(predictor(), decoder="mixing").rows == 2


def test_the_seed_reaches_the_decorrelator() -> None:
    parameters = Parameters(torch.zeros(BANDS, 60), torch.zeros(BANDS, 60))
    upmixer, mid = ParametricUpmixer(Known(parameters)), noise(40_000)
    one, other = (make_side(upmixer, mid, seed=seed) for seed in (0, 1))
    assert decibels(one - other, one) > -10


def test_an_upmixer_holds_no_state_of_a_signal() -> None:
    upmixer, mid = ParametricUpmixer(predictor()), song(20_000)
    first = make_side(upmixer, mid)
    upmixer.stream(seed=0).push(noise(9_000))  # another signal, left unfinished
    assert torch.equal(make_side(upmixer, mid), first)
