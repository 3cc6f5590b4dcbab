from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sounds import cut, song
from soundstage.errors import WeightsError
from soundstage.stereo import BANDS, TRANSFORM, Parameters
from soundstage.stereo.features import mid_levels, parameters_from_features
from soundstage.upmixing import make_side
from soundstage.upmixing.methods.regression import (
    HOP,
    OVERLAP,
    WINDOW,
    RegressionPredictor,
    load,
)
from soundstage.weights.model import save_model
from tiny import REGRESSION, regression_network, save_regression

NETWORK = regression_network()
PREDICTOR = RegressionPredictor(NETWORK)
LONGEST = 2 * WINDOW + HOP
WHOLE = TRANSFORM.analyze(song((LONGEST - 1) * TRANSFORM.hop))


def predicted(frames: torch.Tensor, places: list[int] | None = None) -> Parameters:
    stream = PREDICTOR.stream([0])
    with torch.inference_mode():
        parts = [*map(stream.push, cut(frames, places or [])), stream.finish()]
    return Parameters(*(torch.cat(values, dim=-1)[0] for values in zip(*parts, strict=True)))


def crossfaded(frames: torch.Tensor) -> Parameters:
    """All windows at once, each weighted where it overlaps its neighbors."""
    levels, total = mid_levels(frames), frames.shape[1]
    starts = [s for s in range(0, total, HOP) if s == 0 or total > s + OVERLAP]
    summed = torch.zeros(total, 2 * BANDS)
    for start in starts:
        features = NETWORK(levels[None, start : start + WINDOW])[0].detach()
        weight = torch.ones(len(features))
        rise = (torch.arange(OVERLAP) + 0.5) / OVERLAP
        if start:
            weight[:OVERLAP] = rise
        if start + HOP in starts:
            weight[HOP:] = 1 - rise
        summed[start : start + len(features)] += weight[:, None] * features
    return parameters_from_features(summed.T)


@pytest.mark.parametrize("frames", [1, WINDOW - 1, WINDOW, WINDOW + HOP + 1, LONGEST])
def test_windows_are_crossfaded(frames: int) -> None:
    found, expected = predicted(WHOLE[:, :frames]), crossfaded(WHOLE[:, :frames])
    assert found.iid.shape == (BANDS, frames)
    torch.testing.assert_close(found.iid, expected.iid, rtol=0, atol=1e-3)
    torch.testing.assert_close(found.coherence, expected.coherence, rtol=0, atol=1e-4)


@settings(max_examples=15)
@given(frames=st.integers(0, LONGEST), places=st.lists(st.integers(0, LONGEST), max_size=6))
def test_blocks_of_any_size_give_the_same_parameters(frames: int, places: list[int]) -> None:
    whole, parts = predicted(WHOLE[:, :frames]), predicted(WHOLE[:, :frames], places)
    assert parts.iid.shape == (BANDS, frames)
    torch.testing.assert_close(parts.iid, whole.iid, rtol=0, atol=1e-3)
    torch.testing.assert_close(parts.coherence, whole.coherence, rtol=0, atol=1e-4)


def test_a_window_is_held_back_at_most() -> None:
    stream, done = PREDICTOR.stream([0]), 0
    for count, frame in enumerate(WHOLE.split(1, dim=1), start=1):
        done += stream.push(frame).iid.shape[-1]
        assert count - done <= WINDOW
    assert done > WINDOW


def test_all_takes_have_the_same_parameters() -> None:
    iid = PREDICTOR.stream([0, 5]).push(WHOLE).iid
    assert torch.equal(iid[0], iid[1])


def test_silence_has_valid_parameters() -> None:
    found = predicted(torch.zeros(TRANSFORM.bins, 30, dtype=torch.complex64))
    assert bool(found.iid.isfinite().all())
    assert float(found.coherence.abs().max()) <= 1


def test_a_saved_network_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_regression(path)
    method = load(str(path))
    found = method.predictor.stream([0]).push(WHOLE).iid[0]
    assert torch.equal(found, predicted(WHOLE).iid[:, : 3 * HOP])
    side = make_side(method, song(30_000))
    assert side.shape == (1, 30_000)
    assert float(side.norm()) > 0


def test_a_network_for_another_analysis_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    config = replace(REGRESSION, n_levels=64)
    save_model(path, config, config.build().state_dict())
    with pytest.raises(WeightsError, match="another analysis"):
        load(str(path))
