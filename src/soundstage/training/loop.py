"""One loop for every network: steps, running average, validation, checkpoints, a log.

A network is trained by AdamW with linear warm-up and a cosine down to zero, gradients clipped in
norm, weights averaged exponentially; the average with the best validation score is kept, or the
last one where nothing is held out. Each step is a function of the weights before it and of its
number alone: its batch is drawn, and its dropout seeded, from the number of the step. So a run that
is killed and resumed ends with the same weights as one that was not. Several processes share each
batch (`group.py`) and so follow the curve of one, up to rounding and dropout; the first of them
validates, logs and writes.
"""

import copy
import hashlib
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from soundstage.errors import OptionError
from soundstage.seeding import combined_seed
from soundstage.training.checkpoints import (
    TrainingState,
    checkpoint_path,
    load_checkpoint,
    save_checkpoint,
)
from soundstage.training.collectives import agree_on, average_over_group, group_rank, share_of
from soundstage.training.data.tracks import Progress
from soundstage.training.init_from import begin_at, weights_digest
from soundstage.training.logs import EpochLine, TrainingLog
from soundstage.training.recipes import LoopRecipe

TIMED_STEPS = 8  # before the length of the run is foretold; the first is slow and does not count
# Between the seeds of two processes. Odd in its low half, the only one that torch's generator reads
RANK_STRIDE = 0x9E3779B1
Say = Callable[[str], None]
"""Told a line for the person who waits."""


class Task(Protocol):
    """What is trained: a network, its batches and its loss.

    A task whose examples are sequences may say how long they are as `tokens_per_example: int`; its
    speed is then told in tokens, too. One whose loss is no mean over examples has a method
    `terms(*batch) -> int` for how many terms the mean has; processes weigh their shares by it.
    """

    model: nn.Module
    steps_per_epoch: int

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """The batch of a step, the same whenever it is asked for; called from another thread.

        The first dimension of every tensor is examples, which processes share. It must not draw
        from torch's global generator.
        """

    def loss(self, *batch: Tensor) -> Tensor:
        """Mean loss of a batch on the device of the model, a scalar."""

    def validate(self, model: nn.Module) -> float | None:
        """Score of a model in evaluation mode, higher is better; None where nothing is held out."""


