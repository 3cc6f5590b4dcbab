"""What trainings of all neural binaural renderers share: recordings, what is held out, the card.

A folder in the published layout of binaural speech, or a simulated one, has parts to learn from, to
choose by and to test on; the last is never opened here. The best epoch is the one whose sound is
nearest to that of the held-out recordings in squared error, over the same stretches every time.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from soundstage.binaural.render.neural_weights import Calibration, Shape, network_tensors
from soundstage.binaural.render.pose_encoding import NETWORK_RATE
from soundstage.corpora.binaural_simulation import MANIFEST
from soundstage.corpora.binaural_speech import (
    BINAURAL,
    MONO,
    TRANSMITTER,
    Chunks,
    Recording,
    open_binaural_speech,
)
from soundstage.corpora.feature_cache import files_fingerprint
from soundstage.errors import InputError, OptionError
from soundstage.training.data.binaural_batches import (
    MARGIN,
    BinauralBatches,
    Heard,
    calibrate,
    heard,
)
from soundstage.training.data.tracks import Progress
from soundstage.training.init_from import weights_digest
from soundstage.training.loop import Say, Task, choose_device, run_loop
from soundstage.training.recipes import BinauralGradRecipe, WarpNetRecipe, WaveNetRecipe
from soundstage.training.tasks.binaural_losses import mean_square
from soundstage.weights import Card

HELD_OUT_STRETCHES = 40
HELD_OUT_SECONDS = 1

BinauralRecipe = WaveNetRecipe | WarpNetRecipe | BinauralGradRecipe


class Speech(NamedTuple):
    """What a network learns from."""

    learned: list[Recording]
    held_out: list[Recording]
    """Empty where the folder has no such part."""
    calibration: Calibration


class HeldOut:
    """Stretches from anywhere in the recordings held out, which choose the best epoch."""

    def __init__(self, speech: Speech, recipe: BinauralRecipe) -> None:
        length = MARGIN + HELD_OUT_SECONDS * NETWORK_RATE
        chunks = Chunks(speech.held_out, length)
        self.calibration = speech.calibration
        self._stretches = [
            heard(chunks.draw(0, place), speech.calibration, recipe.view)
            for place in range(HELD_OUT_STRETCHES)
        ]

    def wave_error(self, made: Callable[[Heard, int], tuple[Tensor, Tensor]]) -> float:
        """Mean squared error of what is made, in thousandths, full scale being 1.

        Args:
            made: from a stretch and its number, what is made and what should have been.
        """
        errors = []
        for number, stretch in enumerate(self._stretches):
            found, wanted = made(stretch, number)
            errors.append(mean_square((found.cpu() - wanted.cpu())[..., MARGIN:]))
        return float(np.mean(errors)) * 1000 / self.calibration.scale**2


Prepared = Callable[[BinauralBatches, HeldOut | None], Task]
"""From what is learned from, and what chooses the best epoch, a task for the loop."""


def open_speech(data: Path, recipe: BinauralRecipe) -> Speech:
    """The parts of a folder.

    Raises:
        InputError: there is no recording to learn from, or one cannot be used.
    """
    learned = open_binaural_speech(data, "train")
    try:
        held_out = open_binaural_speech(data, "valid")
    except InputError:
        held_out = []
    return Speech(learned, held_out, calibrate(learned, recipe.view))


def train_on_speech(
    recipe: BinauralRecipe,
    shape: Shape,
    prepared: Prepared,
    data: Path,
    speech: Speech,
    output: Path,
    *,
    device: str,
    progress: Progress | None,
    say: Say | None,
) -> tuple[dict[str, Tensor], list[str], Card]:
    """Tensors of the weights (half precision), what was left out, facts for the card.

    Raises:
        OptionError: the recipe makes no network, the checkpoint beside the output is another
            run's, or there is no such device.
        WeightsError: the checkpoint is damaged.
    """
    loop, chosen = recipe.loop, choose_device(device)
    batches = BinauralBatches(
        speech.learned,
        speech.calibration,
        view=recipe.view,
        samples=recipe.samples,
        size=loop.batch,
        gain=recipe.gain,
        seed=loop.seed,
    )
    held_out = HeldOut(speech, recipe) if speech.held_out else None
    task = prepared(batches, held_out)
    if say:
        count = sum(parameter.numel() for parameter in task.model.parameters())
        minutes = sum(recording.seconds for recording in speech.learned) / 60
        say(
            f"{recipe.family}: {count:,} parameters, {minutes:.0f} minutes of "
            f"{len(speech.learned)} recordings, {loop.epochs} epochs of {task.steps_per_epoch} "
            f"steps of {loop.batch} × {recipe.samples} samples, on {chosen}"
        )
    state = run_loop(
        task,
        loop,
        output,
        family=recipe.family,
        fingerprint=_fingerprint(recipe, [*speech.learned, *speech.held_out]),
        device=chosen,
        progress=progress,
        say=say,
    )
    assert state.best is not None
    facts = _facts(data, speech.learned)
    facts["trained"] = {
        "steps": state.step,
        "seconds": round(state.seconds, 1),
        "device": str(chosen),
    }
    if held_out:
        facts["validation"] = {
            "recordings": len(speech.held_out),
            "wave_l2_thousandths": round(-state.score, 4),
        }
    return network_tensors(shape, speech.calibration, state.best), [], facts


def made_network(shape: Shape, seed: int) -> nn.Module:
    """An untrained network, the same for a seed.

    Raises:
        OptionError: the shape makes none.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return shape.network()
        except ValueError as error:
            raise OptionError(f"The recipe makes no network: {error}.") from error


def _facts(data: Path, learned: Sequence[Recording]) -> Card:
    """What the card says of the recordings."""
    about = data / MANIFEST
    simulated: Card = json.loads(about.read_text("utf-8")) if about.is_file() else {}
    used = [each for each in simulated.get("subjects", []) if each["split"] == "train"]
    credits = [
        {"title": title, "what": what, "license": license}
        for title, what, license in sorted(set(_sources(used)))
    ]
    heads = sum(credit["what"] == "measured head" for credit in credits)
    made = f", simulated with {heads} measured heads and {len(credits) - heads} speakers"
    return {
        "data": f"{len(learned)} binaural recordings{made if simulated else ''}",
        "records": len(learned),
        "hours": round(sum(recording.seconds for recording in learned) / 3600, 2),
        "licenses": dict(Counter(credit["license"] for credit in credits)),
        "credits": credits,
    }


def _sources(subjects: Sequence[Card]) -> Iterator[tuple[str, str, str]]:
    for subject in subjects:
        head = subject["head"]
        yield head["listener"], "measured head", head["license"] or "not stated"
        for clip in subject["speech"]:
            yield clip["speaker"], "speaker", clip.get("license") or "not stated"


def _fingerprint(recipe: BinauralRecipe, recordings: Sequence[Recording]) -> bytes:
    """SHA-256 of all that decides the result of a training."""
    followed = json.dumps(recipe.model_dump(mode="json", exclude={"card"}), sort_keys=True)
    files = [
        recording.folder / name
        for recording in recordings
        for name in (MONO, BINAURAL, TRANSMITTER)
    ]
    common = getattr(recipe, "common", "")
    began = weights_digest(common) if common else b""
    return hashlib.sha256(followed.encode() + began + files_fingerprint(files)).digest()
