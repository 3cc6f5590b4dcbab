import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo import BANDS, Parameters
from soundstage.stereo.descriptors import DESCRIPTORS, descriptors
from soundstage.stereo.features import LEVELS, STATISTICS, level_statistics
from soundstage.stereo.style_prior import (
    MAX_FEATURE,
    STYLE_FEATURES,
    TILE_MEANS,
    StylePrior,
    measured_style,
    style_descriptors,
    style_features,
)

TYPICAL = torch.tensor([1.0, 0.87, 1.27, 0.76, 0.0, 0.68, 0.33])  # of segments of music


def moved(name: str, by: float) -> torch.Tensor:
    values = TYPICAL.clone()
    values[DESCRIPTORS.index(name)] = by
    return (style_features(values) - style_features(TYPICAL))[: len(DESCRIPTORS)]


def test_typical_music_has_features_near_zero() -> None:
    assert float(style_features(TYPICAL)[: len(DESCRIPTORS)].abs().max()) < 0.02


def test_missing_descriptors_stay_missing() -> None:
    values = TYPICAL.clone()
    values[[0, 4]] = math.nan
    features = style_features(values)
    assert features.isnan().tolist() == [True, *3 * [False], True, *2 * [False], *6 * [True]]
    assert torch.equal(features[1:4], style_features(TYPICAL)[1:4])


@pytest.mark.parametrize("name", ["width", "width_low", "width_mid", "width_high", "offset"])
def test_doubling_a_width_is_one_step_at_any_width(name: str) -> None:
    narrow, middle, wide = (moved(name, width).nan_to_num() for width in (0.3, 0.6, 1.2))
    torch.testing.assert_close(wide - middle, middle - narrow, rtol=0, atol=1e-4)
    assert float((wide - middle).sum()) > 0.5


def test_the_balance_is_symmetric() -> None:
    torch.testing.assert_close(moved("balance", 3.0), -moved("balance", -3.0))


@given(name=st.sampled_from(DESCRIPTORS), small=st.floats(0.03, 0.9), factor=st.floats(1.01, 1.1))
def test_features_grow_with_their_descriptor(name: str, small: float, factor: float) -> None:
    less, more = moved(name, small), moved(name, factor * small)
    place = DESCRIPTORS.index(name)
    assert float(more[place]) > float(less[place])
    assert float(more.abs().sum() - more[place].abs()) == 0


def test_zero_descriptors_have_finite_features() -> None:
    features = style_features(torch.zeros(2, len(DESCRIPTORS)))
    assert features.shape == (2, len(STYLE_FEATURES))
    described = features[:, : len(DESCRIPTORS)]
    assert bool(described.isfinite().all())
    assert float(described.abs().max()) < 10


def stage(iid: float, coherence: float) -> Parameters:
    return Parameters(torch.full((BANDS, 8), iid), torch.full((BANDS, 8), coherence))


def test_a_measured_style_has_all_features() -> None:
    generator = torch.Generator().manual_seed(0)
    iid = 6 * torch.randn(BANDS, 50, generator=generator)
    coherence = torch.rand(BANDS, 50, generator=generator)
    energy = torch.rand(BANDS, 50, generator=generator) ** 8
    measured = measured_style(Parameters(iid, coherence), energy)
    assert measured.shape == (len(STYLE_FEATURES),)
    requested = style_features(descriptors(Parameters(iid, coherence), energy))
    assert torch.equal(measured[: len(DESCRIPTORS)], requested[: len(DESCRIPTORS)])
    mirrored = measured_style(Parameters(-iid, coherence), energy)
    sign = torch.tensor([-1.0 if name == "balance" else 1.0 for name in STYLE_FEATURES])
    torch.testing.assert_close(mirrored, sign * measured, rtol=0, atol=1e-4)


def test_tile_means_do_not_depend_on_the_energy() -> None:
    places = [STYLE_FEATURES.index(name) for name in TILE_MEANS]
    one = stage(3.0, 0.5)
    loud = torch.ones(BANDS, 8)
    loud[:, :2] = 1000
    measured = measured_style(one, loud)[places]
    assert torch.equal(measured, measured_style(one, torch.ones(BANDS, 8))[places])
    less = measured_style(stage(3.0, 0.9), loud)[places]
    more = measured_style(stage(9.0, 0.5), loud)[places]
    assert bool((less[:3] < measured[:3]).all())
    assert torch.equal(less[3:], measured[3:])
    assert bool((more[3:] > measured[3:]).all())
    assert torch.equal(more[:3], measured[:3])


def test_the_style_of_mono_is_finite() -> None:
    measured = measured_style(stage(0.0, 1.0), torch.ones(BANDS, 8))
    assert bool(measured.isfinite().all())
    assert float(measured.abs().max()) < 12


def test_descriptors_are_recovered_from_features():
    requested = torch.tensor([1.4, torch.nan, 0.3, 2.0, -1.5, torch.nan, 0.2])
    torch.testing.assert_close(
        style_descriptors(style_features(requested)), requested, equal_nan=True
    )


