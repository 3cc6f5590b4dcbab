"""Confidence intervals and significance tests over clips."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float

from soundstage.evaluation.results import Comparison, Estimate

CONFIDENCE = 0.95
RESAMPLES = 2000  # of a mean
SET_RESAMPLES = 200  # of a Fréchet distance, each an eigenvalue problem
SIGNIFICANCE = 0.05
MIN_CLIPS = 3  # for an interval


def mean_estimate(values: Float[np.ndarray, " clips"], *, seed: int = 0) -> Estimate:
    """Mean over the clips with a value, and its 95 % interval (BCa, Efron 1987)."""
    from scipy.stats import bootstrap

    values = values[np.isfinite(values)]
    if not values.size:
        return Estimate(math.nan)
    mean = float(values.mean())
    if values.size < MIN_CLIPS:
        return Estimate(mean)
    if np.ptp(values) == 0:
        return Estimate(mean, mean, mean)
    found = bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(mean, float(found.low), float(found.high))


def set_estimate(
    distance: Callable[[Sequence[int]], float], clips: int, *, seed: int = 0
) -> Estimate:
    """A distance of the whole set, and its 95 % bootstrap interval over clips.

    Both sides use the same resampled clips. A resample has fewer distinct clips than the set, which
    biases Fréchet distances upwards; the shift of the mean is subtracted from the percentiles. (BCa
    fails here, since the distance of the set may lie below every resample.)

    Args:
        distance: computes the distance over the clips with the given indices.
        clips: number of clips.
        seed: of the resampling.
    """
    value = distance(range(clips))
    if clips < MIN_CLIPS or math.isnan(value):
        return Estimate(value)
    generator = np.random.default_rng(seed)
    resampled = np.array(
        [distance(generator.integers(clips, size=clips).tolist()) for _ in range(SET_RESAMPLES)]
    )
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail]) - resampled.mean() + value
    return Estimate(value, float(np.clip(low, 0, value)), float(max(high, value)))


def compare(
    column: str, scores: Mapping[str, Float[np.ndarray, " clips"]], *, lower_is_better: bool
) -> list[Comparison]:
    """All pairs of systems in one column: two-sided Wilcoxon signed-rank test over clips.

    The p-values of all pairs are adjusted together (Holm 1979): the probability of any false
    positive in the column is below 5 %.

    Args:
        column: key of the column.
        scores: by system, clips in the same order; NaN without a value.
        lower_is_better: direction of the column.
    """
    from scipy.stats import wilcoxon

    pairs, p_values = [], []
    for first, second in combinations(scores, 2):
        both = np.isfinite(scores[first]) & np.isfinite(scores[second])
        difference = scores[first][both] - scores[second][both]
        differs = bool(np.any(difference))
        pairs.append((first, second, difference))
        p_values.append(float(wilcoxon(difference).pvalue) if differs else math.nan)
    found = []
    for (first, second, difference), p in zip(pairs, holm(p_values), strict=True):
        better = ""
        if p < SIGNIFICANCE:
            better = first if (np.median(difference) < 0) == lower_is_better else second
        found.append(Comparison(column, first, second, p, better, difference.size))
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values (Holm's step-down Bonferroni); NaN stays NaN and does not count."""
    tested = [index for index, p in enumerate(p_values) if not math.isnan(p)]
    tested.sort(key=lambda index: p_values[index])
    adjusted = list(p_values)
    largest = 0.0
    for rank, index in enumerate(tested):
        largest = max(largest, (len(tested) - rank) * p_values[index])
        adjusted[index] = min(largest, 1.0)
    return adjusted
