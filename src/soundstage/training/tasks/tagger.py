"""Trains the tagger of sound events that the Fréchet audio distance listens with."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.corpora.events import EventClip, event_clips, read_event, recordings
from soundstage.errors import InputError
from soundstage.metrics.embeddings.built_in import TAGGER_WINDOW as WINDOW
from soundstage.networks.models.tagger import RATE, Tagger
from soundstage.training.data.event_batches import EventBatches
from soundstage.training.data.tracks import Progress, over_records
from soundstage.training.loop import Say, choose_device, run_loop
from soundstage.training.recipes import TaggerRecipe
from soundstage.weights import Card

SILENCE = (
    8 / 32768
)  # −72 dB: clips are padded with digital silence, or with what a codec made of it
CONFUSIONS = 8  # of the most frequent ones in the card

Sound = Float[Tensor, " frames"]


class TaggerTask:
    """The tagger before the loop: cross-entropy with mixed labels, accuracy on whole clips.

    Args:
        model: to be trained.
        batches: what it learns from.
        held_out: sounds and their classes; none where the recipe holds nothing out.
    """

    def __init__(
        self, model: Tagger, batches: EventBatches, held_out: tuple[list[Sound], list[int]]
    ) -> None:
        self.model: nn.Module = model
        self.steps_per_epoch = batches.per_epoch
        self._batches = batches
        self._held_out = held_out

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """Mel bands and targets."""
        return self._batches.draw(step)

    def loss(self, *batch: Tensor) -> Tensor:
        """Cross-entropy in nats."""
        mels, targets = batch
        return F.cross_entropy(self.model(mels).float(), targets)

    def validate(self, model: nn.Module) -> float | None:
        """Share of the held-out clips that are named rightly, 0 to 1."""
        sounds, labels = self._held_out
        if not sounds:
            return None
        assert isinstance(model, Tagger)
        found = classify(model, sounds)
        return float((found == torch.tensor(labels)).float().mean())


def sounding_part(sound: Sound) -> Sound:
    """The sound without the silence before and after it; all of it where there is nothing else."""
    loud = (sound.abs() > SILENCE).nonzero()[:, 0]
    return sound[int(loud[0]) : int(loud[-1]) + 1] if len(loud) else sound


@torch.no_grad()
def classify(model: Tagger, sounds: Sequence[Sound]) -> Int[Tensor, " clips"]:
    """The likeliest class of every sound, heard whole."""
    device = next(model.parameters()).device
    model.eval()
    found = []
    for sound in sounds:
        padded = F.pad(sound, (0, max(WINDOW - len(sound), 0))).to(device)
        found.append(model(model.mel(padded[None])).argmax(dim=1).cpu())
    return torch.cat(found)


def train_tagger(
    recipe: TaggerRecipe,
    data: Path,
    output: Path,
    *,
    workers: int = 1,
    device: str = "auto",
    progress: Progress | None = None,
    say: Say | None = None,
) -> tuple[dict[str, Tensor], list[str], Card]:
    """Tensors of the weights (half precision), sentences for what was left out, facts for the card.

    Raises:
        InputError: the folder is no collection of events, or lacks the folds of the recipe.
        OptionError: the checkpoint beside the output is another run's, or there is no such device.
        WeightsError: the checkpoint is damaged.
    """
    parts = _divide(recipe, data, workers)
    names = parts.names
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.loop.seed)
        model = Tagger(
            len(names), channels=recipe.channels, depth=recipe.depth, dropout=recipe.dropout
        )
    batches = EventBatches(
        *parts.heard(parts.learned),
        classes=len(names),
        size=min(recipe.loop.batch, len(parts.learned)),
        augmentation=recipe.augmentation,
        smoothing=recipe.smoothing,
        seed=recipe.loop.seed,
        mel=Tagger(1).mel,
    )
    task = TaggerTask(model, batches, parts.heard(parts.held))
    chosen = choose_device(device)
    if say:
        say(_plan(model, parts, batches.per_epoch, recipe, chosen))
    state = run_loop(
        task,
        recipe.loop,
        output,
        family=recipe.family,
        fingerprint=_fingerprint(recipe, parts),
        device=chosen,
        progress=progress,
        say=say,
    )
    assert state.best is not None
    tensors = {name: _half(value) for name, value in state.best.items() if value.ndim}
    facts: Card = {
        "data": _data_sentence(parts.learned),
        "classes": names,
        "trained": {
            "clips": len(parts.learned),
            "steps": state.step,
            "seconds": round(state.seconds, 1),
            "device": str(chosen),
        },
        **({"validation": round(state.score, 4)} if parts.held else {}),
        **({"test": _report(model, tensors, parts)} if parts.tested else {}),
        "licenses": dict(Counter(clip.license for clip in parts.learned)),
        "credits": recordings(parts.learned),
    }
    return tensors, parts.left_out, facts


@dataclass(frozen=True)
class _Parts:
    """The clips that can be read, by what they are for, and how they sound."""

    learned: list[EventClip]
    held: list[EventClip]
    tested: list[EventClip]
    names: list[str]
    """Of the classes."""
    sounds: dict[Path, Sound]
    left_out: list[str]

    def heard(self, clips: Sequence[EventClip]) -> tuple[list[Sound], list[int]]:
        sounds = [self.sounds[clip.path] for clip in clips]
        return sounds, [self.names.index(clip.label) for clip in clips]


def _divide(recipe: TaggerRecipe, data: Path, workers: int) -> _Parts:
    clips = event_clips(data)
    learned = [c for c in clips if c.fold in recipe.folds and c.license in recipe.licenses]
    held = [clip for clip in clips if clip.fold in recipe.held_out_folds]
    tested = [clip for clip in clips if clip.fold in recipe.test_folds]
    if len(learned) < 2:
        raise InputError(
            f"{data}: has no two clips in the folds {recipe.folds} under the licenses "
            f"{', '.join(recipe.licenses)}; it has {', '.join(sorted({c.license for c in clips}))}."
        )
    paths = sorted({clip.path for clip in (*learned, *held, *tested)})
    read, left_out = over_records(_read, paths, workers=workers)
    sounds = {path: sounding_part(torch.from_numpy(sound)) for path, sound in read}
    names = sorted({clip.label for clip in learned})

    def usable(part: list[EventClip]) -> list[EventClip]:
        return [clip for clip in part if clip.path in sounds and clip.label in names]

    return _Parts(usable(learned), usable(held), usable(tested), names, sounds, left_out)


def _read(path: Path) -> tuple[Path, np.ndarray]:
    return path, read_event(path, RATE)


def _plan(
    model: nn.Module, parts: _Parts, per_epoch: int, recipe: TaggerRecipe, device: torch.device
) -> str:
    count = sum(parameter.numel() for parameter in model.parameters())
    return (
        f"tagger: {count:,} parameters, {len(parts.learned):,} clips of {len(parts.names)} classes, "
        f"{recipe.loop.epochs} epochs of {per_epoch} steps of {recipe.loop.batch}, on {device}"
    )


def _data_sentence(clips: Sequence[EventClip]) -> str:
    licenses = Counter(clip.license for clip in clips)
    counts = ", ".join(f"{count} under {license}" for license, count in licenses.most_common())
    folds = ", ".join(str(fold) for fold in sorted({clip.fold for clip in clips}))
    recorded = len(recordings(clips))
    cut = f" cut from {recorded} recordings" if recorded else ""
    return f"{len(clips)} clips{cut}, folds {folds}: {counts}; see licenses and credits"


def _fingerprint(recipe: TaggerRecipe, parts: _Parts) -> bytes:
    """Of everything that the weights follow from, but for the sound inside the files."""
    followed = [
        recipe.model_dump(mode="json", exclude={"card", "test_folds"}),
        [[clip.path.name, clip.label] for clip in (*parts.learned, *parts.held)],
    ]
    return hashlib.sha256(json.dumps(followed, sort_keys=True).encode()).digest()


def _half(value: Tensor) -> Tensor:
    return value.detach().cpu().half() if value.is_floating_point() else value.cpu()


def _report(model: Tagger, tensors: dict[str, Tensor], parts: _Parts) -> Card:
    """Accuracy of the rounded weights, and what they confuse."""
    model.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=False)
    sounds, labels = parts.heard(parts.tested)
    names, clips = parts.names, parts.tested
    found = classify(model, sounds).tolist()
    pairs = Counter(zip(labels, found, strict=True))
    right = sum(count for (label, said), count in pairs.items() if label == said)
    each = Counter(labels)
    shares = {names[label]: round(pairs[label, label] / each[label], 2) for label in each}
    wrong = [(pair, count) for pair, count in pairs.most_common() if pair[0] != pair[1]]
    return {
        "folds": sorted({clip.fold for clip in clips}),
        "clips": len(clips),
        "accuracy": round(right / len(clips), 4),
        "accuracy_by_class": dict(sorted(shares.items(), key=lambda item: item[1])),
        "most_confused": [
            f"{names[label]} taken for {names[said]}: {count}"
            for (label, said), count in wrong[:CONFUSIONS]
        ],
    }
