from pathlib import Path

import pytest
import torch
from hypothesis import given, settings, strategies as st

from sounds import cut, song
from soundstage.errors import WeightsError
from soundstage.stereo import BANDS, TRANSFORM, Parameters
from soundstage.stereo.features import mid_levels, parameters_from_features
from soundstage.upmixing import make_side
from soundstage.upmixing.methods.regression import HOP, SHARED, WINDOW, RegressionPredictor
from soundstage.upmixing.parametric import ParametricUpmixer
from soundstage.weights.model import save_weights
from tiny import regression_network, regression_tensors

NETWORK = regression_network()
PREDICTOR = RegressionPredictor(NETWORK)
LONGEST = 2 * WINDOW + HOP


def spectrogram(frames: int) -> torch.Tensor:
    return TRANSFORM.analyze(song((LONGEST - 1) * TRANSFORM.hop))[:, :frames]


WHOLE = spectrogram(LONGEST)


def joined(parts: list[Parameters]) -> Parameters:
    return Parameters(*(torch.cat(values, dim=1) for values in zip(*parts, strict=True)))


def predicted(frames: torch.Tensor, places: list[int] | None = None) -> Parameters:
    stream = PREDICTOR.stream(seed=0)
    with torch.inference_mode():
        return joined([*map(stream.push, cut(frames, places or [])), stream.finish()])


def by_hand(frames: torch.Tensor) -> Parameters:
    """All windows at once, each weighted over what it shares with its neighbors."""
    levels, total = mid_levels(frames), frames.shape[1]
    starts = [s for s in range(0, total, HOP) if s == 0 or total > s + SHARED]
    summed = torch.zeros(total, 2 * BANDS)
    for start in starts:
        told = NETWORK(levels[None, start : start + WINDOW])[0].detach()
        weight = torch.ones(len(told))
        rise = (torch.arange(SHARED) + 0.5) / SHARED
        if start:
            weight[:SHARED] = rise
        if start + HOP in starts:
            weight[HOP:] = 1 - rise
        summed[start : start + len(told)] += weight[:, None] * told
    return parameters_from_features(summed.T)


@pytest.mark.parametrize(
    "frames", [1, 63, WINDOW - 1, WINDOW, WINDOW + 1, WINDOW + HOP, WINDOW + HOP + 1, LONGEST]
)
def test_windows_are_those_written_out(frames: int) -> None:
    found, wanted = predicted(WHOLE[:, :frames]), by_hand(WHOLE[:, :frames])
    assert found.iid.shape == (BANDS, frames)
    torch.testing.assert_close(found.iid, wanted.iid, rtol=0, atol=1e-3)
    torch.testing.assert_close(found.coherence, wanted.coherence, rtol=0, atol=1e-4)


@settings(max_examples=15)
@given(frames=st.integers(1, LONGEST), places=st.lists(st.integers(0, LONGEST), max_size=6))
def test_streamed_prediction_equals_whole(frames: int, places: list[int]) -> None:
    whole, parts = predicted(WHOLE[:, :frames]), predicted(WHOLE[:, :frames], places)
    torch.testing.assert_close(parts.iid, whole.iid, rtol=0, atol=1e-3)
    torch.testing.assert_close(parts.coherence, whole.coherence, rtol=0, atol=1e-4)


def test_no_more_than_a_window_is_held_back() -> None:
    stream, told = PREDICTOR.stream(seed=0), 0
    for seen, frame in enumerate(WHOLE.split(1, dim=1), start=1):
        told += stream.push(frame).iid.shape[1]
        assert seen - told <= WINDOW
    assert told > WINDOW


def test_nothing_in_is_nothing_out() -> None:
    assert predicted(WHOLE[:, :0]).iid.shape == (BANDS, 0)


def test_every_take_has_the_same_places() -> None:
    one, other = (PREDICTOR.stream(seed=seed) for seed in (0, 5))
    assert torch.equal(one.push(WHOLE).iid, other.push(WHOLE).iid)


def test_silence_has_parameters_that_can_be() -> None:
    found = predicted(torch.zeros(TRANSFORM.bins, 30, dtype=torch.complex64))
    assert bool(found.iid.isfinite().all())
    assert float(found.coherence.abs().max()) <= 1


def test_a_saved_network_is_the_one_that_predicts(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_weights(path, "regression", regression_tensors())
    loaded = RegressionPredictor.load(str(path))
    assert torch.equal(loaded.stream(seed=0).push(WHOLE).iid, predicted(WHOLE).iid[:, : 3 * HOP])
    side = make_side(ParametricUpmixer(loaded), song(30_000))
    assert side.shape == (1, 30_000)
    assert float(side.norm()) > 0


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("size", torch.tensor([1, 16, 2])),
        ("size", torch.tensor([2, 16, 2, 3])),
        ("size", torch.tensor([1, 16, 3, 3])),
        ("size", torch.tensor([0, 16, 2, 3])),
        ("size", torch.tensor([1, -16, 2, 3])),
        ("size", torch.tensor([1, 1 << 40, 2, 3])),
        ("head.2.bias", torch.zeros(68)),
        ("head.2.bias", torch.full((68,), torch.nan, dtype=torch.float16)),
        ("head.2.bias", torch.zeros(67, dtype=torch.float16)),
    ],
)
def test_tensors_that_make_no_such_network_are_refused(
    tmp_path: Path, name: str, tensor: torch.Tensor
) -> None:
    path = tmp_path / "own.safetensors"
    save_weights(path, "regression", {**regression_tensors(), name: tensor})
    with pytest.raises(WeightsError, match=r"own\.safetensors"):
        RegressionPredictor.load(str(path))
