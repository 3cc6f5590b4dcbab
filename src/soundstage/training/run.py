"""Trains a model: from a recipe and a folder of data to a file of weights and its card."""

import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from soundstage.atomic_files import write_atomically
from soundstage.errors import OptionError, OutputError
from soundstage.parallel import Progress, resolve_device
from soundstage.training.checkpoints import checkpoint_path
from soundstage.training.distributed import is_rank_zero, run_distributed, world_size
from soundstage.training.field_recipes import AmbisonicRecipe
from soundstage.training.logs import Log, tensorboard_logs
from soundstage.training.loop import run_loop
from soundstage.training.recipes import (
    AutoregressiveRecipe,
    BinauralGradRecipe,
    DiffStereoRecipe,
    DiffusionRecipe,
    MaskedRecipe,
    NetworkRecipe,
    Recipe,
    RegressionRecipe,
    StemsRecipe,
    TableRecipe,
    TaggerRecipe,
    WarpNetRecipe,
    WaveNetRecipe,
)
from soundstage.training.scene_recipes import (
    DualSpecRecipe,
    LocalizerRecipe,
    SpectrogramVAERecipe,
    VocoderRecipe,
)
from soundstage.training.tasks.ambisonic import AmbisonicTask
from soundstage.training.tasks.binaural_regression import BinauralRegressionTask
from soundstage.training.tasks.binauralgrad import BinauralGradTask
from soundstage.training.tasks.diffstereo import DiffStereoTask
from soundstage.training.tasks.diffusion import DiffusionTask
from soundstage.training.tasks.dualspec import DualSpecTask
from soundstage.training.tasks.localizer import LocalizerTask
from soundstage.training.tasks.network_task import NetworkTask
from soundstage.training.tasks.regression import RegressionTask
from soundstage.training.tasks.spectrogram_vae import SpectrogramVAETask
from soundstage.training.tasks.stems import StemsTask
from soundstage.training.tasks.stereo_tokens import StereoTokensTask
from soundstage.training.tasks.tables import compute_table
from soundstage.training.tasks.tagger import TaggerTask
from soundstage.training.tasks.vocoder import VocoderTask
from soundstage.weights import Card, weights_digest
from soundstage.weights.model import load_weights, save_weights

TASKS: dict[type, Callable[[Any, Path, int], NetworkTask]] = {
    TaggerRecipe: TaggerTask.open,
    LocalizerRecipe: LocalizerTask.open,
    StemsRecipe: StemsTask.open,
    RegressionRecipe: RegressionTask.open,
    MaskedRecipe: StereoTokensTask.open,
    AutoregressiveRecipe: StereoTokensTask.open,
    DiffusionRecipe: DiffusionTask.open,
    DiffStereoRecipe: DiffStereoTask.open,
    AmbisonicRecipe: AmbisonicTask.open,
    WaveNetRecipe: BinauralRegressionTask.open,
    WarpNetRecipe: BinauralRegressionTask.open,
    BinauralGradRecipe: BinauralGradTask.open,
    SpectrogramVAERecipe: SpectrogramVAETask.open,
    VocoderRecipe: VocoderTask.open,
    DualSpecRecipe: DualSpecTask.open,
}
"""The task of a recipe, opened with (recipe, folder, jobs)."""


@dataclass(frozen=True)
class TrainingResult:
    """Result of a training."""

    weights: Path
    card: Path
    recordings: int
    """Number of tracks, clips or recordings used for training."""
    skipped: list[str]
    """A message for every file that cannot be used."""
    seconds: float


def train(
    recipe: Recipe,
    data: Path,
    output: Path,
    *,
    jobs: int = 1,
    processes: int = 1,
    device: str = "auto",
    tensorboard: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    log: Log | None = None,
) -> TrainingResult:
    """Train a model on a folder of stereo tracks, features, binaural speech or sound events.

    A network writes a checkpoint and a log beside its output. After an interruption, the same call
    resumes from the checkpoint, with any number of processes. Under torchrun, every process calls
    this function, and rank 0 writes.

    Args:
        recipe: from `load_recipe`.
        data: the folder, searched with its subfolders.
        output: NAME.safetensors; the card is written to NAME.json.
        jobs: number of processes that read tracks.
        processes: number of processes that train a network together; on GPUs each has its own. A
            script must call this under `if __name__ == "__main__":`.
        device: "auto", "cpu", "cuda" or "mps", for a network.
        tensorboard: folder for TensorBoard logs, in the subfolder NAME.
        overwrite: whether existing files are replaced.
        progress: called after each track or step.
        log: called with the plan, the estimated time, and each epoch of a network.

    Raises:
        InputError: the folder has no usable data.
        OptionError: the checkpoint beside the output belongs to another recipe, the device is not
            available, or `processes` or `tensorboard` is set for a model without a network.
        WeightsError: the checkpoint is damaged.
        OutputError: the weights cannot be written.
        SoundstageError: one of several processes was killed.
    """
    _check_output(recipe, output, overwrite)
    if isinstance(recipe, TableRecipe):
        if processes > 1 or tensorboard:
            raise OptionError(
                f"{recipe.family} has no network: do not set `processes` or `tensorboard`."
            )
        return _compute(recipe, data, output, jobs, progress)
    work = partial(_train_network, recipe, data, output, jobs, device, tensorboard)
    return run_distributed(processes, work, device=device, progress=progress, log=log)


