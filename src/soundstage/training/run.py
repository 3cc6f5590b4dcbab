"""From a recipe and a collection to a file of weights with its card."""

import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from soundstage.atomic_files import write_atomically
from soundstage.corpora import stereo_tracks
from soundstage.errors import OptionError, OutputError
from soundstage.training.checkpoints import checkpoint_path
from soundstage.training.collectives import group_size
from soundstage.training.data.parameter_pool import train_parameter_pool
from soundstage.training.data.tracks import Progress, record_facts
from soundstage.training.distributed import in_processes, leads
from soundstage.training.init_from import weights_digest
from soundstage.training.logs import tensorboard_logs
from soundstage.training.loop import Say
from soundstage.training.recipes import (
    AutoregressiveRecipe,
    BinauralGradRecipe,
    DecorrelateRecipe,
    DiffStereoRecipe,
    DiffusionRecipe,
    MaskedRecipe,
    NearestRecipe,
    ParameterPoolRecipe,
    Recipe,
    RegressionRecipe,
    TaggerRecipe,
    WarpNetRecipe,
    WaveNetRecipe,
)
from soundstage.training.tasks.binaural_regression import train_binaural_regression
from soundstage.training.tasks.binauralgrad import train_binauralgrad
from soundstage.training.tasks.decorrelate import train_decorrelate
from soundstage.training.tasks.diffstereo import train_diffstereo
from soundstage.training.tasks.diffusion import train_diffusion
from soundstage.training.tasks.generative import train_generative
from soundstage.training.tasks.nearest import train_nearest
from soundstage.training.tasks.regression import train_regression
from soundstage.training.tasks.tagger import train_tagger
from soundstage.weights import Card, load_weights, save_weights

Trained = tuple[dict[str, Tensor], list[str], Card]
"""Tensors of the weights, what was left out, facts for the card."""
_NETWORKS: dict[type, Callable[..., Trained]] = {
    RegressionRecipe: train_regression,
    MaskedRecipe: train_generative,
    AutoregressiveRecipe: train_generative,
    DiffusionRecipe: train_diffusion,
    DiffStereoRecipe: train_diffstereo,
    WaveNetRecipe: train_binaural_regression,
    WarpNetRecipe: train_binaural_regression,
    BinauralGradRecipe: train_binauralgrad,
}
"""What trains the network of a recipe; all are called alike."""


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
    processes: int = 1,
    device: str = "auto",
    tensorboard: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    say: Say | None = None,
) -> TrainingResult:
    """Train a model on a folder of stereo records, of sound events for a tagger, or of features.

    A network leaves a checkpoint and a log beside its output while it learns; called again after
    it was interrupted, the same recipe goes on from there, with any number of processes. Under
    torchrun, every process that it began calls this; the first one writes.

    Args:
        recipe: out of `load_recipe`.
        data: the folder, searched with its subfolders; for networks of parametric stereo, one
            that `soundstage prepare` filled.
        output: NAME.safetensors; the card is written beside it as NAME.json.
        workers: processes that read records at the same time.
        processes: processes that train a network together, sharing each batch; with GPUs, each has
            its own. A program that asks for several does so under `if __name__ == "__main__":`.
        device: where a network is trained: auto, cpu or cuda.
        tensorboard: folder of logs for TensorBoard, NAME inside it being this one's.
        overwrite: whether an existing file may be replaced.
        progress: called after each record or step.
        say: told the plan, the time it will take, and each epoch of a network.

    Raises:
        InputError: the folder holds no record that can be used.
        OptionError: the checkpoint beside the output is of another recipe, there is no such device
            or too few of them, or the model is not learned in steps that processes could share.
        WeightsError: the checkpoint is damaged.
        OutputError: the weights cannot be written.
        SoundstageError: one of several processes was killed.
    """
    _check_output(recipe, output, overwrite)
    if not hasattr(recipe, "loop"):
        if processes > 1 or tensorboard:
            raise OptionError(
                f"{recipe.family} is not learned in steps: leave out processes and tensorboard."
            )
        return _train(recipe, data, output, workers, device, progress=progress, say=say)
    work = partial(_train_in_steps, recipe, data, output, workers, device, tensorboard)
    return in_processes(processes, work, device=device, progress=progress, say=say)


def _train_in_steps(
    recipe: Recipe,
    data: Path,
    output: Path,
    workers: int,
    device: str,
    tensorboard: Path | None,
    *,
    progress: Progress | None,
    say: Say | None,
) -> TrainingResult:
    with tensorboard_logs(tensorboard):
        return _train(recipe, data, output, workers, device, progress=progress, say=say)


