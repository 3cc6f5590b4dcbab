import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo.descriptors import DESCRIPTORS
from soundstage.stereo.styles import style_numbers

TYPICAL = torch.tensor([1.0, 0.87, 1.27, 0.76, 0.0, 0.68, 0.33])  # of stretches of music


def moved(name: str, by: float) -> torch.Tensor:
    values = TYPICAL.clone()
    values[DESCRIPTORS.index(name)] = by
    return style_numbers(values) - style_numbers(TYPICAL)


def test_music_has_numbers_near_nought() -> None:
    assert float(style_numbers(TYPICAL).abs().max()) < 0.02


def test_what_is_open_stays_open_and_leaves_the_others() -> None:
    values = TYPICAL.clone()
    values[[0, 4]] = math.nan
    numbers = style_numbers(values)
    assert numbers.isnan().tolist() == [True, False, False, False, True, False, False]
    assert torch.equal(numbers[1:4], style_numbers(TYPICAL)[1:4])


@pytest.mark.parametrize("name", ["width", "width_low", "width_mid", "width_high", "offset"])
def test_twice_as_wide_is_one_step_wherever_one_starts(name: str) -> None:
    narrow, middle, wide = (moved(name, width).nan_to_num() for width in (0.3, 0.6, 1.2))
    torch.testing.assert_close(wide - middle, middle - narrow, rtol=0, atol=1e-4)
    assert float((wide - middle).sum()) > 0.5


def test_left_and_right_are_as_far_from_the_middle() -> None:
    torch.testing.assert_close(moved("balance", 3.0), -moved("balance", -3.0))


@given(name=st.sampled_from(DESCRIPTORS), small=st.floats(0.03, 0.9), factor=st.floats(1.01, 1.1))
def test_more_is_a_larger_number(name: str, small: float, factor: float) -> None:
    less, more = moved(name, small), moved(name, factor * small)
    place = DESCRIPTORS.index(name)
    assert float(more[place]) > float(less[place])
    assert float(more.abs().sum() - more[place].abs()) == 0


def test_no_width_at_all_is_a_finite_number() -> None:
    numbers = style_numbers(torch.zeros(2, len(DESCRIPTORS)))
    assert numbers.shape == (2, len(DESCRIPTORS))
    assert bool(numbers.isfinite().all())
    assert float(numbers.abs().max()) < 10