COUNT = len(STYLE_FEATURES)
OPEN = torch.full((COUNT,), torch.nan)
LEVEL = 20 * torch.randn(30, LEVELS, generator=torch.Generator().manual_seed(4)) - 50


def related() -> StylePrior:
    """Features that correlate with each other and with the sound."""
    generator = torch.Generator().manual_seed(0)
    mixture = 0.5 * torch.randn(COUNT, COUNT, generator=generator).double()
    covariance = mixture @ mixture.T / COUNT + 0.1 * torch.eye(COUNT)
    return StylePrior(
        torch.linspace(-1, 1, COUNT),
        (0.5 * (covariance + covariance.T)).float(),
        torch.stack([level_statistics(LEVEL), torch.ones(STATISTICS)]),
        0.1 * torch.randn(STATISTICS, COUNT, generator=generator),
    )


def samples(requested: torch.Tensor, count: int = 4000, **more) -> torch.Tensor:
    noise = torch.randn(count, COUNT, generator=torch.Generator().manual_seed(1))
    return related().sample(requested, noise, LEVEL, **more)


def test_samples_have_the_mean_and_covariance_of_the_music() -> None:
    found, prior = samples(OPEN), related()
    assert torch.allclose(found.mean(dim=0), prior.mean, atol=0.05)
    # Limiting the noise to two deviations takes 8 % off the variance
    assert torch.allclose(found.T.cov(), 0.92 * prior.covariance, atol=0.05)


def test_other_features_are_conditioned_on_requested_ones() -> None:
    requested = OPEN.clone()
    requested[0], prior = 1.0, related()
    found = samples(requested)
    assert bool((found[:, 0] == 1.0).all())
    gain = prior.covariance[1:, 0] / prior.covariance[0, 0]
    target = prior.mean[1:] + gain * (1.0 - prior.mean[0])
    assert torch.allclose(found[:, 1:].mean(dim=0), target, atol=0.05)


def test_a_complete_style_is_unchanged() -> None:
    requested = torch.linspace(-2, 2, COUNT)
    assert torch.equal(
        related().sample(requested, torch.zeros(2, COUNT), LEVEL), requested.repeat(2, 1)
    )


def test_the_mean_depends_on_the_sound() -> None:
    prior = related()
    brighter = LEVEL + torch.linspace(-1, 1, LEVELS)
    target = (level_statistics(brighter) - level_statistics(LEVEL)) @ prior.slope
    moved = prior.expected(brighter) - prior.expected(LEVEL)
    torch.testing.assert_close(moved, target, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(prior.expected(LEVEL + 6), prior.expected(LEVEL))  # a gain


def test_samples_for_unusual_sound_are_limited() -> None:
    found = related().sample(OPEN, torch.full((1, COUNT), 9.0), torch.full((2, LEVELS), -100.0))
    assert float(found.abs().max()) <= MAX_FEATURE


def test_zero_spread_gives_the_mean_style() -> None:
    assert torch.allclose(samples(OPEN, 1, spread=0.0)[0], related().mean, atol=1e-6)


@given(missing=st.sets(st.integers(0, COUNT - 1), min_size=1))
def test_requested_features_are_held(missing: set[int]) -> None:
    requested = torch.zeros(COUNT)
    requested[list(missing)] = torch.nan
    sampled = related().sample(requested, torch.linspace(-1, 1, COUNT)[None], LEVEL)[0]
    held = ~requested.isnan()
    assert bool(sampled.isfinite().all())
    assert torch.equal(sampled[held], requested[held])


def collection(*, correlation: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Features with that correlation with the statistics."""
    generator = torch.Generator().manual_seed(2)
    statistics = 5 * torch.randn(2000, STATISTICS, generator=generator) + 30
    free = torch.randn(2000, COUNT, generator=generator)
    predicted = (statistics[:, :COUNT] - 30) / 5
    return correlation * predicted + (1 - correlation**2) ** 0.5 * free + 1, statistics


def test_a_fitted_prior_is_symmetric_in_left_and_right() -> None:
    features, statistics = collection(correlation=0.0)
    prior = StylePrior.fit(features, statistics)
    balance = STYLE_FEATURES.index("balance")
    assert float(prior.mean[balance]) == 0
    assert not prior.slope[:, balance].any()
    others = [index for index in range(COUNT) if index != balance]
    assert torch.allclose(prior.mean[others], features[:, others].mean(dim=0), atol=1e-5)
    assert float(prior.covariance[balance, others].abs().max()) < 1e-6
    assert float(prior.covariance[balance, balance]) == pytest.approx(
        float(features[:, balance].square().mean()), rel=0.02
    )


def test_a_fitted_prior_explains_variance_by_the_sound() -> None:
    features, statistics = collection(correlation=0.8)
    prior = StylePrior.fit(features, statistics)
    others = [index for index in range(COUNT) if STYLE_FEATURES[index] != "balance"]
    # The ridge, as heavy as the examples, halves the slope: a variance of 0.36 + (0.8 − 0.4)²
    assert torch.allclose(prior.slope.diagonal()[others], torch.tensor(0.4), atol=0.05)
    assert float(prior.covariance.diagonal()[others].max()) < 0.65
    assert float(prior.covariance.diagonal()[others].min()) > 0.4
