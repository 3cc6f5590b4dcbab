import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo import BANDS, Parameters
from soundstage.stereo.prediction import MAX_SIDE_GAIN, prediction_gains
from soundstage.stereo.side_parameters import (
    MEAN_LEVEL,
    MIN_SIDE_GAIN,
    add_side_gain,
    from_side_parameters,
    to_side_parameters,
)

MEAN = torch.tensor(MEAN_LEVEL)[:, None]


def parameters(iid: float, coherence: float) -> Parameters:
    return Parameters(torch.full((BANDS, 3), iid), torch.full((BANDS, 3), coherence))


@given(iid=st.floats(-15, 15), coherence=st.floats(-0.3, 0.99))
def test_parameters_are_recovered(iid: float, coherence: float) -> None:
    given_, back = (
        parameters(iid, coherence),
        from_side_parameters(to_side_parameters(parameters(iid, coherence))),
    )
    torch.testing.assert_close(back.iid, given_.iid, rtol=0, atol=0.01)
    torch.testing.assert_close(back.coherence, given_.coherence, rtol=0, atol=1e-3)


@given(iid=st.floats(-20, 20), coherence=st.floats(-1, 1))
def test_swapping_channels_negates_the_direction_and_keeps_the_level(iid, coherence) -> None:
    level, direction = to_side_parameters(parameters(iid, coherence))
    other_level, other_direction = to_side_parameters(parameters(-iid, coherence))
    torch.testing.assert_close(level, other_level, rtol=0, atol=1e-4)
    torch.testing.assert_close(direction, -other_direction, rtol=0, atol=1e-4)


def test_the_side_of_one_source_is_all_direct() -> None:
    level, direction = to_side_parameters(parameters(6.0, 1.0))
    alpha = prediction_gains(*parameters(6.0, 1.0))[0]
    torch.testing.assert_close(direction / 2, torch.ones_like(direction))
    torch.testing.assert_close(level + MEAN, alpha.log())


def test_uncorrelated_channels_have_a_side_of_the_level_of_the_mid_without_direction() -> None:
    level, direction = to_side_parameters(parameters(0.0, 0.0))
    torch.testing.assert_close(level + MEAN, torch.zeros_like(level), rtol=0, atol=1e-5)
    torch.testing.assert_close(direction, torch.zeros_like(direction))


def test_mono_has_the_lowest_side_level() -> None:
    level, direction = to_side_parameters(parameters(0.0, 1.0))
    torch.testing.assert_close(level + MEAN, torch.full_like(level, math.log(MIN_SIDE_GAIN)))
    torch.testing.assert_close(direction, torch.zeros_like(direction))
    assert from_side_parameters(torch.stack([level, direction])).coherence.min() > 0.999


@given(iid=st.floats(-10, 10), coherence=st.floats(0, 0.9), gain=st.floats(-6, 3))
def test_a_side_gain_is_added_in_decibels(iid: float, coherence: float, gain: float) -> None:
    given_ = parameters(iid, coherence)
    before = torch.stack(prediction_gains(*given_))
    after = torch.stack(
        prediction_gains(*from_side_parameters(add_side_gain(to_side_parameters(given_), gain)))
    )
    torch.testing.assert_close(after, 10 ** (gain / 20) * before, rtol=0.01, atol=1e-3)


@pytest.mark.parametrize("level", [-1e4, 1e4])
@pytest.mark.parametrize("direction", [-1e4, 0.0, 1e4])
def test_any_values_give_a_possible_side(level: float, direction: float) -> None:
    values = torch.stack([torch.full((BANDS, 2), level), torch.full((BANDS, 2), direction)])
    made = from_side_parameters(values)
    assert made.iid.isfinite().all()
    assert made.coherence.abs().max() <= 1
    alpha, beta = prediction_gains(*made)
    assert (alpha.square() + beta.square()).sqrt().max() <= MAX_SIDE_GAIN * 1.01
