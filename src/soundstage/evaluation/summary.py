"""Means, set distances and comparisons from the measures of all results."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.evaluation.measures import Measures
from soundstage.evaluation.results import FLOOR, TRUTH, Comparison, Estimate
from soundstage.evaluation.statistics import compare, mean_estimate, set_estimate
from soundstage.metrics.catalog import (
    ALL_FOUR,
    CLIP_METRICS,
    REFERENCE_FREE_SET_METRICS,
    SET_METRICS,
    Column,
    frechet_audio_metrics,
)
from soundstage.metrics.frechet import (
    GaussianPool,
    embedding_pool,
    extrapolated_frechet_distance,
    frechet_distance,
    merged,
)
from soundstage.parallel import Mapper
from soundstage.stereo.features import FEATURES
from soundstage.weights.model import load_weights

MAX_RESAMPLED_SIZE = 512  # dimensions; above, one distance takes seconds and 200 take minutes
AllMeasures = Mapping[str, Sequence[Measures]]
"""By system, with the clips in one order."""


def music_pool() -> GaussianPool:
    """The stereo parameters of the bundled training music.

    Raises:
        WeightsError: the bundled file is damaged.
    """
    weights = load_weights("music", "parameter-pool")
    size = FEATURES
    tensors = {
        "frames": weights.tensor("frames", torch.int64, (1,)),
        "sum": weights.tensor("sum", torch.float64, (size,)),
        "products": weights.tensor("products", torch.float64, (size, size)),
    }
    return GaussianPool.from_tensors(tensors)


def clip_columns(measures: AllMeasures) -> list[Column]:
    """Columns of the metrics with a value in any result."""
    found = {key for rows in measures.values() for row in rows for key in row.scores}
    columns = [Column(metric, signal) for metric in CLIP_METRICS for signal in metric.signals]
    return [column for column in columns if column.key in found]


def clip_scores(
    measures: AllMeasures, columns: Sequence[Column]
) -> dict[tuple[str, str], Float[np.ndarray, " clips"]]:
    """Values of every clip, by system and column key."""
    return {
        (system, column.key): np.array([row.scores.get(column.key, math.nan) for row in rows])
        for system, rows in measures.items()
        for column in columns
    }


def compared(
    scores: Mapping[tuple[str, str], Float[np.ndarray, " clips"]], columns: Sequence[Column]
) -> list[Comparison]:
    """All pairs of systems, column by column; for "→ true" columns, of distances to the truth."""
    found: list[Comparison] = []
    systems = list(dict.fromkeys(system for system, _ in scores if system != TRUTH))
    for column in columns:
        if column.metric.better == "neither":
            continue
        values = {system: scores[system, column.key] for system in systems}
        if column.metric.better == "truth":
            if (TRUTH, column.key) not in scores:
                continue
            truth = scores[TRUTH, column.key]
            values = {system: np.abs(value - truth) for system, value in values.items()}
        lower = column.metric.better != "higher"
        found += compare(column.key, values, lower_is_better=lower)
    return found


@dataclass(frozen=True)
class SetJob:
    """One value of the whole set, computed in any process."""

    system: str
    column: Column
    work: Callable[[], Estimate]


def set_jobs(measures: AllMeasures) -> list[SetJob]:
    """All Fréchet distances, plain and extrapolated."""
    parameters = {system: [row.parameters for row in rows] for system, rows in measures.items()}
    if TRUTH not in measures:
        column = Column(*REFERENCE_FREE_SET_METRICS)
        music = music_pool()
        return [
            SetJob(system, column, partial(_distance_to, music, pools))
            for system, pools in parameters.items()
        ]
    plain, extrapolated = map(Column, SET_METRICS)
    floor = partial(_distance_to, music_pool(), parameters[TRUTH])
    jobs = [SetJob(FLOOR, plain, floor)]
    jobs += _distances_to_truth(plain, _paired, parameters)
    jobs += _distances_to_truth(extrapolated, _extrapolated, parameters)
    for name in measures[TRUTH][0].embeddings:
        for index, signal in enumerate(ALL_FOUR):
            plain, extrapolated = (Column(m, signal) for m in frechet_audio_metrics(name))
            windows = {
                system: [row.embeddings[name][index] for row in rows]
                for system, rows in measures.items()
            }
            jobs += _distances_to_truth(plain, _paired_windows, windows)
            jobs += _distances_to_truth(extrapolated, _extrapolated_windows, windows)
    return jobs


def summarize(jobs: Sequence[SetJob], each: Mapper) -> dict[tuple[str, str], Estimate]:
    """Values of the set, computed over processes."""
    keys = [(job.system, job.column.key) for job in jobs]
    return dict(zip(keys, each(_run, jobs), strict=True))


def _run(job: SetJob) -> Estimate:
    return job.work()


def mean_values(
    scores: Mapping[tuple[str, str], Float[np.ndarray, " clips"]],
) -> dict[tuple[str, str], Estimate]:
    """Means over clips with intervals, without columns that have no value."""
    return {
        key: mean_estimate(values) for key, values in scores.items() if np.isfinite(values).any()
    }


def _distances_to_truth(
    column: Column, work: Callable[..., Estimate], statistics: Mapping[str, Sequence[object]]
) -> list[SetJob]:
    """Distances of all systems to the truth, which has 0 itself."""
    truth = statistics[TRUTH]
    return [
        SetJob(
            system,
            column,
            partial(Estimate, 0.0) if system == TRUTH else partial(work, truth, made),
        )
        for system, made in statistics.items()
    ]


def _paired_windows(truth: Sequence[Tensor], made: Sequence[Tensor]) -> Estimate:
    if truth[0].shape[1] <= MAX_RESAMPLED_SIZE:
        return _paired(list(map(embedding_pool, truth)), list(map(embedding_pool, made)))
    both = (embedding_pool(torch.cat(list(windows))) for windows in (truth, made))
    return Estimate(_distance(*both))


def _extrapolated_windows(truth: Sequence[Tensor], made: Sequence[Tensor]) -> Estimate:
    if truth[0].shape[1] > MAX_RESAMPLED_SIZE:
        return Estimate(math.nan)
    return _extrapolated(list(map(embedding_pool, truth)), list(map(embedding_pool, made)))


def _paired(truth: Sequence[GaussianPool], made: Sequence[GaussianPool]) -> Estimate:
    def distance(clips: Sequence[int]) -> float:
        return _distance(merged(truth[i] for i in clips), merged(made[i] for i in clips))

    return set_estimate(distance, len(truth))


def _distance_to(fixed: GaussianPool, pools: Sequence[GaussianPool]) -> Estimate:
    return set_estimate(lambda clips: _distance(fixed, merged(pools[i] for i in clips)), len(pools))


def _extrapolated(truth: Sequence[GaussianPool], made: Sequence[GaussianPool]) -> Estimate:
    """NaN for too few clips, or too few frames per feature."""
    try:
        return Estimate(extrapolated_frechet_distance(truth, made, paired=True))
    except ValueError:
        return Estimate(math.nan)


def _distance(one: GaussianPool, other: GaussianPool) -> float:
    """NaN if the clips are too short for a covariance."""
    return frechet_distance(one, other) if min(one.frames, other.frames) > 1 else math.nan
