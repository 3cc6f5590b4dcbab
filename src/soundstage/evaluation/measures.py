"""Every metric of one result."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.evaluation.eval_items import Case
from soundstage.evaluation.results import TRUTH
from soundstage.evaluation.systems import System
from soundstage.metrics.artifacts import artifact
from soundstage.metrics.catalog import ALL_FOUR
from soundstage.metrics.embeddings import Embedding
from soundstage.metrics.fidelity import (
    fold_down_error,
    log_spectral_distance,
    mrstft_distance,
    si_snr,
)
from soundstage.metrics.frechet import GaussianPool, embed_signals, parameter_pool
from soundstage.metrics.image import (
    channel_correlation,
    normalized_width,
    phase_correlation,
    side_balance_error,
)
from soundstage.metrics.loudness import integrated_loudness, true_peak
from soundstage.metrics.parametric_stereo import iid_fluctuation, minimum_error
from soundstage.metrics.placement import placement_consistency
from soundstage.stereo import RATE, Parameters, encode_signal, to_mid_side


@dataclass(frozen=True)
class Measured:
    """What is kept of one result of one clip."""

    scores: dict[str, float]
    """By the key of the column; NaN where a metric says nothing."""
    parameters: GaussianPool
    """Of the stereo parameters of its sound."""
    embeddings: dict[str, Float[Tensor, "signals windows size"]] = field(default_factory=dict)
    """By the name of the embedding, for mid, side, left and right."""


def measure(
    system: System,
    case: Case,
    *,
    seed: int,
    takes: int,
    embeddings: Sequence[Embedding],
) -> tuple[Float[Tensor, "2 frames"], Measured]:
    """Run a system on a case and measure what it makes.

    Args:
        system: what to run.
        case: out of `load_case`.
        seed: of the result that is measured.
        takes: how many results, of seeds from `seed` on, E_min chooses the best of.
        embeddings: for the Fréchet audio distances.

    Returns:
        The result, and its measures.
    """
    with torch.inference_mode():
        system.make(case.mono[:RATE], _head(case.truth), seed=seed)  # loads what it needs
        started = time.process_time()
        stereo = system.make(case.mono, case.truth, seed=seed)
        seconds = time.process_time() - started
        parameters = encode_signal(stereo)
        scores = _reference_free_scores(stereo, parameters, case)
        scores["rtf"] = math.nan
        if system.name != TRUTH:
            scores["rtf"] = seconds * RATE / case.mono.shape[0]
        if case.truth is not None and case.parameters is not None:
            scores |= _truth_scores(stereo, case.truth)
            results = _takes(system, case, parameters, seed, takes)
            scores["e_min"] = minimum_error(results, case.parameters)
        if case.energies is not None:
            placement = placement_consistency(parameters, case.energies)
            scores["placement_bands"] = placement.over_bands
            scores["placement_time"] = placement.over_time
        embedded = {e.name: embed_signals(e, stereo, RATE) for e in embeddings}
    return stereo, Measured(scores, parameter_pool(parameters), embedded)


def _head(truth: Tensor | None) -> Tensor | None:
    return None if truth is None else truth[:, :RATE]


def _takes(
    system: System, case: Case, first: Parameters, seed: int, takes: int
) -> Iterator[Parameters]:
    """Parameters of every take, the first of which is there already."""
    yield first
    if system.has_takes:
        for other in range(seed + 1, seed + takes):
            yield encode_signal(system.make(case.mono, case.truth, seed=other))


def _reference_free_scores(
    stereo: Float[Tensor, "2 frames"], parameters: Parameters, case: Case
) -> dict[str, float]:
    return {
        "artifact": float(artifact(stereo, case.mono, case.truth, RATE)),
        "width": float(normalized_width(stereo)),
        "correlation": float(channel_correlation(stereo)),
        "phase_correlation": float(phase_correlation(stereo)),
        "iid_fluctuation": iid_fluctuation(parameters.iid),
        "fold_down": float(fold_down_error(stereo, case.mono)),
        "loudness": integrated_loudness(stereo, RATE),
        "true_peak": true_peak(stereo, RATE),
    }


def _truth_scores(
    stereo: Float[Tensor, "2 frames"], truth: Float[Tensor, "2 frames"]
) -> dict[str, float]:
    made = torch.stack([*to_mid_side(*stereo), *stereo])
    true = torch.stack([*to_mid_side(*truth), *truth])
    columns = {
        "lsd": log_spectral_distance(made, true),
        "si_snr": si_snr(made, true),
    }
    scores = {
        f"{name}_{signal}": float(value)
        for name, values in columns.items()
        for signal, value in zip(ALL_FOUR, values, strict=True)
    }
    scores["mrstft"] = float(mrstft_distance(stereo, truth))
    scores["side_balance_error"] = float(side_balance_error(stereo, truth))
    return {name: value if np.isfinite(value) else math.nan for name, value in scores.items()}
