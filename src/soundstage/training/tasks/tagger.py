"""Trains the tagger of sound events; its embedding serves the Fréchet audio distance.

Cross-entropy with mixed labels; accuracy on whole clips selects the best epoch.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.metrics.embeddings.built_in import TAGGER_WINDOW as WINDOW
from soundstage.networks.models.tagger import LogMel, Tagger, TaggerConfig
from soundstage.training.checkpoints import TrainingState
from soundstage.training.data.event_batches import EventBatches, Sound
from soundstage.training.data.event_dataset import EventDataset, open_events
from soundstage.training.recipes import TaggerRecipe
from soundstage.training.tasks.network_task import NetworkTask, build_network
from soundstage.weights import Card
from soundstage.weights.model import save_model

CONFUSIONS = 8  # most frequent ones in the card


class TaggerTask(NetworkTask):
    """The class of a sound event from its mel bands."""

    metric = "accuracy"
    unrelated_keys = frozenset({"card", "test_folds"})
    recipe: TaggerRecipe
    dataset: EventDataset

    @classmethod
    def open(cls, recipe: TaggerRecipe, folder: Path, jobs: int = 1) -> "TaggerTask":
        """The task of a recipe on a collection of sound events.

        Raises:
            InputError: the folder is not such a collection, or lacks the folds of the recipe.
        """
        dataset = open_events(recipe, folder, jobs)
        batches = EventBatches(
            *dataset.labeled(dataset.train),
            classes=len(dataset.classes),
            batch_size=min(recipe.loop.batch_size, len(dataset.train)),
            augmentation=recipe.augmentation,
            label_smoothing=recipe.label_smoothing,
            seed=recipe.loop.seed,
            mel=LogMel(),
        )
        shortest, longest = recipe.augmentation.segment_seconds
        config = config_of(recipe, len(dataset.classes))
        model = build_network(config.build, recipe.loop.seed)
        return cls(recipe, dataset, model, batches, example=f"{shortest:g} to {longest:g} s")

    def loss(self, *batch: Tensor) -> Tensor:
        """Cross-entropy in nats."""
        mels, targets = batch
        return F.cross_entropy(self.model(mels).float(), targets)

    def validate(self, model: nn.Module) -> float | None:
        """Accuracy on the validation clips, 0 to 1."""
        sounds, labels = self.dataset.labeled(self.dataset.valid)
        if not sounds:
            return None
        assert isinstance(model, Tagger)
        return float((classify(model, sounds) == torch.tensor(labels)).float().mean())

    def save(self, path: Path, state: dict[str, Tensor]) -> str:
        """Write the weights in half precision."""
        return save_model(path, config_of(self.recipe, len(self.dataset.classes)), state)

    def facts(self, state: TrainingState, device: torch.device) -> Card:
        """Card entries, with the accuracy of the saved weights on the test clips."""
        facts = super().facts(state, device)
        if self.dataset.test:
            assert state.best is not None
            facts["test"] = self._test(state.best)
        return facts

    def metric_value(self, score: float) -> float:
        """The accuracy."""
        return round(score, 4)

    def _test(self, state: dict[str, Tensor]) -> Card:
        """Accuracy and confusions of weights."""
        model = self.model
        assert isinstance(model, Tagger)
        half = {
            name: value.half().float() if value.is_floating_point() else value
            for name, value in state.items()
        }
        model.load_state_dict(half)
        sounds, labels = self.dataset.labeled(self.dataset.test)
        classes, clips = self.dataset.classes, self.dataset.test
        predictions = classify(model, sounds).tolist()
        pairs = Counter(zip(labels, predictions, strict=True))
        correct = sum(count for (label, predicted), count in pairs.items() if label == predicted)
        each = Counter(labels)
        shares = {classes[label]: round(pairs[label, label] / each[label], 2) for label in each}
        wrong = [(pair, count) for pair, count in pairs.most_common() if pair[0] != pair[1]]
        return {
            "folds": sorted({clip.fold for clip in clips}),
            "clips": len(clips),
            "accuracy": round(correct / len(clips), 4),
            "accuracy_by_class": dict(sorted(shares.items(), key=lambda item: item[1])),
            "most_confused": [
                f"{classes[label]} taken for {classes[predicted]}: {count}"
                for (label, predicted), count in wrong[:CONFUSIONS]
            ],
        }


@torch.no_grad()
def classify(model: Tagger, sounds: Sequence[Sound]) -> Int[Tensor, " clips"]:
    """The most likely class of each whole sound."""
    device = next(model.parameters()).device
    model.eval()
    predictions = []
    for sound in sounds:
        padded = F.pad(sound, (0, max(WINDOW - len(sound), 0))).to(device)
        predictions.append(model(model.mel(padded[None])).argmax(dim=1).cpu())
    return torch.cat(predictions)


def config_of(recipe: TaggerRecipe, n_classes: int) -> TaggerConfig:
    """Configuration of the network."""
    return TaggerConfig(
        n_classes=n_classes,
        channels=recipe.channels,
        depth=recipe.depth,
        dropout=recipe.dropout,
    )
