import pytest
import torch
from torch import nn

from soundstage.stereo.features import LEVELS
from soundstage.stereo.style_prior import STYLE_FEATURES, style_features
from soundstage.upmixing import Style
from soundstage.upmixing.generative.sampling import (
    Guidance,
    ProductsPerTake,
    TakeStyle,
    sample_tokens,
)
from tiny import style_prior

LEVEL = 10 * torch.randn(20, LEVELS, generator=torch.Generator().manual_seed(0)) - 50
UNDEFINED = torch.full((len(STYLE_FEATURES),), torch.nan)
REQUESTED = torch.tensor([0.5, -1.0] + (len(STYLE_FEATURES) - 2) * [torch.nan])
STYLE = Style(width=1.4, balance=-2.0)


def test_without_guidance_or_style_there_is_one_branch() -> None:
    guidance = Guidance(0.0, 1.0, UNDEFINED.expand(3, -1))
    assert guidance.branches == 1
    assert not guidance.uncond.any()
    assert guidance.styles.shape == (1, 3, len(STYLE_FEATURES))
    scores = torch.randn(1, 4, 248)
    assert torch.equal(guidance.combine(scores), scores[0])


def test_the_branches_are_conditioned_unconditioned_and_without_style() -> None:
    guidance = Guidance(0.5, 2.0, torch.stack([REQUESTED, -REQUESTED]))
    assert guidance.uncond.tolist() == [False, True, False]
    assert torch.equal(guidance.styles[0, 1, :2], -REQUESTED[:2])
    assert bool(guidance.styles[1:].isnan().all())
    cond, uncond, unstyled = scores = torch.randn(3, 5, 248)
    expected = cond + 0.5 * (cond - uncond) + 2.0 * (cond - unstyled)
    assert torch.allclose(guidance.combine(scores), expected, atol=1e-5)


def test_the_guidance_of_the_paper_is_its_equation() -> None:
    cond, uncond = scores = torch.randn(2, 5, 248)
    guided = Guidance(0.75, 0.0, UNDEFINED[None]).combine(scores)
    assert torch.allclose(guided, (1 + 0.75) * cond - 0.75 * uncond, atol=1e-5)


@pytest.mark.parametrize("style", [None, STYLE])
def test_requested_values_are_kept_and_the_others_sampled(style: Style | None) -> None:
    take = TakeStyle(style, style_prior(), 1.0)
    assert take.is_requested == (style is not None)
    styles = take.sample(take.offsets(range(1, 41)), LEVEL)
    assert bool(styles.isfinite().all())
    defined = torch.zeros(len(STYLE_FEATURES), dtype=torch.bool)
    if style is not None:
        expected = style_features(style.to_tensor())
        defined = ~expected.isnan()
        assert int(defined.sum()) == 2
        assert torch.equal(styles[:, defined], expected[defined].expand(40, -1))
    assert float(styles[:, ~defined].std(dim=0).min()) > 0.5


def test_the_offset_of_a_take_does_not_depend_on_the_sound() -> None:
    take = TakeStyle(None, style_prior(), 1.0)
    here, there = (take.sample(take.offsets([1, 2]), level) for level in (LEVEL, LEVEL.flip(1)))
    assert not torch.equal(here, there)
    torch.testing.assert_close(here[1] - here[0], there[1] - there[0], rtol=0, atol=1e-4)


def test_seed_0_has_no_offset_and_every_other_seed_its_own() -> None:
    take = TakeStyle(None, style_prior(), 1.0)
    offsets = take.offsets([0, 5, 6])
    assert not offsets[0].any()
    assert torch.equal(take.offsets([6])[0], offsets[2])
    assert not torch.allclose(offsets[1], offsets[2])


@pytest.mark.parametrize(("prior", "spread"), [(None, 1.0), (style_prior(), 0.0)])
def test_without_a_prior_or_a_spread_other_values_stay_undefined(prior, spread: float) -> None:
    take = TakeStyle(STYLE, prior, spread)
    expected = style_features(STYLE.to_tensor()).expand(2, -1)
    torch.testing.assert_close(take.sample(take.offsets([1, 2]), LEVEL), expected, equal_nan=True)


def test_tokens_have_the_distribution_of_the_softmax() -> None:
    scores = torch.tensor([0.0, 1.0, -1.0])
    tokens = sample_tokens(scores.expand(40_000, -1), torch.Generator().manual_seed(0))
    shares = torch.bincount(tokens, minlength=3) / len(tokens)
    assert torch.allclose(shares, scores.softmax(-1), atol=0.01)


@pytest.mark.parametrize("rows", [1, 7, 61])
def test_products_per_take_are_those_of_each_take_alone(rows: int) -> None:
    layer = nn.Linear(96, 50)
    inputs = torch.randn(4 * rows, 96)
    with torch.inference_mode(), ProductsPerTake(4):
        together = layer(inputs)
    with torch.inference_mode():
        alone = torch.cat([layer(take) for take in inputs.chunk(4)])
    assert torch.equal(together, alone)
