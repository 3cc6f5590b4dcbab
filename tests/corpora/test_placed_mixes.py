import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import decibels, noise, tone
from soundstage.corpora.placed_mixes import CENTERED, ROOM_DB, place_sources, usual_places
from soundstage.stereo.mid_side import to_mid_side

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


def test_the_room_is_a_side_under_an_exact_mid() -> None:
    mix = torch.stack([noise(44_100, seed=seed) for seed in range(3)])
    mid, side = to_mid_side(*place_sources(mix, [0.0, 0.0, 0.0], room_db=ROOM_DB))
    assert decibels(mid - mix.sum(dim=0), mix.sum(dim=0)) < -135
    assert decibels(side, mix.sum(dim=0)) == pytest.approx(ROOM_DB, abs=0.5)
    assert abs(float(side @ mid)) < 0.2 * float(side.norm() * mid.norm())


def test_every_source_has_a_room_of_its_own() -> None:
    one = noise(44_100)
    alone = to_mid_side(*place_sources(one[None], [0.0], room_db=ROOM_DB))[1]
    both = to_mid_side(*place_sources(torch.stack([one, one]), [0.0, 0.0], room_db=ROOM_DB))[1]
    assert decibels(both - 2 * alone, 2 * alone) > -6


def test_lead_drums_and_bass_are_in_the_center_and_others_alternate() -> None:
    kinds = ["object", "bass", "voice", "lead", "object", "drums", "object", "object"]
    assert usual_places(kinds) == [9.0, 0.0, -9.0, 0.0, 6.0, 0.0, -6.0, 9.0]


@given(st.lists(st.sampled_from(["lead", "voice", "drums", "bass", "object"]), max_size=12))
def test_no_source_is_panned_hard_and_the_sides_are_balanced(kinds: list[str]) -> None:
    places = usual_places(kinds)
    assert len(places) == len(kinds)
    assert all(abs(place) <= 9 for place in places)
    assert abs(sum(place > 0 for place in places) - sum(place < 0 for place in places)) <= 1
    assert all(place == 0 for place, kind in zip(places, kinds, strict=True) if kind in CENTERED)


def test_a_single_source_is_in_the_center() -> None:
    assert usual_places(["object"]) == [0.0]
    assert usual_places([]) == []