def _train(
    recipe: Recipe,
    data: Path,
    output: Path,
    workers: int,
    device: str,
    *,
    progress: Progress | None,
    say: Say | None,
) -> TrainingResult:
    """What every process does; the first one writes."""
    started = time.perf_counter()
    beginning = _beginning(recipe)  # now, as the output may be the same file
    if isinstance(recipe, TaggerRecipe):
        tensors, left_out, facts = train_tagger(
            recipe, data, output, workers=workers, device=device, progress=progress, say=say
        )
        used = facts["trained"]["clips"]
    elif type(recipe) in _NETWORKS:
        tensors, left_out, facts = _NETWORKS[type(recipe)](
            recipe, data, output, device=device, progress=progress, say=say
        )
        used = facts["records"]
    else:
        assert isinstance(recipe, NearestRecipe | DecorrelateRecipe | ParameterPoolRecipe)
        tensors, left_out, facts = _train_on_records(recipe, data, workers, progress)
        used = facts["records"]
    seconds = time.perf_counter() - started
    card = output.with_suffix(".json")
    if leads():
        digest = save_weights(output, recipe.family, tensors)
        processes = max(workers, group_size())
        facts["trained"] = {**beginning, **facts.get("trained", {})}
        # As it is read again: some matrices are stored as factors
        whole = load_weights(output, recipe.family).tensors
        _write_card(card, recipe, output, whole, facts, digest, seconds, processes)
        checkpoint_path(output).unlink(missing_ok=True)  # only now is nothing left to go on with
    return TrainingResult(output, card, used, left_out, seconds)


def _beginning(recipe: Recipe) -> Card:
    """What a card says of the weights that the first step starts from."""
    begin = recipe.loop.begin if hasattr(recipe, "loop") else ""
    if not begin:
        return {}
    return {"began_at": {"weights": begin, "sha256": weights_digest(begin).hex()}}


def _write_card(
    card: Path,
    recipe: Recipe,
    weights: Path,
    tensors: Mapping[str, Tensor],
    facts: Card,
    digest: str,
    seconds: float,
    processes: int,
) -> None:
    """Everything there is to say of new weights."""
    head: Card = {
        "name": weights.stem,
        "family": recipe.family,
        **(recipe.card.model_dump(exclude_defaults=True) if recipe.card else {}),
        "data": facts.pop("data"),
        "sha256": digest,
        "bytes": weights.stat().st_size,
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "recipe": recipe.model_dump(exclude={"card"}),
    }
    trained = {
        "date": date.today().isoformat(),
        "seconds": round(seconds, 1),
        "processes": processes,
        "processor": platform.machine(),
        **facts.pop("trained"),
    }
    credits = {name: facts.pop(name) for name in ("licenses", "credits")}
    text = json.dumps(
        {**head, **facts, "trained": trained, **credits}, indent=2, ensure_ascii=False
    )
    write_atomically(card, f"{text}\n")


def _learns_in_steps(recipe: Recipe) -> bool:
    """Whether it leaves a checkpoint and a log while it learns."""
    return hasattr(recipe, "loop")


def _check_output(recipe: Recipe, output: Path, overwrite: bool) -> None:
    if output.suffix != ".safetensors":
        raise OutputError(f"{output}: the name of weights ends in .safetensors.")
    results = [output, output.with_suffix(".json")]
    if _learns_in_steps(recipe) and not checkpoint_path(output).exists():
        results.append(output.with_suffix(".csv"))
    for path in results:
        if path.exists() and not overwrite:
            raise OutputError(f"{path} exists; choose another name or allow overwriting.")
    if not output.parent.is_dir():
        raise OutputError(f"{output}: the folder {output.parent} does not exist.")


def _train_on_records(
    recipe: NearestRecipe | DecorrelateRecipe | ParameterPoolRecipe,
    data: Path,
    workers: int,
    progress: Progress | None,
) -> tuple[dict[str, Tensor], list[str], Card]:
    """Tensors, what was left out, and facts for the card."""
    records, left_out = stereo_tracks(data)
    with torch.inference_mode():
        if isinstance(recipe, NearestRecipe):
            tensors, unused = train_nearest(recipe, records, workers=workers, progress=progress)
        elif isinstance(recipe, ParameterPoolRecipe):
            tensors, unused = train_parameter_pool(records, workers=workers, progress=progress)
        else:
            tensors, unused = train_decorrelate(recipe, records, workers=workers, progress=progress)
    facts = record_facts(data, records, used=len(records) - len(unused))
    return tensors, left_out + unused, facts
