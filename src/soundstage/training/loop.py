"""The training loop of every network: steps, moving average, validation, checkpoints, log.

AdamW with linear warm-up and a half cosine down to zero, gradients clipped in norm, an exponential
moving average of the weights. The average with the best validation score is kept, or the last one
without validation data.

Batch and dropout of a step are seeded from the number of the step, so that an interrupted and
resumed run ends with the same weights. Several processes share each batch (`distributed.py`) and
follow the curve of one up to rounding and dropout; rank 0 validates, saves and logs.
"""

import copy
import hashlib
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from soundstage.errors import OptionError
from soundstage.parallel import Progress, prefetch
from soundstage.seeding import combined_seed
from soundstage.training.checkpoints import (
    TrainingState,
    checkpoint_path,
    init_from,
    load_checkpoint,
    save_checkpoint,
)
from soundstage.training.distributed import average_gradients, check_agreement, get_rank, shard
from soundstage.training.logs import EpochEntry, Log, TrainingLog
from soundstage.training.recipe_base import LoopRecipe
from soundstage.weights import weights_digest

TIMED_STEPS = 8  # before the remaining time is estimated; the first step is slow and not counted
RANK_STRIDE = 0x9E3779B1  # between the seeds of two ranks; odd in the half that torch reads


class Task(ABC):
    """A network with its batches, loss and validation score."""

    model: nn.Module
    steps_per_epoch: int
    tokens_per_example: int = 0
    """Length of an example that is a sequence; the speed is then logged in tokens, too."""

    @property
    def saved_network(self) -> nn.Module:
        """The part of `model` that the weights hold, and that `init_from` initializes."""
        return self.model

    @abstractmethod
    def batch(self, step: int) -> tuple[Tensor, ...]:
        """The batch of a step, the same for every call; called from another thread.

        The first dimension of every tensor is the example, which processes share. Torch's global
        generator must not be used.
        """

    @abstractmethod
    def loss(self, *batch: Tensor) -> Tensor:
        """Mean loss of a batch on the device of the model, a scalar."""

    def n_terms(self, *batch: Tensor) -> int:
        """Number of terms in the mean of `loss`, by which processes weight their shards."""
        return len(batch[0])

    @abstractmethod
    def validate(self, model: nn.Module) -> float | None:
        """Score of a model in evaluation mode, higher is better; None without validation data."""


def learning_rate_factor(step: int, steps: int, warmup_steps: int) -> float:
    """Learning rate relative to its peak: linear warm-up, then a half cosine down to zero.

    >>> [round(learning_rate_factor(step, 6, 2), 2) for step in range(6)]
    [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]
    """
    warmup = min(warmup_steps, steps)
    if step < warmup:
        return (step + 1) / warmup
    part = (step - warmup) / max(steps - warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * part))


def run_loop(
    task: Task,
    recipe: LoopRecipe,
    output: Path,
    *,
    family: str,
    fingerprint: bytes,
    device: torch.device,
    progress: Progress | None = None,
    log: Log | None = None,
) -> TrainingState:
    """Train to the end, from the checkpoint beside `output` if there is one.

    The log is written to NAME.csv, one line an epoch. The checkpoint stays until the caller removes
    it, and can be resumed with any number of processes.

    Args:
        task: its model is moved to the device and trained in place.
        recipe: settings of the optimization.
        output: NAME.safetensors, which the caller writes.
        family: of the initial weights (`LoopRecipe.init_from`).
        fingerprint: SHA-256 of everything else that determines the result.
        device: to train on.
        progress: called after each step.
        log: called with the estimated time and with each epoch.

    Returns:
        The final state; `best` holds the weights to keep.

    Raises:
        OptionError: the checkpoint belongs to another run, or the loss is not finite.
        WeightsError: the checkpoint is damaged, or the initial weights do not fit.
        OutputError: a file cannot be written.
        PeerLostError: another process of the training ended.
    """
    log = log or (lambda line: None)
    if recipe.init_from:
        init_from(recipe.init_from, task.saved_network, family)
        fingerprint = hashlib.sha256(fingerprint + weights_digest(recipe.init_from)).digest()
    state = _initial_state(task.model.to(device), recipe)
    path, steps = checkpoint_path(output), recipe.epochs * task.steps_per_epoch
    if path.exists():
        load_checkpoint(path, state, fingerprint)
        if not 0 <= state.step <= steps:
            raise OptionError(
                f"{path} is at step {state.step} of {steps}: remove it to start again."
            )
        log(f"resuming from step {state.step} of {steps}, {path}")
    scheduler = _scheduler(state, recipe, steps)
    check_agreement(state.step, fingerprint, device)
    is_main = get_rank() == 0
    history = TrainingLog(output, state.step) if is_main else None
    clock = _Clock(task, state, steps, log)
    with (
        closing(history) if history else nullcontext(),
        closing(prefetch((task.batch(step) for step in range(state.step, steps)), 1)) as batches,
        torch.random.fork_rng(),
    ):
        for batch in batches:
            rate = float(scheduler.get_last_lr()[0])
            state.loss_sum += _step(task, state, recipe, batch, device)
            scheduler.step()
            state.step += 1
            clock.tick(len(batch[0]))
            if state.step % task.steps_per_epoch == 0:
                _end_epoch(task, state, recipe, rate, history, log)
            if is_main and (
                clock.since_saved() >= recipe.checkpoint_seconds or state.step == steps
            ):
                save_checkpoint(path, state, fingerprint)
                clock.saved()
            if progress:
                progress(state.step / steps)
    state.best = state.best or copy.deepcopy(state.averaged.module.state_dict())
    return state


