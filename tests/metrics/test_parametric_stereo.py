import pytest
import torch

from soundstage.metrics.parametric_stereo import (
    iid_fluctuation,
    minimum_error,
    parameter_error,
)
from soundstage.stereo import BANDS, Parameters


def drawn(frames: int, *, seed: int = 0, shift: float = 0.0) -> Parameters:
    """Random parameters, correlated from band to band."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(2 * BANDS, 2 * BANDS, generator=generator) / BANDS**0.5
    values = mixing @ torch.randn(2 * BANDS, frames, generator=generator)
    return Parameters(3 * values[:BANDS] + shift, values[BANDS:].clamp(-1, 1))


def test_the_error_is_the_mean_of_delta_over_features_and_frames() -> None:
    truth, other = drawn(50), drawn(50, seed=1, shift=9.0)
    total = 0.0
    for band in range(BANDS):
        for frame in range(50):
            levels = [max(-20.0, min(20.0, x.iid[band, frame].item())) for x in (truth, other)]
            coherences = [x.coherence[band, frame].item() for x in (truth, other)]
            total += 0.15 * abs(levels[0] - levels[1]) + abs(coherences[0] - coherences[1])
    assert parameter_error(other, truth) == pytest.approx(total / (68 * 50), rel=1e-5)
    assert parameter_error(truth, other) == pytest.approx(parameter_error(other, truth))


def test_the_error_is_0_for_equal_and_4_for_opposite_parameters() -> None:
    assert parameter_error(drawn(9), drawn(9)) == 0
    one = Parameters(torch.full((BANDS, 3), 50.0), torch.ones(BANDS, 3))
    other = Parameters(-one.iid, -one.coherence)
    assert parameter_error(one, other) == pytest.approx(4)


def test_the_minimum_error_is_that_of_the_nearest_take() -> None:
    truth = drawn(20)
    takes = [drawn(20, seed=seed) for seed in range(1, 6)]
    errors = [parameter_error(take, truth) for take in takes]
    assert minimum_error(iter(takes), truth) == min(errors) < max(errors)
    assert minimum_error([*takes, truth], truth) == 0
    assert minimum_error(takes[:1], truth) == errors[0]


def test_missing_takes_and_takes_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one take"):
        minimum_error([], drawn(5))
    with pytest.raises(ValueError, match="different shapes"):
        minimum_error([drawn(1)], drawn(5))


def test_iid_fluctuation_is_the_mean_change_from_frame_to_frame() -> None:
    iid = torch.tensor([[0.0, 2.0, 1.0], [4.0, 4.0, 4.0]])
    assert iid_fluctuation(iid) == pytest.approx((2 + 1 + 0 + 0) / 4)


def test_iid_fluctuation_ignores_changes_beyond_20_db() -> None:
    assert iid_fluctuation(torch.tensor([[-30.0, -50.0, -20.0]])) == 0
    assert iid_fluctuation(torch.tensor([[-60.0, 60.0]])) == 40


def test_one_frame_has_no_iid_fluctuation() -> None:
    assert iid_fluctuation(torch.zeros(BANDS, 1)) == 0.0
