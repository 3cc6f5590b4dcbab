"""Checkpoints: everything a training run needs to go on as if it had never stopped.

One safetensors file, written by rename: weights, their running average, the best average so far and
the optimizer's moments, each under its own prefix, with the step and what was counted. Random
numbers need no place in it: the loop seeds every step anew (`loop.py`). A checkpoint is read like
any stranger's file: each tensor is held to the type and shape that the model wants.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from soundstage.errors import OptionError
from soundstage.weights import Weights, load_weights, save_weights

FAMILY = "checkpoint"
COUNTERS = ("step", "seconds", "loss_sum")


@dataclass
class TrainingState:
    """A run between two steps."""

    model: nn.Module
    averaged: nn.Module
    """Of the same shape, with the exponential moving average of the weights."""
    optimizer: torch.optim.Optimizer
    best: dict[str, Tensor] | None = None
    """The averaged weights with the highest score, once there is one."""
    step: int = 0
    """Steps done."""
    seconds: float = 0.0
    """Time taken, over all parts of the run."""
    loss_sum: float = 0.0
    """Of the steps since the epoch began."""
    score: float = -math.inf
    """The highest validation score."""


def checkpoint_path(output: Path) -> Path:
    """Where the checkpoint of NAME.safetensors lies: NAME.checkpoint.safetensors."""
    return output.with_suffix(".checkpoint.safetensors")


def save_checkpoint(path: Path, state: TrainingState, fingerprint: bytes) -> None:
    """Write a state.

    Args:
        path: replaced at once, or left as it was.
        state: of the run.
        fingerprint: SHA-256 of what the run is made of; another run cannot go on from here.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = {
        **_prefixed("model", state.model.state_dict()),
        **_prefixed("averaged", state.averaged.state_dict()),
        "fingerprint": torch.tensor(list(fingerprint), dtype=torch.uint8),
        "counters": torch.tensor(
            [float(getattr(state, name)) for name in COUNTERS], dtype=torch.float64
        ),
    }
    if state.best is not None:
        tensors |= _prefixed("best", state.best)
        tensors["score"] = torch.tensor(state.score, dtype=torch.float64)
    for name, parameter in state.model.named_parameters():
        for key, value in state.optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{name}.{key}"] = value
    save_weights(path, FAMILY, {name: value.detach().cpu() for name, value in tensors.items()})


def load_checkpoint(path: Path, state: TrainingState, fingerprint: bytes) -> None:
    """Fill a fresh state with a saved one.

    Raises:
        OptionError: the checkpoint is of another recipe, other data or another model.
        WeightsError: it is damaged, or no checkpoint.
    """
    weights = load_weights(path, FAMILY)
    saved = weights.tensor("fingerprint", torch.uint8, (len(fingerprint),))
    if bytes(saved.tolist()) != fingerprint:
        raise OptionError(
            f"{path} belongs to another recipe or to other data: remove it to begin anew, "
            "or choose another output."
        )
    counters = weights.tensor("counters", torch.float64, (len(COUNTERS),)).tolist()
    best, score = None, -math.inf
    if "score" in weights.tensors:
        best = _held_to(weights, "best", state.model.state_dict())
        score = float(weights.tensor("score", torch.float64, ()))
    state.averaged.load_state_dict(_held_to(weights, "averaged", state.averaged.state_dict()))
    _load_optimizer(weights, state)
    state.model.load_state_dict(_held_to(weights, "model", state.model.state_dict()))
    state.step, state.seconds, state.loss_sum = int(counters[0]), counters[1], counters[2]
    state.best, state.score = best, score


def _load_optimizer(weights: Weights, state: TrainingState) -> None:
    """AdamW's own tensors: a step and two moments for each parameter that was trained."""
    names = {parameter: name for name, parameter in state.model.named_parameters()}
    whole = state.optimizer.state_dict()
    order = [each for group in state.optimizer.param_groups for each in group["params"]]
    for index, parameter in enumerate(order):
        prefix, shape = f"optimizer.{names[parameter]}", tuple(parameter.shape)
        if f"{prefix}.step" not in weights.tensors:
            continue
        whole["state"][index] = {
            "step": weights.tensor(f"{prefix}.step", torch.float32, ()),
            "exp_avg": weights.tensor(f"{prefix}.exp_avg", parameter.dtype, shape),
            "exp_avg_sq": weights.tensor(f"{prefix}.exp_avg_sq", parameter.dtype, shape),
        }
    state.optimizer.load_state_dict(whole)


def _held_to(weights: Weights, prefix: str, wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: weights.tensor(f"{prefix}.{name}", tensor.dtype, tuple(tensor.shape))
        for name, tensor in wanted.items()
    }


def _prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}