def _initial_state(model: nn.Module, recipe: LoopRecipe) -> TrainingState:
    average = AveragedModel(model, multi_avg_fn=_ema(recipe.ema_decay), use_buffers=True)
    matrices = [each for each in model.parameters() if each.ndim > 1]
    vectors = [each for each in model.parameters() if each.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},  # no decay of gains and biases
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
    return TrainingState(model, average.requires_grad_(False).eval(), optimizer)


def _ema(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Exponential moving average over fewer steps at first, for `AveragedModel`."""

    @torch.no_grad()
    def update(averages: Sequence[Tensor], values: Sequence[Tensor], step: Tensor | int) -> None:
        keep = min(decay, (1 + int(step)) / (10 + int(step)))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1 - keep)
            else:
                average.copy_(value)

    return update


def _scheduler(state: TrainingState, recipe: LoopRecipe, steps: int) -> LambdaLR:
    for group in state.optimizer.param_groups:
        group["initial_lr"] = recipe.learning_rate  # LambdaLR expects it when it resumes
    return LambdaLR(
        state.optimizer,
        lambda step: learning_rate_factor(step, steps, recipe.warmup_steps),
        last_epoch=state.step - 1,
    )


def _step(
    task: Task,
    state: TrainingState,
    recipe: LoopRecipe,
    batch: tuple[Tensor, ...],
    device: torch.device,
) -> float:
    part, weight = shard(batch, task.n_terms)
    examples = [each.to(device) for each in part]
    torch.manual_seed(combined_seed(recipe.seed, state.step) + get_rank() * RANK_STRIDE)
    state.model.train()
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        loss = task.loss(*examples) if weight else torch.zeros((), device=device)
    state.optimizer.zero_grad()
    if weight:
        loss.backward()
    mean_loss = average_gradients(state.model, loss.detach(), weight)
    nn.utils.clip_grad_norm_(state.model.parameters(), recipe.grad_clip)
    state.optimizer.step()
    state.averaged.update_parameters(state.model)
    return mean_loss


def _end_epoch(
    task: Task,
    state: TrainingState,
    recipe: LoopRecipe,
    rate: float,
    history: TrainingLog | None,
    log: Log,
) -> None:
    epoch, loss = state.step // task.steps_per_epoch, state.loss_sum / task.steps_per_epoch
    state.loss_sum = 0.0
    if not math.isfinite(loss):
        raise OptionError(f"The loss of epoch {epoch} is not finite: lower the learning rate.")
    if history is None:
        return
    average, score = state.averaged.module, None
    if epoch % recipe.validate_every == 0 or epoch == recipe.epochs:
        with torch.no_grad():
            score = task.validate(average)
    if score is not None and score > state.score:
        state.score, state.best = score, copy.deepcopy(average.state_dict())
    history.write(EpochEntry(state.step, epoch, loss, rate, score, state.seconds))
    validation = "" if score is None else f", validation {score:.4f}"
    log(f"epoch {epoch} of {recipe.epochs}: loss {loss:.4f}{validation}, {state.seconds:.0f} s")


class _Clock:
    """Training time of the run, and one estimate of the remaining time."""

    def __init__(self, task: Task, state: TrainingState, steps: int, log: Log) -> None:
        self._task, self._state, self._steps, self._log = task, state, steps, log
        self._last = self._saved = time.perf_counter()
        self._ticks, self._timed, self._examples = 0, 0.0, 0

    def tick(self, examples: int) -> None:
        now = time.perf_counter()
        elapsed, self._last = now - self._last, now
        self._state.seconds += elapsed
        self._ticks += 1
        if self._ticks > 1:
            self._timed += elapsed
            self._examples += examples
        if self._ticks == TIMED_STEPS:
            self._log_estimate()

    def _log_estimate(self) -> None:
        speed, tokens = self._examples / self._timed, self._task.tokens_per_example
        in_tokens = f" ({speed * tokens:,.0f} tokens)" if tokens else ""
        left = self._steps - self._state.step
        hours = self._timed / (TIMED_STEPS - 1) * left / 3600
        self._log(f"{speed:,.1f} examples{in_tokens} per second, about {hours:.2f} hours left")

    def since_saved(self) -> float:
        return time.perf_counter() - self._saved

    def saved(self) -> None:
        self._saved = time.perf_counter()
