"""What the trainings on prepared features share: the plan that is said, and facts for the card."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from soundstage.corpora.feature_cache import FeatureCache
from soundstage.training.recipes import AutoregressiveRecipe, MaskedRecipe, RegressionRecipe
from soundstage.weights import Card

FeaturesRecipe = RegressionRecipe | MaskedRecipe | AutoregressiveRecipe


def features_plan(
    recipe: FeaturesRecipe,
    model: nn.Module,
    learnt: list[FeatureCache],
    epoch_steps: int,
    example: str,
    device: torch.device,
) -> str:
    """One line that says what is about to happen; `example` says how long one is."""
    count = sum(parameter.numel() for parameter in model.parameters())
    frames = sum(len(cache.tokens) for cache in learnt)
    return (
        f"{recipe.family}: {count:,} parameters, {frames:,} frames of "
        f"{sum(len(cache.names) for cache in learnt):,} records, {recipe.loop.epochs} epochs of "
        f"{epoch_steps} steps of {recipe.loop.batch} × {example}, on {device}"
    )


def features_fingerprint(recipe: FeaturesRecipe, caches: list[FeatureCache]) -> bytes:
    """SHA-256 of all that decides the result of a training."""
    followed = recipe.model_dump(mode="json", exclude={"card"})
    digest = hashlib.sha256(json.dumps(followed, sort_keys=True).encode())
    for cache in caches:
        digest.update(cache.fingerprint)
    return digest.digest()


def facts(
    learnt: list[FeatureCache],
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
            for cache in learnt
            for credit in cache.credits
        }.values()
    )
    records = len({name for cache in learnt for name in cache.names})
    artists = len({credit.get("artist", "") for credit in credits})
    credited = f" by {artists} artists; see licences and credits" if credits else ""
    trained = {"steps": steps, "seconds": round(seconds, 1), "device": str(device)}
    held = {"records": sum(len(cache.names) for cache in held_out), **measured}
    return {
        "data": f"{records} stereo records{credited}",
        "records": records,
        "trained": trained,
        **({"validation": held} if held_out else {}),
        "licences": dict(Counter(credit.get("licence", "not stated") for credit in credits)),
        "credits": credits,
    }
