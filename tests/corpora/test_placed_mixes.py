import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import decibels, noise, tone
from soundstage.corpora.placed_mixes import WIDEST_DB, place_sources, spread_places

LENGTH = 4000


def sources() -> torch.Tensor:
    return torch.stack([noise(LENGTH), tone(LENGTH), noise(LENGTH, seed=1, level=0.02)])


@given(st.lists(st.floats(-60, 60), min_size=3, max_size=3))
def test_the_mid_of_a_mix_is_the_sum_of_its_sources(places: list[float]) -> None:
    left, right = place_sources(sources(), places)
    assert decibels((left + right) / 2 - sources().sum(dim=0), sources().sum(dim=0)) < -135


@pytest.mark.parametrize("place", [-20.0, -3.0, 0.0, 8.0, 40.0])
def test_a_source_has_its_level_difference(place: float) -> None:
    left, right = place_sources(sources()[:1], [place]).double()
    assert decibels(left, right) == pytest.approx(place, abs=1e-3)
    assert float(left @ right) > 0


def test_a_source_at_infinity_is_in_one_channel_only() -> None:
    left, right = place_sources(sources()[:1], [float("inf")])
    torch.testing.assert_close(left, 2 * sources()[0])
    assert not right.any()


def test_mirrored_places_swap_the_channels() -> None:
    torch.testing.assert_close(
        place_sources(sources(), [3.0, -5.0, 10.0]),
        place_sources(sources(), [-3.0, 5.0, -10.0]).flip(0),
    )


def test_every_source_needs_a_place() -> None:
    with pytest.raises(ValueError, match="3 sources"):
        place_sources(sources(), [0.0, 1.0])


@given(st.integers(2, 40))
def test_places_are_equidistant_from_side_to_side(count: int) -> None:
    places = spread_places(count)
    assert len(set(places)) == count
    assert (max(places), min(places)) == (WIDEST_DB, -WIDEST_DB)
    steps = np.diff(sorted(places))
    np.testing.assert_allclose(steps, 2 * WIDEST_DB / (count - 1))
    assert abs(places[0]) == min(map(abs, places))


def test_a_single_source_is_in_the_center() -> None:
    assert spread_places(1) == [0.0]
    assert spread_places(0) == []
