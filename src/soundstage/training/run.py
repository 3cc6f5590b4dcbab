"""From a recipe and a collection to a file of weights with its card."""

import json
import platform
import time
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch

from soundstage.corpora import Credit, find_manifest, read_credits, stereo_records
from soundstage.errors import OutputError
from soundstage.training.decorrelate import train_decorrelate
from soundstage.training.nearest import train_nearest
from soundstage.training.recipes import NearestRecipe, Recipe
from soundstage.training.records import Progress
from soundstage.weights import Card, save_weights, write_by_rename


@dataclass(frozen=True)
class TrainingResult:
    """What a training run leaves behind."""

    weights: Path
    card: Path
    records: int
    left_out: list[str]
    """A sentence for every file of the collection that could not be used."""
    seconds: float


def train(
    recipe: Recipe,
    data: Path,
    output: Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train a model on a folder of stereo records.

    Args:
        recipe: out of `load_recipe`.
        data: the folder, searched with its subfolders.
        output: NAME.safetensors; the card is written beside it as NAME.json.
        workers: processes that read records at the same time.
        overwrite: whether an existing file may be replaced.
        progress: called after each record.

    Raises:
        InputError: the folder holds no record that can be used.
        OutputError: the weights cannot be written.
    """
    if output.suffix != ".safetensors":
        raise OutputError(f"{output}: the name of weights ends in .safetensors.")
    card = output.with_suffix(".json")
    for path in (output, card):
        if path.exists() and not overwrite:
            raise OutputError(f"{path} exists; choose another name or allow overwriting.")
    if not output.parent.is_dir():
        raise OutputError(f"{output}: the folder {output.parent} does not exist.")
    started = time.perf_counter()
    records, left_out = stereo_records(data)
    with torch.inference_mode():
        if isinstance(recipe, NearestRecipe):
            tensors, unused = train_nearest(recipe, records, workers=workers, progress=progress)
        else:
            tensors, unused = train_decorrelate(recipe, records, workers=workers, progress=progress)
    digest = save_weights(output, recipe.family, tensors)
    seconds = time.perf_counter() - started
    used = len(records) - len(unused)
    manifest = find_manifest(data)
    credits = read_credits(manifest, records) if manifest else []
    facts: Card = {
        "name": output.stem,
        "family": recipe.family,
        **(recipe.card.model_dump() if recipe.card else {}),
        "data": _data_sentence(used, credits),
        "sha256": digest,
        "bytes": output.stat().st_size,
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "recipe": recipe.model_dump(exclude={"card"}),
        "records": used,
        "trained": {
            "date": date.today().isoformat(),
            "seconds": round(seconds, 1),
            "processes": workers,
            "processor": platform.machine(),
        },
        "licences": dict(Counter(credit.get("licence", "not stated") for credit in credits)),
        "credits": credits,
    }
    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    write_by_rename(card, text.encode())
    return TrainingResult(output, card, used, left_out + unused, seconds)


def _data_sentence(records: int, credits: list[Credit]) -> str:
    if not credits:
        return f"{records} stereo records, without a manifest that credits them"
    artists = len({credit.get("artist", "") for credit in credits})
    return f"{records} stereo records by {artists} artists; see licences and credits"
