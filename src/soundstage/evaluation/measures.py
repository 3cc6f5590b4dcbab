"""All metrics of one result."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.evaluation.eval_items import EvalItem
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
from soundstage.metrics.placement import measure_places, placement_consistency, stereo_tiles
from soundstage.stereo import RATE, Parameters, encode_signal, to_mid_side


@dataclass(frozen=True)
class Measures:
    """Stored measures of one result."""

    scores: dict[str, float]
    """By column key; NaN if a metric is undefined."""
    parameters: GaussianPool
    """Stereo parameters of the result, for D_F."""
    embeddings: dict[str, Float[Tensor, "signals windows size"]] = field(default_factory=dict)
    """By name of the embedding, for mid, side, left and right."""


def measure(
    system: System,
    item: EvalItem,
    *,
    made: Float[Tensor, "2 frames"] | None = None,
    seed: int,
    takes: int,
    embeddings: Sequence[Embedding],
    device: str = "cpu",
) -> tuple[Float[Tensor, "2 frames"], Measures]:
    """Run a system on an item and measure the result.

    Args:
        system: a method or baseline.
        item: from `load_eval_item`.
        made: the result, if it is made already; the system does not run then.
        seed: of the measured result.
        takes: number of results, with seeds from `seed` on, from which E_min takes the best.
        embeddings: for the Fréchet audio distances.
        device: of the methods.

    Returns:
        The stereo result and its measures.
    """
    with torch.inference_mode():
        stereo, seconds = (made, math.nan) if made is not None else _run(system, item, seed, device)
        parameters = encode_signal(stereo)
        scores = _reference_free_scores(stereo, parameters, item)
        scores["rtf"] = math.nan
        if system.name != TRUTH:
            scores["rtf"] = seconds * RATE / item.mono.shape[0]
        if item.truth is not None and item.parameters is not None:
            scores |= _truth_scores(stereo, item.truth)
            takes = 1 if made is not None or not system.has_takes else takes
            results = _takes(system, item, parameters, seed, takes, device)
            scores["e_min"] = minimum_error(results, item.parameters)
        if item.energies is not None:
            scores |= _placement_scores(stereo, parameters, item.energies, item.lead)
        embedded = {e.name: embed_signals(e, stereo, RATE) for e in embeddings}
    return stereo, Measures(scores, parameter_pool(parameters), embedded)


def _run(
    system: System, item: EvalItem, seed: int, device: str
) -> tuple[Float[Tensor, "2 frames"], float]:
    """The result, and the processor seconds it took; a second of sound before loads the model."""
    mono, truth = item.mono[:RATE], None if item.truth is None else item.truth[:, :RATE]
    system.upmix(mono, truth, seed=seed, device=device)
    started = time.process_time()
    stereo = system.upmix(item.mono, item.truth, seed=seed, device=device)
    return stereo, time.process_time() - started


def _takes(
    system: System, item: EvalItem, first: Parameters, seed: int, takes: int, device: str
) -> Iterator[Parameters]:
    """Parameters of every take; the first one is given."""
    yield first
    for other in range(seed + 1, seed + takes):
        yield encode_signal(system.upmix(item.mono, item.truth, seed=other, device=device))


def _reference_free_scores(
    stereo: Float[Tensor, "2 frames"], parameters: Parameters, item: EvalItem
) -> dict[str, float]:
    return {
        "artifact": float(artifact(stereo, item.mono, item.truth, RATE)),
        "width": float(normalized_width(stereo)),
        "correlation": float(channel_correlation(stereo)),
        "phase_correlation": float(phase_correlation(stereo)),
        "iid_fluctuation": iid_fluctuation(parameters.iid),
        "fold_down": float(fold_down_error(stereo, item.mono)),
        "loudness": integrated_loudness(stereo, RATE),
        "true_peak": true_peak(stereo, RATE),
    }


def _placement_scores(
    stereo: Float[Tensor, "2 frames"],
    parameters: Parameters,
    energies: Float[Tensor, "sources bands frames"],
    lead: int | None,
) -> dict[str, float]:
    places = measure_places(stereo_tiles(stereo, energies), lead)
    consistency = placement_consistency(parameters, energies)
    return {
        "placement_contrast": places.contrast,
        "placement_spread": places.spread,
        "torn": places.torn,
        "lead_center": places.lead_center,
        "placement_bands": consistency.over_bands,
        "placement_time": consistency.over_time,
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