def choose_device(name: str = "auto") -> torch.device:
    """The device called "auto", "cpu" or "cuda"; auto takes a GPU where there is one.

    Raises:
        OptionError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise OptionError(f"There is no device {name!r}; there are auto, cpu and cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise OptionError("There is no GPU that torch can use here: choose the device cpu.")
    return torch.device(name)


def learning_rate(step: int, steps: int, recipe: LoopRecipe) -> float:
    """Of a step out of `steps`: up in a straight line, then down half a cosine."""
    warmup = min(recipe.warmup, steps)
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    part = (step - warmup) / max(steps - warmup, 1)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * part))


def run_loop(
    task: Task,
    recipe: LoopRecipe,
    output: Path,
    *,
    family: str,
    fingerprint: bytes,
    device: torch.device,
    progress: Progress | None = None,
    say: Say | None = None,
) -> TrainingState:
    """Train to the end, from the checkpoint beside `output` where there is one.

    The log lies beside it too, as NAME.csv: one line an epoch, seconds counted over all parts of
    the run. The checkpoint stays until the caller removes it, and does not know how many processes
    left it.

    Args:
        task: what is trained; its model is moved to the device and changed.
        recipe: how.
        output: NAME.safetensors, which the caller writes.
        family: of the weights that it may begin at (`LoopRecipe.begin`).
        fingerprint: SHA-256 of everything else that decides the result.
        device: out of `choose_device`.
        progress: called after each step.
        say: told the plan, the time it will take and each epoch.

    Returns:
        The state at the end; `best` holds the weights to keep.

    Raises:
        OptionError: the checkpoint is another run's, or the loss is no number.
        WeightsError: the checkpoint is damaged, or what it should begin at does not fit.
        OutputError: a file cannot be written.
        PeerLostError: another process of the training ended.
    """
    say = say or (lambda line: None)
    if recipe.begin:
        begin_at(recipe.begin, task.model, family)
        fingerprint = hashlib.sha256(fingerprint + weights_digest(recipe.begin)).digest()
    state = _fresh_state(task.model.to(device), recipe)
    path, steps = checkpoint_path(output), recipe.epochs * task.steps_per_epoch
    if path.exists():
        load_checkpoint(path, state, fingerprint)
        if not 0 <= state.step <= steps:
            raise OptionError(
                f"{path} stands at step {state.step} of {steps}: remove it to begin anew."
            )
        say(f"going on from step {state.step} of {steps}, out of {path}")
    agree_on(state.step, fingerprint, device)
    leading = group_rank() == 0
    log = TrainingLog(output, state.step) if leading else None
    clock = _Clock(task, state, steps, say)
    with (
        closing(log) if log else nullcontext(),
        _batches(task, state.step, steps) as batches,
        torch.random.fork_rng(),
    ):
        for batch in batches:
            state.loss_sum += _step(task, state, recipe, batch, steps, device)
            state.step += 1
            clock.tick(len(batch[0]))
            if state.step % task.steps_per_epoch == 0:
                _end_epoch(task, state, recipe, steps, log, say)
            if leading and (
                clock.since_saved() >= recipe.checkpoint_seconds or state.step == steps
            ):
                save_checkpoint(path, state, fingerprint)
                clock.saved()
            if progress:
                progress(state.step, steps)
    state.best = state.best or copy.deepcopy(state.averaged.state_dict())
    return state


def _fresh_state(model: nn.Module, recipe: LoopRecipe) -> TrainingState:
    averaged = copy.deepcopy(model).requires_grad_(False).eval()
    matrices = [each for each in model.parameters() if each.ndim > 1]
    others = [each for each in model.parameters() if each.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},  # decay of a norm's gain or an offset only harms
    ]
    return TrainingState(model, averaged, torch.optim.AdamW(groups, lr=recipe.learning_rate))


def _step(
    task: Task,
    state: TrainingState,
    recipe: LoopRecipe,
    batch: tuple[Tensor, ...],
    steps: int,
    device: torch.device,
) -> float:
    share, part = share_of(batch, getattr(task, "terms", None))
    share = [each.to(device) for each in share]
    torch.manual_seed(combined_seed(recipe.seed, state.step) + group_rank() * RANK_STRIDE)
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(state.step, steps, recipe)
    state.model.train()
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        loss = task.loss(*share) if part else torch.zeros((), device=device)
    state.optimizer.zero_grad()
    if part:
        loss.backward()
    mean_loss = average_over_group(state.model, loss.detach(), part)
    nn.utils.clip_grad_norm_(state.model.parameters(), recipe.clip)
    state.optimizer.step()
    # The average forgets its first steps: it is shorter than `ema` says while there are few
    keep = min(recipe.ema, (1 + state.step) / (10 + state.step))
    with torch.no_grad():
        pairs = zip(
            state.averaged.state_dict().values(), state.model.state_dict().values(), strict=True
        )
        for average, value in pairs:
            if average.is_floating_point():
                average.lerp_(value, 1 - keep)
            else:
                average.copy_(value)
    return mean_loss


def _end_epoch(
    task: Task,
    state: TrainingState,
    recipe: LoopRecipe,
    steps: int,
    log: TrainingLog | None,
    say: Say,
) -> None:
    epoch, loss = state.step // task.steps_per_epoch, state.loss_sum / task.steps_per_epoch
    state.loss_sum = 0.0
    if not math.isfinite(loss):
        raise OptionError(f"The loss of epoch {epoch} is no number: lower the learning rate.")
    if log is None:
        return
    score = None
    if epoch % recipe.validate_every == 0 or epoch == recipe.epochs:
        with torch.no_grad():
            score = task.validate(state.averaged)
    if score is not None and score > state.score:
        state.score, state.best = score, copy.deepcopy(state.averaged.state_dict())
    rate = learning_rate(state.step - 1, steps, recipe)
    log.write(EpochLine(state.step, epoch, loss, rate, score, state.seconds))
    heard = "" if score is None else f", validation {score:.4f}"
    say(f"epoch {epoch} of {recipe.epochs}: loss {loss:.4f}{heard}, {state.seconds:.0f} s")


@contextmanager
def _batches(task: Task, begin: int, steps: int) -> Iterator[Iterator[tuple[Tensor, ...]]]:
    """Batches of the steps from `begin` on, the next one made while this one is learned."""
    with ThreadPoolExecutor(1) as thread:

        def drawn() -> Iterator[tuple[Tensor, ...]]:
            ahead = thread.submit(task.batch, begin) if begin < steps else None
            for step in range(begin, steps):
                assert ahead is not None
                batch = ahead.result()
                if step + 1 < steps:
                    ahead = thread.submit(task.batch, step + 1)
                yield batch

        yield drawn()


class _Clock:
    """Seconds of the whole run, and one forecast."""

    def __init__(self, task: Task, state: TrainingState, steps: int, say: Say) -> None:
        self._state, self._steps, self._say = state, steps, say
        self._tokens: int | None = getattr(task, "tokens_per_example", None)
        self._last = self._saved = time.perf_counter()
        self._ticks, self._timed, self._examples = 0, 0.0, 0

    def tick(self, examples: int) -> None:
        now = time.perf_counter()
        taken, self._last = now - self._last, now
        self._state.seconds += taken
        self._ticks += 1
        if self._ticks > 1:
            self._timed += taken
            self._examples += examples
        if self._ticks == TIMED_STEPS:
            self._foretell()

    def _foretell(self) -> None:
        speed = self._examples / self._timed
        tokens = f" ({speed * self._tokens:,.0f} tokens)" if self._tokens else ""
        left = self._steps - self._state.step
        hours = self._timed / (TIMED_STEPS - 1) * left / 3600
        self._say(f"{speed:,.1f} examples{tokens} a second, about {hours:.2f} hours to go")

    def since_saved(self) -> float:
        return time.perf_counter() - self._saved

    def saved(self) -> None:
        self._saved = time.perf_counter()