def _compute(
    recipe: TableRecipe, data: Path, output: Path, jobs: int, progress: Progress | None
) -> TrainingResult:
    started = time.perf_counter()
    tensors, skipped, facts = compute_table(recipe, data, jobs=jobs, progress=progress)
    seconds = time.perf_counter() - started
    digest = save_weights(output, recipe.family, tensors)
    facts["trained"] = {"seconds": round(seconds, 1), "processes": jobs}
    card = _write_card(recipe, output, digest, facts)
    return TrainingResult(output, card, facts["recordings"], skipped, seconds)


def _train_network(
    recipe: NetworkRecipe,
    data: Path,
    output: Path,
    jobs: int,
    device: str,
    tensorboard: Path | None,
    *,
    progress: Progress | None,
    log: Log | None,
) -> TrainingResult:
    """The work of every process; rank 0 writes."""
    started = time.perf_counter()
    initial: Card = {}
    if recipe.loop.init_from:  # hashed now, since the output may replace this file
        source = recipe.loop.init_from
        initial["init_from"] = {"weights": source, "sha256": weights_digest(source).hex()}
    torch_device = resolve_device(device)
    task = TASKS[type(recipe)](recipe, data, jobs)
    if log:
        log(task.plan(torch_device))
    with tensorboard_logs(tensorboard):
        state = run_loop(
            task,
            recipe.loop,
            output,
            family=recipe.family,
            fingerprint=task.fingerprint(),
            device=torch_device,
            progress=progress,
            log=log,
        )
    facts = task.facts(state, torch_device)
    facts["trained"] = {**initial, "processes": max(jobs, world_size()), **facts["trained"]}
    if is_rank_zero():
        assert state.best is not None
        digest = task.save(output, state.best)
        _write_card(recipe, output, digest, facts)
        checkpoint_path(output).unlink(missing_ok=True)  # only now is nothing left to resume
    seconds = time.perf_counter() - started
    card = output.with_suffix(".json")
    return TrainingResult(output, card, facts["recordings"], list(task.dataset.skipped), seconds)


def _write_card(recipe: Recipe, output: Path, digest: str, facts: Card) -> Path:
    """Write the card of new weights, with all entries of `facts`."""
    # As loaded, since some matrices are stored as factors
    tensors = load_weights(output, recipe.family).tensors
    first: Card = {
        "name": output.stem,
        "family": recipe.family,
        **(recipe.card.model_dump(exclude_defaults=True) if recipe.card else {}),
        "data": facts["data"],
        "sha256": digest,
        "bytes": output.stat().st_size,
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "recipe": recipe.model_dump(exclude={"card"}),
    }
    trained = {
        "date": date.today().isoformat(),
        "processor": platform.machine(),
        **facts["trained"],
    }
    last = {name: facts[name] for name in ("licenses", "credits")}
    middle = {name: fact for name, fact in facts.items() if name not in {*first, *last}}
    content = {**first, **middle, "trained": trained, **last}
    path = output.with_suffix(".json")
    write_atomically(path, f"{json.dumps(content, indent=2, ensure_ascii=False)}\n")
    return path


def _check_output(recipe: Recipe, output: Path, overwrite: bool) -> None:
    if output.suffix != ".safetensors":
        raise OutputError(f"{output}: the name of weights must end in .safetensors.")
    results = [output, output.with_suffix(".json")]
    if not isinstance(recipe, TableRecipe) and not checkpoint_path(output).exists():
        results.append(output.with_suffix(".csv"))
    for path in results:
        if path.exists() and not overwrite:
            raise OutputError(f"{path} exists; choose another name, or allow overwriting.")
    if not output.parent.is_dir():
        raise OutputError(f"{output}: the folder {output.parent} does not exist.")
