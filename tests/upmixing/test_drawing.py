import pytest
import torch

from soundstage.stereo.features import LEVELS
from soundstage.stereo.style_prior import STYLE_FEATURES
from soundstage.upmixing.generative.sampling import Guidance, TakeStyle, draw_tokens
from tiny import style_prior

LEVEL = 10 * torch.randn(20, LEVELS, generator=torch.Generator().manual_seed(0)) - 50
OPEN = torch.full((len(STYLE_FEATURES),), torch.nan)
ASKED = torch.tensor([0.5, -1.0] + (len(STYLE_FEATURES) - 2) * [torch.nan])


def test_without_strength_or_style_a_pass_is_made_once() -> None:
    guidance = Guidance(0.0, 1.0, OPEN.expand(3, -1))
    assert guidance.ways == 1
    assert not guidance.deaf.any()
    assert guidance.styles.shape == (3, len(STYLE_FEATURES))
    assert bool(guidance.styles.isnan().all())
    told = torch.randn(1, 4, 248)
    assert torch.equal(guidance.together(told), told[0])


def test_rows_are_all_takes_one_way_then_all_another() -> None:
    guidance = Guidance(0.5, 2.0, torch.stack([ASKED, -ASKED]))
    assert guidance.deaf.tolist() == [False, False, True, True, False, False]
    assert torch.equal(guidance.styles[0, :2], ASKED[:2])
    assert torch.equal(guidance.styles[1, :2], -ASKED[:2])
    assert bool(guidance.styles[2:].isnan().all())


def test_scores_go_beyond_what_the_sound_and_the_style_add() -> None:
    whole, deaf, unstyled = torch.randn(3, 5, 248)
    told = torch.stack([whole, deaf, unstyled])
    wanted = whole + 0.5 * (whole - deaf) + 2.0 * (whole - unstyled)
    assert torch.allclose(Guidance(0.5, 2.0, ASKED[None]).together(told), wanted, atol=1e-5)
    alone = Guidance(0.0, 2.0, ASKED[None])
    assert not alone.deaf.any()
    assert torch.allclose(alone.together(told[[0, 2]]), 3 * whole - 2 * unstyled, atol=1e-5)


def test_the_paper_s_guidance_is_its_equation() -> None:
    whole, deaf = torch.randn(2, 5, 248)
    told = Guidance(0.75, 0.0, OPEN[None]).together(torch.stack([whole, deaf]))
    assert torch.allclose(told, (1 + 0.75) * whole - 0.75 * deaf, atol=1e-5)


def styles(take: TakeStyle, count: int = 40) -> torch.Tensor:
    return take.of(take.leanings(list(range(1, count + 1))), LEVEL)


@pytest.mark.parametrize("asked", [None, ASKED])
def test_what_is_asked_is_held_and_the_rest_is_drawn(asked: torch.Tensor | None) -> None:
    take = TakeStyle(asked, style_prior(), 1.0)
    assert take.is_asked == (asked is not None)
    drawn = styles(take)
    assert bool(drawn.isfinite().all())
    assert float(drawn[:, 2:].std(dim=0).min()) > 0.5
    if asked is not None:
        assert torch.equal(drawn[:, :2], asked[:2].expand(40, -1))


def test_a_take_leans_the_same_way_from_whatever_is_heard() -> None:
    take = TakeStyle(None, style_prior(), 1.0)
    leanings = take.leanings([1, 2])
    here, there = (take.of(leanings, levels) for levels in (LEVEL, LEVEL.flip(1)))
    assert not torch.equal(here, there)
    torch.testing.assert_close(here[1] - here[0], there[1] - there[0], rtol=0, atol=1e-4)


def test_the_take_of_seed_0_leans_nowhere_and_every_other_one_by_its_seed() -> None:
    take = TakeStyle(None, style_prior(), 1.0)
    leanings = take.leanings([0, 5, 6])
    assert not leanings[0].any()
    assert torch.equal(take.leanings([6])[0], leanings[2])
    assert not torch.allclose(leanings[1], leanings[2])


@pytest.mark.parametrize(("prior", "spread"), [(None, 1.0), (style_prior(), 0.0)])
def test_without_a_prior_or_a_spread_the_rest_stays_open(prior, spread: float) -> None:
    drawn = styles(TakeStyle(ASKED, prior, spread), 2)
    assert torch.equal(drawn.nan_to_num(9), ASKED.nan_to_num(9).expand(2, -1))


def test_tokens_are_drawn_as_often_as_the_softmax_says() -> None:
    scores = torch.tensor([0.0, 1.0, -1.0])
    drawn = draw_tokens(scores.expand(40_000, -1), torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn, minlength=3) / len(drawn)
    assert torch.allclose(shares, scores.softmax(-1), atol=0.01)
