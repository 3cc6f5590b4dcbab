"""What every training of a network shares: data, checks, plan, fingerprint and card entries."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from soundstage.errors import OptionError
from soundstage.training.checkpoints import TrainingState
from soundstage.training.loop import Task
from soundstage.training.recipes import NetworkRecipe
from soundstage.weights import Card


class Dataset(Protocol):
    """The data of a training, in a training and a validation part."""

    @property
    def description(self) -> str:
        """The amount of training data, for the log."""

    @property
    def n_valid(self) -> int:
        """Number of validation recordings; 0 if there are none."""

    @property
    def skipped(self) -> Sequence[str]:
        """A message for every file that cannot be used."""

    def digest(self) -> bytes:
        """SHA-256 of the data."""

    def facts(self) -> Card:
        """Card entries: `data`, `recordings`, `licenses`, `credits`."""


class Batches(Protocol):
    """A source of batches."""

    @property
    def per_epoch(self) -> int:
        """Number of batches that cover the data once."""

    def draw(self, step: int) -> Sequence[Tensor]:
        """The batch of a step, the same for every call."""


class NetworkTask(Task):
    """A network before the loop; a family adds its loss, its validation and its file format.

    Args:
        recipe: settings of the training.
        dataset: the data.
        model: network to train.
        batches: training batches.
        example: length of an example, for the log.
    """

    metric: ClassVar[str]
    """Name of the validation error in the card."""
    unrelated_keys: ClassVar[frozenset[str]] = frozenset({"card"})
    """Keys of the recipe that do not change the weights."""

    def __init__(
        self,
        recipe: NetworkRecipe,
        dataset: Dataset,
        model: nn.Module,
        batches: Batches,
        *,
        example: str,
    ) -> None:
        self.recipe, self.dataset = recipe, dataset
        self.model = model
        self.steps_per_epoch = recipe.steps_per_epoch or batches.per_epoch
        self._batches, self._example = batches, example

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """The batch of a step, the same for every call."""
        return tuple(self._batches.draw(step))

    @abstractmethod
    def save(self, path: Path, state: dict[str, Tensor]) -> str:
        """Write trained weights; returns the SHA-256 of the file.

        Raises:
            OutputError: the file cannot be written.
        """

    def plan(self, device: torch.device) -> str:
        """One line on the training, for the log."""
        count = sum(parameter.numel() for parameter in self.model.parameters())
        loop = self.recipe.loop
        return (
            f"{self.recipe.family}: {count:,} parameters, {self.dataset.description}, "
            f"{loop.epochs} epochs of {self.steps_per_epoch} steps of {loop.batch_size} × "
            f"{self._example}, on {device}"
        )

    def fingerprint(self) -> bytes:
        """SHA-256 of everything that determines the result."""
        recipe = self.recipe.model_dump(mode="json", exclude=set(self.unrelated_keys))
        settings = json.dumps(recipe, sort_keys=True).encode()
        return hashlib.sha256(settings + self.dataset.digest()).digest()

    def facts(self, state: TrainingState, device: torch.device) -> Card:
        """Card entries on data, training and validation."""
        trained = {
            "steps": state.step,
            "seconds": round(state.seconds, 1),
            "device": str(device),
        }
        facts = {**self.dataset.facts(), "trained": trained}
        if self.dataset.n_valid:
            score = {self.metric: self.metric_value(state.score)}
            facts["validation"] = {"recordings": self.dataset.n_valid, **score}
        return facts

    def metric_value(self, score: float) -> float:
        """The value of `metric` in the card from the validation score."""
        return round(-score, 5)


def build_network(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """An untrained network, the same for the same seed.

    Raises:
        OptionError: the configuration is not supported.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return build()
        except ValueError as error:
            raise OptionError(f"The recipe has an unsupported configuration: {error}.") from error


def mean_error(
    errors: Callable[..., Tensor], batches: Batches, count: int, model: nn.Module
) -> float:
    """Mean of the errors of `count` validation batches, on the device of the model."""
    device = next(model.parameters()).device
    parts = [
        errors(*(part.to(device) for part in batches.draw(step))).double() for step in range(count)
    ]
    return torch.cat(parts).mean().item()
