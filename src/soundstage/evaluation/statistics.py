"""How sure a figure is, and whether two systems differ: over clips, since clips are what varies."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float

from soundstage.evaluation.results import Comparison, Estimate

CONFIDENCE = 0.95
RESAMPLES = 2000  # of a mean
SET_RESAMPLES = 200  # of a Fréchet distance, which costs an eigenvalue problem each
SIGNIFICANT = 0.05
FEWEST_CLIPS = 3  # with less there is no interval to speak of


def mean_estimate(values: Float[np.ndarray, " clips"], *, seed: int = 0) -> Estimate:
    """Mean over the clips that have a value, and its interval (BCa, Efron 1987)."""
    from scipy.stats import bootstrap

    values = values[np.isfinite(values)]
    if not values.size:
        return Estimate(math.nan)
    mean = float(values.mean())
    if values.size < FEWEST_CLIPS:
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
    """A distance of the whole set, and its 95 % interval over draws of clips with repetition.

    Clips are drawn the same on both sides. A draw holds fewer different clips than the set, which
    makes Fréchet distances larger; that shift of the mean is taken off the percentiles. (Intervals
    that correct by ranks, as BCa does for means, break down here: the set itself may lie below
    every draw.)

    Args:
        distance: of the clips with these indices.
        clips: how many there are.
        seed: of the draws.
    """
    value = distance(range(clips))
    if clips < FEWEST_CLIPS or math.isnan(value):
        return Estimate(value)
    generator = np.random.default_rng(seed)
    drawn = np.array(
        [distance(generator.integers(clips, size=clips).tolist()) for _ in range(SET_RESAMPLES)]
    )
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail]) - drawn.mean() + value
    return Estimate(value, float(np.clip(low, 0, value)), float(max(high, value)))


def compare(
    column: str, scores: Mapping[str, Float[np.ndarray, " clips"]], *, lower_is_better: bool
) -> list[Comparison]:
    """Every pair of systems in one column: Wilcoxon signed-rank over clips, two-sided.

    The p of all pairs are adjusted together after Holm (1979), so that the chance of even one false
    claim in the column stays under 5 %.

    Args:
        column: its key.
        scores: by system, clips in the same order; NaN where there is no value.
        lower_is_better: which way the good end lies.
    """
    from scipy.stats import wilcoxon

    pairs, chances = [], []
    for first, second in combinations(scores, 2):
        both = np.isfinite(scores[first]) & np.isfinite(scores[second])
        difference = scores[first][both] - scores[second][both]
        differs = bool(np.any(difference))
        pairs.append((first, second, difference))
        chances.append(float(wilcoxon(difference).pvalue) if differs else math.nan)
    found = []
    for (first, second, difference), chance in zip(pairs, holm(chances), strict=True):
        better = ""
        if chance < SIGNIFICANT:
            better = first if (np.median(difference) < 0) == lower_is_better else second
        found.append(Comparison(column, first, second, chance, better, difference.size))
    return found


def holm(chances: Sequence[float]) -> list[float]:
    """Adjusted p after Holm's step-down form of Bonferroni; NaN stays, and counts as no test."""
    tested = [index for index, chance in enumerate(chances) if not math.isnan(chance)]
    tested.sort(key=lambda index: chances[index])
    adjusted = list(chances)
    largest = 0.0
    for rank, index in enumerate(tested):
        largest = max(largest, (len(tested) - rank) * chances[index])
        adjusted[index] = min(largest, 1.0)
    return adjusted
