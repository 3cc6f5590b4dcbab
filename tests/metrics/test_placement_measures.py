"""Spread, contrast, torn and the side of the lead, on tiles and mixes with known answers."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sounds import RATE, drums, noise, tone
from soundstage.corpora.placed_mixes import place_sources
from soundstage.metrics.placement import (
    LOWEST_DB,
    Places,
    Tiles,
    lead_center,
    measure_places,
    placement_contrast,
    placement_spread,
    source_energies,
    stereo_tiles,
    torn,
)
from soundstage.stereo import BANDS

SECONDS = 4
FINITE = st.floats(-20, 20, allow_nan=False)


def tiles(level: Tensor, owner: Tensor, count: int, weight: Tensor | float = 1.0) -> Tiles:
    """Tiles of these levels that each belong to one source."""
    weights = torch.stack([(owner == source) * weight for source in range(count)])
    return Tiles(level, torch.ones_like(level), torch.zeros_like(level), weights.double())


def halves() -> Tensor:
    """The lower half of the bands is source 0, the upper half source 1."""
    return (torch.arange(BANDS) >= BANDS // 2)[:, None].expand(BANDS, SECONDS)


def apart(low: float, high: float) -> Tensor:
    return torch.where(halves(), high, low).double()


def test_two_still_sources_have_full_contrast_and_half_their_distance_as_spread() -> None:
    found = measure_places(tiles(apart(-3.0, 5.0), halves(), 2))
    assert found.spread == pytest.approx(4)
    assert found.contrast == pytest.approx(1)
    assert found.torn == pytest.approx(0, abs=1e-9)
    assert found.sources == pytest.approx([-3, 5])


def test_the_spread_is_weighted() -> None:
    weight = torch.where(halves(), 3.0, 1.0)
    found = placement_spread(tiles(apart(-4.0, 4.0), halves(), 2, weight))
    assert found == pytest.approx(math.sqrt(0.25 * 36 + 0.75 * 4))  # about the mean of +2 dB


def test_a_source_torn_between_bands_has_half_the_distance_and_no_contrast() -> None:
    odd = (torch.arange(BANDS) % 2 == 1)[:, None].expand(BANDS, SECONDS)
    level = torch.where(odd, 6.0, -6.0).double()
    owner = (torch.arange(BANDS) // 2 % 2)[:, None].expand(BANDS, SECONDS)
    found = measure_places(tiles(level, owner, 2))
    assert found.torn == pytest.approx(6, rel=0.01)
    assert found.contrast == pytest.approx(0, abs=0.01)
    assert found.spread < 0.5


def test_contrast_is_the_share_of_the_variance_between_sources() -> None:
    even = torch.where(torch.arange(BANDS) % 2 == 0, 2.0, -2.0)[:, None].double()
    owner = (torch.arange(BANDS) // 2 % 2 == 0)[:, None].expand(BANDS, SECONDS).long()
    balanced = slice(0, 32)  # eight pairs of bands for each source
    level = (even + torch.where(owner == 1, 3.0, -3.0))[balanced]
    found = measure_places(tiles(level, owner[balanced], 2))
    assert found.contrast == pytest.approx(9 / (9 + 4))
    assert found.torn == pytest.approx(2)


def test_movement_from_second_to_second_is_no_tear_but_costs_contrast() -> None:
    moves = torch.where(torch.arange(SECONDS) % 2 == 0, 4.0, -4.0).double()
    found = measure_places(tiles(apart(-4.0, 4.0) + moves, halves(), 2))
    assert found.torn == pytest.approx(0, abs=1e-9)
    assert found.contrast == pytest.approx(0.5)


def test_mono_has_no_spread_no_tear_and_contrast_0() -> None:
    found = measure_places(tiles(torch.zeros(BANDS, SECONDS).double(), halves(), 2), lead=0)
    assert found[:4] == (0, 0, 0, LOWEST_DB)


def test_one_source_has_no_spread_and_no_contrast() -> None:
    found = measure_places(tiles(apart(0.0, 4.0), torch.zeros(BANDS, SECONDS), 2))
    assert math.isnan(found.spread)
    assert math.isnan(found.contrast)
    assert found.torn == pytest.approx(2)
    assert math.isnan(found.sources[1])


def test_silence_has_no_places() -> None:
    energies = source_energies(torch.zeros(2, RATE))
    found = measure_places(stereo_tiles(torch.zeros(2, RATE), energies), lead=0)
    assert all(math.isnan(value) for value in (*found[:4], *found.sources))


@given(
    st.lists(st.tuples(FINITE, st.integers(0, 2), st.floats(0.1, 10)), min_size=6, max_size=40),
    st.permutations(range(3)),
    st.floats(0.1, 10),
)
def test_mirrored_permuted_and_reweighted_tiles_measure_the_same(rows, order, gain) -> None:
    level, owner, weight = (torch.tensor(column)[:, None] for column in zip(*rows, strict=True))
    one = tiles(level.double(), owner, 3, weight)
    other = one._replace(level=-one.level, weights=gain * one.weights[list(order)])
    assert measures(other) == pytest.approx(measures(one), abs=1e-6, nan_ok=True)
    assert 0 <= placement_contrast(one) <= 1 + 1e-9 or math.isnan(placement_contrast(one))


def measures(of: Tiles) -> list[float]:
    return [placement_spread(of), placement_contrast(of), torn(of)]


def band() -> Tensor:
    """Low notes, drums and hiss, which sound one after the other, 6 s."""
    length = 6 * RATE
    second = torch.arange(length) // RATE
    notes = sum(tone(length, hz=hz) for hz in (220.0, 440.0, 660.0, 1320.0))
    hiss = noise(length, seed=5, level=0.05)
    return torch.stack(
        [notes * (second < 2), drums(length) * (second // 2 == 1), hiss * (second >= 4)]
    )


@pytest.fixture(scope="module")
def energies() -> Tensor:
    return source_energies(band())


def placed(levels: list[float], energies: Tensor, lead: int | None = None) -> Places:
    return measure_places(stereo_tiles(place_sources(band(), levels), energies), lead)


def test_a_mix_at_known_places_has_them(energies: Tensor) -> None:
    levels = [0.0, 8.0, -6.0]
    found = placed(levels, energies)
    assert found.sources == pytest.approx(levels, abs=0.5)
    assert found.contrast > 0.97
    assert found.torn < 0.5
    assert 4 < found.spread <= 7  # half of the range at most


def test_mirrored_channels_have_mirrored_places(energies: Tensor) -> None:
    one, other = placed([0.0, 8.0, -6.0], energies), placed([0.0, -8.0, 6.0], energies)
    assert other[:3] == pytest.approx(one[:3], abs=1e-3)
    assert other.sources == pytest.approx([-place for place in one.sources], abs=1e-3)


@pytest.mark.parametrize("side_db", [-30.0, -12.0, 0.0])
def test_a_lead_has_the_side_that_it_was_given(energies: Tensor, side_db: float) -> None:
    mid = band().sum(dim=0)
    side = 10 ** (side_db / 20) * band()[0]
    tiles = stereo_tiles(torch.stack([mid + side, mid - side]), energies)
    assert lead_center(tiles, 0) == pytest.approx(side_db, abs=0.1)
    assert lead_center(tiles, 2) < side_db - 10


def test_a_lead_on_one_side_has_its_gain_as_side(energies: Tensor) -> None:
    gain = math.tanh(10 * math.log(10) / 40)
    found = placed([10.0, 0.0, 0.0], energies, lead=0)
    assert found.lead_center == pytest.approx(20 * math.log10(gain), abs=0.1)


def test_no_lead_has_no_center(energies: Tensor) -> None:
    assert math.isnan(placed([0.0, 8.0, -6.0], energies).lead_center)


def test_a_tile_belongs_to_a_source_with_over_90_percent_of_its_energy() -> None:
    loud, soft = noise(RATE, level=0.1), noise(RATE, seed=3, level=0.1)
    for share, owned in ((0.08, True), (0.15, False)):
        energies = source_energies(torch.stack([loud, soft * math.sqrt(share / (1 - share))]))
        steady = energies.mean(dim=-1, keepdim=True).expand_as(energies)
        found = stereo_tiles(torch.stack([loud, loud]), steady).weights
        wide = found[:, BANDS // 2 :]  # bands of many bins, where the shares are as given
        assert bool((wide[0] > 0).all()) is owned
        assert not wide[1].any()


def test_weights_are_compressed_energies_of_whole_seconds(energies: Tensor) -> None:
    found = stereo_tiles(place_sources(band(), [0.0, 0.0, 0.0]), energies).weights
    assert found.shape == (3, BANDS, math.ceil(energies.shape[-1] / 43))
    first = energies[0, :, :43].double().sum(dim=-1) ** 0.3
    own = found[0, :, 0] > 0
    assert own.any()
    torch.testing.assert_close(found[0, own, 0], first[own])


def test_levels_are_clipped(energies: Tensor) -> None:
    left = torch.stack([band().sum(dim=0), torch.zeros(6 * RATE)])
    found = stereo_tiles(left, energies)
    assert np.isclose(found.level[found.weights.sum(dim=0) > 0].min(), 20)


def test_results_of_another_length_are_refused(energies: Tensor) -> None:
    with pytest.raises(ValueError, match="differ in frames"):
        stereo_tiles(torch.zeros(2, RATE), energies)
