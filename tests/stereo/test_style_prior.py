import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo.features import LEVELS, STATISTICS, level_statistics
from soundstage.stereo.style_prior import MAX_FEATURE, STYLE_FEATURES, StylePrior

COUNT = len(STYLE_FEATURES)
OPEN = torch.full((COUNT,), torch.nan)
LEVEL = 20 * torch.randn(30, LEVELS, generator=torch.Generator().manual_seed(4)) - 50


def related() -> StylePrior:
    """Numbers that go together, and with the sound."""
    generator = torch.Generator().manual_seed(0)
    mixture = 0.5 * torch.randn(COUNT, COUNT, generator=generator).double()
    covariance = mixture @ mixture.T / COUNT + 0.1 * torch.eye(COUNT)
    return StylePrior(
        torch.linspace(-1, 1, COUNT),
        (0.5 * (covariance + covariance.T)).float(),
        torch.stack([level_statistics(LEVEL), torch.ones(STATISTICS)]),
        0.1 * torch.randn(STATISTICS, COUNT, generator=generator),
    )


def draws(asked: torch.Tensor, count: int = 4000, **more) -> torch.Tensor:
    noise = torch.randn(count, COUNT, generator=torch.Generator().manual_seed(1))
    return related().draw(asked, noise, LEVEL, **more)


def test_styles_are_spread_as_the_music_is() -> None:
    found, prior = draws(OPEN), related()
    assert torch.allclose(found.mean(dim=0), prior.mean, atol=0.05)
    # What lies beyond two deviations is drawn in, which takes 8 % off the variance
    assert torch.allclose(found.T.cov(), 0.92 * prior.covariance, atol=0.05)


def test_what_is_not_asked_goes_with_what_is() -> None:
    asked = OPEN.clone()
    asked[0], prior = 1.0, related()
    found = draws(asked)
    assert bool((found[:, 0] == 1.0).all())
    gain = prior.covariance[1:, 0] / prior.covariance[0, 0]
    wanted = prior.mean[1:] + gain * (1.0 - prior.mean[0])
    assert torch.allclose(found[:, 1:].mean(dim=0), wanted, atol=0.05)


def test_a_whole_style_is_left_alone() -> None:
    asked = torch.linspace(-2, 2, COUNT)
    assert torch.equal(related().draw(asked, torch.zeros(2, COUNT), LEVEL), asked.repeat(2, 1))


def test_the_mean_follows_the_sound() -> None:
    prior = related()
    brighter = LEVEL + torch.linspace(-1, 1, LEVELS)
    wanted = (level_statistics(brighter) - level_statistics(LEVEL)) @ prior.slope
    moved = prior.expected(brighter) - prior.expected(LEVEL)
    torch.testing.assert_close(moved, wanted, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(prior.expected(LEVEL + 6), prior.expected(LEVEL))  # a gain


def test_sound_like_no_music_asks_for_no_caricature() -> None:
    found = related().draw(OPEN, torch.full((1, COUNT), 9.0), torch.full((2, LEVELS), -100.0))
    assert float(found.abs().max()) <= MAX_FEATURE


def test_no_spread_is_the_likeliest_style() -> None:
    assert torch.allclose(draws(OPEN, 1, spread=0.0)[0], related().mean, atol=1e-6)


@given(open_numbers=st.sets(st.integers(0, COUNT - 1), min_size=1))
def test_numbers_that_are_asked_are_held(open_numbers: set[int]) -> None:
    asked = torch.zeros(COUNT)
    asked[list(open_numbers)] = torch.nan
    drawn = related().draw(asked, torch.linspace(-1, 1, COUNT)[None], LEVEL)[0]
    held = ~asked.isnan()
    assert bool(drawn.isfinite().all())
    assert torch.equal(drawn[held], asked[held])


def collection(*, heard: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers that follow a summary, more or less."""
    generator = torch.Generator().manual_seed(2)
    summaries = 5 * torch.randn(2000, STATISTICS, generator=generator) + 30
    free = torch.randn(2000, COUNT, generator=generator)
    told = (summaries[:, :COUNT] - 30) / 5
    return heard * told + (1 - heard**2) ** 0.5 * free + 1, summaries


def test_the_prior_of_a_collection_has_no_side() -> None:
    numbers, summaries = collection(heard=0.0)
    prior = StylePrior.fit(numbers, summaries)
    balance = STYLE_FEATURES.index("balance")
    assert float(prior.mean[balance]) == 0
    assert not prior.slope[:, balance].any()
    others = [index for index in range(COUNT) if index != balance]
    assert torch.allclose(prior.mean[others], numbers[:, others].mean(dim=0), atol=1e-5)
    assert float(prior.covariance[balance, others].abs().max()) < 1e-6
    assert float(prior.covariance[balance, balance]) == pytest.approx(
        float(numbers[:, balance].square().mean()), rel=0.02
    )


def test_what_the_sound_tells_is_not_left_to_chance() -> None:
    numbers, summaries = collection(heard=0.8)
    prior = StylePrior.fit(numbers, summaries)
    others = [index for index in range(COUNT) if STYLE_FEATURES[index] != "balance"]
    # Half of the slope is left by a ridge as heavy as the examples, so (1 − 0.4)² + 0.36 less of it
    assert torch.allclose(prior.slope.diagonal()[others], torch.tensor(0.4), atol=0.05)
    assert float(prior.covariance.diagonal()[others].max()) < 0.65
    assert float(prior.covariance.diagonal()[others].min()) > 0.4
