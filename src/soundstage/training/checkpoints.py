"""Initial weights and checkpoints of a training.

A checkpoint is one safetensors file: weights, their moving average, the best average so far and the
moments of the optimizer, each under its own prefix, with the counters of the loop. It holds no
random state, since the loop seeds every step from its number (`loop.py`). Each tensor is checked
against the type and shape of the model, as in any file from an unknown source.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from soundstage.errors import OptionError
from soundstage.weights.model import Weights, load_weights, save_weights

FAMILY = "checkpoint"
COUNTERS = ("step", "seconds", "loss_sum")


@dataclass
class TrainingState:
    """A run between two steps."""

    model: nn.Module
    averaged: AveragedModel
    """Exponential moving average of the model, in evaluation mode."""
    optimizer: torch.optim.Optimizer
    best: dict[str, Tensor] | None = None
    """Averaged weights with the highest validation score so far."""
    step: int = 0
    """Number of finished steps."""
    seconds: float = 0.0
    """Training time, over all sessions of the run."""
    loss_sum: float = 0.0
    """Sum of the losses since the start of the epoch."""
    score: float = -math.inf
    """Highest validation score."""


def init_from(source: str, model: nn.Module, family: str) -> None:
    """Initialize a model with existing weights.

    Args:
        source: name of a pretrained model, or a file that ends in .safetensors.
        model: is changed in place; its dtypes stay.
        family: required family of the weights.

    Raises:
        WeightsError: the weights are missing or damaged, or of another family or size.
    """
    weights = load_weights(source, family)
    state = model.state_dict()
    for name, tensor in state.items():
        stored = weights.tensors.get(name, tensor)
        # Files hold half precision, and no integer buffers such as batch counters
        dtype = stored.dtype if stored.is_floating_point() else tensor.dtype
        if name in weights.tensors or tensor.is_floating_point():
            state[name] = weights.tensor(name, dtype, tuple(tensor.shape)).to(tensor.dtype)
    with torch.no_grad():
        model.load_state_dict(state)


def checkpoint_path(output: Path) -> Path:
    """The checkpoint of NAME.safetensors: NAME.checkpoint.safetensors."""
    return output.with_suffix(".checkpoint.safetensors")


def save_checkpoint(path: Path, state: TrainingState, fingerprint: bytes) -> None:
    """Write a checkpoint atomically.

    Args:
        path: file to write or replace.
        state: of the run.
        fingerprint: SHA-256 of recipe and data; only a run with the same one can resume.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = {
        **_prefixed("model", state.model.state_dict()),
        **_prefixed("averaged", state.averaged.module.state_dict()),
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
    """Restore a checkpoint into a new state.

    Raises:
        OptionError: the checkpoint belongs to another recipe, other data or another model.
        WeightsError: the file is damaged, or not a checkpoint.
    """
    weights = load_weights(path, FAMILY)
    saved = weights.tensor("fingerprint", torch.uint8, (len(fingerprint),))
    if bytes(saved.tolist()) != fingerprint:
        raise OptionError(
            f"{path} belongs to another recipe or other data: remove it to start again, "
            "or choose another output."
        )
    counters = weights.tensor("counters", torch.float64, (len(COUNTERS),)).tolist()
    best, score = None, -math.inf
    if "score" in weights.tensors:
        best = _checked(weights, "best", state.model.state_dict())
        score = float(weights.tensor("score", torch.float64, ()))
    averaged = state.averaged.module
    averaged.load_state_dict(_checked(weights, "averaged", averaged.state_dict()))
    _load_optimizer(weights, state)
    state.model.load_state_dict(_checked(weights, "model", state.model.state_dict()))
    state.step, state.seconds, state.loss_sum = int(counters[0]), counters[1], counters[2]
    state.averaged.n_averaged.fill_(state.step)
    state.best, state.score = best, score


def _load_optimizer(weights: Weights, state: TrainingState) -> None:
    """Restore the step and the two moments of AdamW for each trained parameter."""
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


def _checked(weights: Weights, prefix: str, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: weights.tensor(f"{prefix}.{name}", tensor.dtype, tuple(tensor.shape))
        for name, tensor in expected.items()
    }


def _prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}
