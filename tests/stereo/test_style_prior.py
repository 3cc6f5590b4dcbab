import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo.descriptors import DESCRIPTORS
from soundstage.stereo.style_prior import StylePrior

COUNT = len(DESCRIPTORS)
OPEN = torch.full((COUNT,), torch.nan)


def related() -> StylePrior:
    """Numbers that go together."""
    mixture = torch.randn(COUNT, COUNT, generator=torch.Generator().manual_seed(0)).double()
    covariance = mixture @ mixture.T / COUNT + 0.1 * torch.eye(COUNT)
    return StylePrior(torch.linspace(-1, 1, COUNT), (0.5 * (covariance + covariance.T)).float())


def draws(asked: torch.Tensor, count: int = 4000, **more) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.stack([related().draw(asked, generator, shown=1.0, **more) for _ in range(count)])


def test_styles_are_spread_as_the_music_is() -> None:
    found, prior = draws(OPEN), related()
    assert torch.allclose(found.mean(dim=0), prior.mean, atol=0.05)
    # What lies beyond two deviations is drawn in, which takes 8 % off the variance
    assert torch.allclose(found.T.cov(), 0.92 * prior.covariance, atol=0.15)


def test_what_is_not_asked_goes_with_what_is() -> None:
    asked = OPEN.clone()
    asked[0], prior = 2.0, related()
    found = draws(asked)
    assert bool((found[:, 0] == 2.0).all())
    gain = prior.covariance[1:, 0] / prior.covariance[0, 0]
    wanted = prior.mean[1:] + gain * (2.0 - prior.mean[0])
    assert torch.allclose(found[:, 1:].mean(dim=0), wanted, atol=0.05)


def test_a_whole_style_is_left_alone() -> None:
    asked = torch.linspace(-2, 2, COUNT)
    assert torch.equal(related().draw(asked, torch.Generator()), asked)


def test_no_spread_is_the_likeliest_style() -> None:
    assert torch.allclose(draws(OPEN, 1, spread=0.0)[0], related().mean, atol=1e-6)


@given(seed=st.integers(0, 1000), open_numbers=st.sets(st.integers(0, COUNT - 1), min_size=1))
def test_a_generator_draws_the_same_style_again(seed: int, open_numbers: set[int]) -> None:
    asked = torch.zeros(COUNT)
    asked[list(open_numbers)] = torch.nan
    one, other = (related().draw(asked, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert torch.equal(one.nan_to_num(9), other.nan_to_num(9))
    held = ~asked.isnan()
    assert torch.equal(one[held], asked[held])


def test_half_of_what_is_drawn_is_left_open_as_in_training() -> None:
    generator = torch.Generator().manual_seed(1)
    drawn = torch.stack([related().draw(OPEN, generator) for _ in range(500)])
    assert abs(float(drawn.isnan().float().mean()) - 0.5) < 0.05


def test_the_prior_of_a_collection_has_no_side() -> None:
    numbers = torch.randn(200, COUNT, generator=torch.Generator().manual_seed(2)) + 1
    prior = StylePrior.of(numbers)
    balance = DESCRIPTORS.index("balance")
    assert abs(float(prior.mean[balance])) < 1e-6
    others = [index for index in range(COUNT) if index != balance]
    assert torch.allclose(prior.mean[others], numbers[:, others].mean(dim=0), atol=1e-5)
    assert float(prior.covariance[balance, others].abs().max()) < 1e-6
    assert float(prior.covariance[balance, balance]) == pytest.approx(
        float(numbers[:, balance].square().mean()), rel=0.02
    )
