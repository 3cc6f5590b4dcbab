"""Trains the localizer: cross-entropy over 12 azimuths.

Accuracy on validation clips with the validation heads selects the best epoch. The card states
accuracy, mean absolute error and front-back confusions on the test clips, for heads of the training
and for heads that it never saw.
"""

import hashlib
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.corpora.spatial_events import AZIMUTHS, five_seconds, horizontal_hrirs, spatialize
from soundstage.metrics.localization import AzimuthLocalizer, localization_scores
from soundstage.networks.models.localizer import Localizer, LocalizerConfig
from soundstage.training.checkpoints import TrainingState
from soundstage.training.data.event_batches import Sound
from soundstage.training.data.event_dataset import EventDataset, open_events
from soundstage.training.data.localizer_batches import (
    AS_MEASURED,
    LocalizerBatches,
    head_source,
    open_heads,
)
from soundstage.training.scene_recipes import LocalizerRecipe
from soundstage.training.tasks.network_task import NetworkTask, build_network
from soundstage.weights import Card
from soundstage.weights.model import save_model

STEP = 6  # classes between the azimuths of a clip in tests: 2 of 12, the next clip 2 others

Responses = Float[Tensor, "azimuths 2 taps"]


class LocalizerTask(NetworkTask):
    """The azimuth of a sound event from its spectra at both ears."""

    metric = "accuracy"
    unrelated_keys = frozenset({"card", "test_folds", "test_heads"})
    recipe: LocalizerRecipe
    dataset: EventDataset

    @classmethod
    def open(cls, recipe: LocalizerRecipe, folder: Path, jobs: int = 1) -> "LocalizerTask":
        """The task of a recipe on a collection of sound events with a folder `heads`.

        Raises:
            InputError: the folder is not such a collection, or lacks a head or the folds of the
                recipe.
        """
        dataset = open_events(recipe, folder, jobs)
        sounds, _ = dataset.labeled(dataset.train)
        batches = LocalizerBatches(
            sounds,
            open_heads(recipe.heads, folder, recipe.augmentation),
            batch_size=min(recipe.loop.batch_size, len(sounds)),
            augmentation=recipe.augmentation,
            seed=recipe.loop.seed,
            first_head_prob=recipe.first_head_prob,
            median_prob=recipe.median_prob,
        )
        shortest, longest = recipe.augmentation.segment_seconds
        model = build_network(config_of(recipe).build, recipe.loop.seed)
        task = cls(recipe, dataset, model, batches, example=f"{shortest:g} to {longest:g} s")
        task._valid, task._test = (
            {name: horizontal_hrirs(head_source(name, folder)) for name in names}
            for names in (recipe.valid_heads, recipe.test_heads)
        )
        return task

    _valid: dict[str, Responses]
    _test: dict[str, Responses]

    def loss(self, *batch: Tensor) -> Tensor:
        """Cross-entropy in nats."""
        spectra, azimuths = batch
        logits = self.model(spectra).float()
        return F.cross_entropy(logits, azimuths, label_smoothing=self.recipe.label_smoothing)

    def validate(self, model: nn.Module) -> float | None:
        """Accuracy on the validation clips, 0 to 1."""
        sounds, _ = self.dataset.labeled(self.dataset.valid)
        if not sounds or not self._valid:
            return None
        assert isinstance(model, Localizer)
        return _scores(model, sounds, list(self._valid.values()))["accuracy"]

    def save(self, path: Path, state: dict[str, Tensor]) -> str:
        """Write the weights in half precision."""
        return save_model(path, config_of(self.recipe), state)

    def fingerprint(self) -> bytes:
        """SHA-256 of everything that determines the result, with the responses of the heads."""
        assert isinstance(self._batches, LocalizerBatches)
        heads = self._batches.heads.numpy().tobytes()
        return hashlib.sha256(super().fingerprint() + heads).digest()

    def facts(self, state: TrainingState, device: torch.device) -> Card:
        """Card entries, with the scores of the saved weights on the test clips."""
        facts = super().facts(state, device)
        facts["azimuths"] = list(AZIMUTHS)
        if self.dataset.test:
            assert state.best is not None
            facts["test"] = self._test_scores(state.best)
        return facts

    def metric_value(self, score: float) -> float:
        """The accuracy."""
        return round(score, 4)

    def _test_scores(self, state: dict[str, Tensor]) -> Card:
        """Scores of weights in half precision.

        For the first head, for all heads of the training in turn, and for each unseen one.
        """
        model = self.model
        assert isinstance(model, Localizer)
        model.load_state_dict(
            {
                name: value.half().float() if value.is_floating_point() else value
                for name, value in state.items()
            }
        )
        sounds, _ = self.dataset.labeled(self.dataset.test)
        assert isinstance(self._batches, LocalizerBatches)
        trained = list(self._batches.heads[:, AS_MEASURED])
        card: Card = {
            "folds": sorted({clip.fold for clip in self.dataset.test}),
            "clips": len(sounds),
            "first_head": _scores(model, sounds, trained[:1]),
            "trained_heads": _scores(model, sounds, trained),
        }
        unseen = {
            name: _scores(model, sounds, [responses]) for name, responses in self._test.items()
        }
        return {**card, "unseen_heads": unseen} if unseen else card


@torch.no_grad()
def _scores(model: Localizer, sounds: list[Sound], heads: list[Responses]) -> Card:
    """Scores of sounds, with heads in turn, each from 2 azimuths."""
    localizer = AzimuthLocalizer(model.eval())
    device = next(model.parameters()).device
    found, true = [], []
    for index, sound in enumerate(sounds):
        chosen = [(index + step) % len(AZIMUTHS) for step in range(0, len(AZIMUTHS), STEP)]
        ears = spatialize(five_seconds(sound), heads[index % len(heads)][chosen])
        found.append(localizer.azimuths(ears.to(device)).cpu())
        true += [float(AZIMUTHS[each]) for each in chosen]
    scores = localization_scores(torch.cat(found), torch.tensor(true))
    return {name: round(value, 4) for name, value in scores._asdict().items()}


def config_of(recipe: LocalizerRecipe) -> LocalizerConfig:
    """The config of the network of a recipe."""
    return LocalizerConfig(
        branch_channels=recipe.branch_channels,
        joint_channels=recipe.joint_channels,
        frame_dim=recipe.frame_dim,
        embedding_dim=recipe.embedding_dim,
        dropout=recipe.dropout,
    )
