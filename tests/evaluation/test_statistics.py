"""Coverage of the intervals, and false positives of the tests."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from soundstage.evaluation.statistics import compare, holm, mean_estimate, set_estimate
from soundstage.metrics.frechet import GaussianPool, frechet_distance, merged


def test_intervals_of_means_have_a_coverage_of_95_percent() -> None:
    generator = np.random.default_rng(0)
    held = 0
    for seed in range(50):
        estimate = mean_estimate(generator.gamma(2.0, size=30), seed=seed)
        held += estimate.low <= 2.0 <= estimate.high
    assert 42 <= held <= 50  # 47.5 ± 3 standard deviations and the error of BCa at 30 clips


def test_clips_without_a_value_do_not_count() -> None:
    values = np.array([1.0, 2.0, math.nan, 3.0, math.inf])
    assert mean_estimate(values) == mean_estimate(np.array([1.0, 2.0, 3.0]))


def test_too_few_clips_have_no_interval() -> None:
    estimate = mean_estimate(np.array([1.0, 3.0]))
    assert estimate.value == 2
    assert math.isnan(estimate.low)


def test_equal_values_have_an_interval_of_no_width() -> None:
    estimate = mean_estimate(np.full(9, 4.0))
    assert (estimate.value, estimate.low, estimate.high) == (4, 4, 4)


def pools_of(generator: torch.Generator, clips: int, shift: float) -> list[GaussianPool]:
    pools = []
    for _ in range(clips):
        pool = GaussianPool(3)
        place = torch.randn(3, 1, generator=generator, dtype=torch.float64) + shift
        pool.add(place + torch.randn(3, 50, generator=generator, dtype=torch.float64))
        pools.append(pool)
    return pools


def test_intervals_of_distances_cover_the_distance_of_infinite_sets() -> None:
    held = 0
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        one, other = pools_of(generator, 40, 0.0), pools_of(generator, 40, 2.0)

        def distance(clips, one=one, other=other) -> float:
            return frechet_distance(merged(one[i] for i in clips), merged(other[i] for i in clips))

        estimate = set_estimate(distance, 40, seed=seed)
        assert estimate.low <= estimate.value <= estimate.high
        held += estimate.low <= 12.0 <= estimate.high  # ‖μ₁ − μ₂‖² = 3·2²
    assert held >= 7


def test_resampled_clips_count_repeatedly() -> None:
    pools = pools_of(torch.Generator().manual_seed(0), 3, 0.0)
    assert merged(pools[i] for i in [1, 1, 1]).frames == 150
    np.testing.assert_allclose(merged(pools[i] for i in [1, 1]).mean(), pools[1].mean())


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_lowers_a_p_nor_changes_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(1 >= after >= before for before, after in zip(p_values, adjusted, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(adjusted)[order]) >= 0)


def test_holm_of_a_worked_example() -> None:
    # Holm (1979): 0.01·4, 0.02·3 → 0.06, 0.03·2 → 0.06, 0.04·1 → no less than those before
    assert holm([0.02, 0.01, 0.04, 0.03]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_holm_ignores_nan() -> None:
    assert holm([math.nan, 0.02])[1] == pytest.approx(0.02)
    assert math.isnan(holm([math.nan, 0.02])[0])


def test_the_better_system_is_named_with_the_p_of_scipy() -> None:
    generator = np.random.default_rng(1)
    base = generator.normal(size=20)
    scores = {"good": base, "bad": base + 1 + generator.random(20)}
    (found,) = compare("lsd", scores, lower_is_better=True)
    assert found.better == "good"
    assert found.p == pytest.approx(wilcoxon(scores["good"] - scores["bad"]).pvalue)
    (turned,) = compare("si_snr", scores, lower_is_better=False)
    assert turned.better == "bad"


def test_noise_is_significant_in_5_percent_of_columns_at_most() -> None:
    generator = np.random.default_rng(2)
    claims = 0
    for _ in range(100):
        scores = {name: generator.normal(size=15) for name in "abcd"}
        claims += any(one.better for one in compare("x", scores, lower_is_better=True))
    assert claims <= 11  # 5 of 100 expected; three standard deviations


def test_equal_systems_are_not_tested_and_missing_clips_skipped() -> None:
    values = np.array([1.0, 2.0, math.nan, 4.0])
    (found,) = compare("x", {"a": values, "b": values.copy()}, lower_is_better=True)
    assert math.isnan(found.p)
    assert found.better == ""
    assert found.clips == 3
