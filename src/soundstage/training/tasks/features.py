"""What the trainings on prepared features share: the run with its plan, and facts for the card."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from soundstage.corpora.feature_cache import FeatureCache
from soundstage.training.checkpoints import TrainingState
from soundstage.training.data.tracks import Progress
from soundstage.training.loop import Say, Task, run_loop
from soundstage.training.recipes import (
    AutoregressiveRecipe,
    DiffusionRecipe,
    MaskedRecipe,
    RegressionRecipe,
)
from soundstage.weights import Card

FeaturesRecipe = RegressionRecipe | MaskedRecipe | AutoregressiveRecipe | DiffusionRecipe


def run_on_features(
    task: Task,
    recipe: FeaturesRecipe,
    learned: list[FeatureCache],
    held_out: list[FeatureCache],
    output: Path,
    *,
    example: str,
    device: torch.device,
    progress: Progress | None,
    say: Say | None,
) -> tuple[TrainingState, dict[str, Tensor]]:
    """Say the plan and train; the state at the end, and the weights to keep.

    Args:
        task: what is trained.
        recipe: of it.
        learned: features that its batches come from.
        held_out: features that choose the best epoch.
        output: NAME.safetensors, which the caller writes.
        example: how long one is, in words.
        device: out of `choose_device`.
        progress: called after each step.
        say: told the plan, the time it will take and each epoch.

    Raises:
        OptionError: the checkpoint beside the output is another run's.
        WeightsError: it is damaged.
    """
    if say:
        say(_plan(task, recipe, learned, example, device))
    state = run_loop(
        task,
        recipe.loop,
        output,
        family=recipe.family,
        fingerprint=_fingerprint(recipe, learned + held_out),
        device=device,
        progress=progress,
        say=say,
    )
    assert state.best is not None
    return state, state.best


def _plan(
    task: Task,
    recipe: FeaturesRecipe,
    learned: list[FeatureCache],
    example: str,
    device: torch.device,
) -> str:
    """One line that says what is about to happen."""
    count = sum(parameter.numel() for parameter in task.model.parameters())
    frames = sum(len(cache.tokens) for cache in learned)
    return (
        f"{recipe.family}: {count:,} parameters, {frames:,} frames of "
        f"{sum(len(cache.names) for cache in learned):,} records, {recipe.loop.epochs} epochs of "
        f"{task.steps_per_epoch} steps of {recipe.loop.batch} × {example}, on {device}"
    )


def _fingerprint(recipe: FeaturesRecipe, caches: list[FeatureCache]) -> bytes:
    """SHA-256 of all that decides the result of a training."""
    followed = recipe.model_dump(mode="json", exclude={"card"})
    digest = hashlib.sha256(json.dumps(followed, sort_keys=True).encode())
    for cache in caches:
        digest.update(cache.fingerprint)
    return digest.digest()


def facts(
    learned: list[FeatureCache],
    held_out: list[FeatureCache],
    steps: int,
    seconds: float,
    measured: Mapping[str, Any],
    device: torch.device,
) -> Card:
    """For the card; a record that is heard at several speeds counts once."""
    credits = list(
        {
            json.dumps(credit, sort_keys=True): credit
            for cache in learned
            for credit in cache.credits
        }.values()
    )
    records = len({name for cache in learned for name in cache.names})
    artists = len({credit.get("artist", "") for credit in credits})
    credited = f" by {artists} artists; see licenses and credits" if credits else ""
    trained = {"steps": steps, "seconds": round(seconds, 1), "device": str(device)}
    held = {"records": sum(len(cache.names) for cache in held_out), **measured}
    return {
        "data": f"{records} stereo records{credited}",
        "records": records,
        "trained": trained,
        **({"validation": held} if held_out else {}),
        "licenses": dict(Counter(credit.get("license", "not stated") for credit in credits)),
        "credits": credits,
    }
