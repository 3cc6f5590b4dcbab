import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo import BANDS, Parameters
from soundstage.stereo.descriptors import DESCRIPTORS, descriptors
from soundstage.stereo.style_prior import (
    STYLE_FEATURES,
    TILE_MEANS,
    measured_style,
    style_descriptors,
    style_features,
)

TYPICAL = torch.tensor([1.0, 0.87, 1.27, 0.76, 0.0, 0.68, 0.33])  # of stretches of music


def moved(name: str, by: float) -> torch.Tensor:
    values = TYPICAL.clone()
    values[DESCRIPTORS.index(name)] = by
    return (style_features(values) - style_features(TYPICAL))[: len(DESCRIPTORS)]


def test_music_has_numbers_near_nought() -> None:
    assert float(style_features(TYPICAL)[: len(DESCRIPTORS)].abs().max()) < 0.02


def test_what_is_open_stays_open_and_leaves_the_others() -> None:
    values = TYPICAL.clone()
    values[[0, 4]] = math.nan
    numbers = style_features(values)
    assert numbers.isnan().tolist() == [True, *3 * [False], True, *2 * [False], *6 * [True]]
    assert torch.equal(numbers[1:4], style_features(TYPICAL)[1:4])


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
    numbers = style_features(torch.zeros(2, len(DESCRIPTORS)))
    assert numbers.shape == (2, len(STYLE_FEATURES))
    told = numbers[:, : len(DESCRIPTORS)]
    assert bool(told.isfinite().all())
    assert float(told.abs().max()) < 10


def stage(iid: float, coherence: float) -> Parameters:
    return Parameters(torch.full((BANDS, 8), iid), torch.full((BANDS, 8), coherence))


def test_a_stage_is_measured_by_all_numbers() -> None:
    generator = torch.Generator().manual_seed(0)
    iid = 6 * torch.randn(BANDS, 50, generator=generator)
    coherence = torch.rand(BANDS, 50, generator=generator)
    energy = torch.rand(BANDS, 50, generator=generator) ** 8
    told = measured_style(Parameters(iid, coherence), energy)
    assert told.shape == (len(STYLE_FEATURES),)
    asked = style_features(descriptors(Parameters(iid, coherence), energy))
    assert torch.equal(told[: len(DESCRIPTORS)], asked[: len(DESCRIPTORS)])
    mirrored = measured_style(Parameters(-iid, coherence), energy)
    sign = torch.tensor([-1.0 if name == "balance" else 1.0 for name in STYLE_FEATURES])
    torch.testing.assert_close(mirrored, sign * told, rtol=0, atol=1e-4)


def test_soft_tiles_count_as_much_as_loud_ones_in_the_means() -> None:
    places = [STYLE_FEATURES.index(name) for name in TILE_MEANS]
    one = stage(3.0, 0.5)
    loud = torch.ones(BANDS, 8)
    loud[:, :2] = 1000
    told = measured_style(one, loud)[places]
    assert torch.equal(told, measured_style(one, torch.ones(BANDS, 8))[places])
    less = measured_style(stage(3.0, 0.9), loud)[places]
    more = measured_style(stage(9.0, 0.5), loud)[places]
    assert bool((less[:3] < told[:3]).all())
    assert torch.equal(less[3:], told[3:])
    assert bool((more[3:] > told[3:]).all())
    assert torch.equal(more[:3], told[:3])


def test_mono_is_measured_by_finite_numbers() -> None:
    told = measured_style(stage(0.0, 1.0), torch.ones(BANDS, 8))
    assert bool(told.isfinite().all())
    assert float(told.abs().max()) < 12


def test_numbers_are_told_back_as_descriptors():
    asked = torch.tensor([1.4, torch.nan, 0.3, 2.0, -1.5, torch.nan, 0.2])
    torch.testing.assert_close(style_descriptors(style_features(asked)), asked, equal_nan=True)
