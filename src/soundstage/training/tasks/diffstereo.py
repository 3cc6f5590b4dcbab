"""Trains the network of `diffstereo` on stereo records, as published.

The compressed spectra of left and right (`stereo/compressed_stft.py`) are mixed with noise at one
of the steps t of a linear schedule, and the network tells the noise from that and from the spectrum
c of the mono between them (Zhang et al. 2025, eq. 4):

    L = E ‖ε − ε_θ(x_t, t, c)‖²

What the paper does not say: clips are drawn from anywhere in the records and not varied, and the
steps of a batch are spread evenly over the schedule. The best epoch is the one whose error over
held-out music is smallest, with the same clips, noise and steps every time.
"""

import hashlib
import json
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from soundstage.corpora.feature_cache import files_fingerprint
from soundstage.diffusion import Noised, Objective, Parametrization
from soundstage.errors import OptionError
from soundstage.stereo.compressed_stft import (
    PICTURE_RATE,
    PICTURE_TRANSFORM,
    spectral_picture,
)
from soundstage.training.data.stereo_clips import LEARNED, StereoClips, stereo_parts
from soundstage.training.data.tracks import Progress, record_facts
from soundstage.training.loop import Say, choose_device, run_loop
from soundstage.training.recipes import DiffStereoRecipe
from soundstage.upmixing.diffstereo_weights import DiffStereoConfig, network_tensors
from soundstage.weights import Card

HELD_OUT_CLIPS = 32  # heard in one validation
HELD_OUT_BATCH = 4
MARGIN = 2  # frames on either side of a clip, so that its own see no edge
_AROUND = MARGIN * PICTURE_TRANSFORM.hop


class StereoPictures:
    """Pictures of clips with their noise.

    Args:
        records: what is learned from.
        objective: that noises them.
        frames: of an example.
        size: examples a batch.
        seed: of the draws.

    Raises:
        InputError: no record is long enough.
    """

    def __init__(
        self, records: list[Path], objective: Objective, *, frames: int, size: int, seed: int
    ) -> None:
        self._objective, self._seed = objective, seed
        self.clips = StereoClips(
            records,
            length=(frames - 1) * PICTURE_TRANSFORM.hop,
            around=_AROUND,
            rate=PICTURE_RATE,
            size=size,
            seed=seed,
        )

    def draw(self, step: int) -> tuple[Tensor, ...]:
        """Pictures of the mono, and the fields of a `Noised`, the same for a step."""
        sound = self.clips.draw(step)
        mono, stereo = clip_pictures(sound)
        generator = torch.Generator().manual_seed(self._seed * 1_000_033 + step)
        return mono, *self._objective.noised(stereo, generator)


def clip_pictures(
    sound: Float[Tensor, "batch 2 length_and_around"],
) -> tuple[Float[Tensor, "batch 2 bins frames"], Float[Tensor, "batch 4 bins frames"]]:
    """Pictures of the mono, and of left and right, without what lies around the clips."""
    spectrogram = PICTURE_TRANSFORM.analyze(sound)[..., MARGIN:-MARGIN]
    mono = spectrogram.mean(dim=1, keepdim=True)  # the transform is linear
    return spectral_picture(mono), spectral_picture(spectrogram)


class DiffStereoTask:
    """The network before the loop.

    Args:
        model: to be trained.
        objective: of it.
        pictures: what it learns from.
        held_out: what chooses the best epoch; None where nothing is held out.
        epoch_steps: of an epoch; 0 for all records once.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        pictures: StereoPictures,
        held_out: StereoPictures | None,
        epoch_steps: int,
    ) -> None:
        self.model = model
        self.steps_per_epoch = epoch_steps or pictures.clips.per_epoch
        self._objective, self._pictures, self._held_out = objective, pictures, held_out

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """What `StereoPictures` draw."""
        return self._pictures.draw(step)

    def loss(self, *batch: Tensor) -> Tensor:
        """Mean squared error of the noise."""
        return self._errors(self.model, *batch).mean()

    def validate(self, model: nn.Module) -> float | None:
        """The negative of the mean squared error over held-out music."""
        if self._held_out is None:
            return None
        device = next(model.parameters()).device
        errors = [
            self._errors(model, *(part.to(device) for part in self._held_out.draw(step)))
            for step in range(HELD_OUT_CLIPS // HELD_OUT_BATCH)
        ]
        return -torch.cat(errors).double().mean().item()

    def _errors(self, model: nn.Module, mono: Tensor, *noised: Tensor) -> Float[Tensor, " batch"]:
        noisy = Noised(*noised)
        return self._objective.loss(model(noisy.state, noisy.times, mono), noisy)


def shape_of(recipe: DiffStereoRecipe) -> DiffStereoConfig:
    """What the recipe makes."""
    return DiffStereoConfig(
        **recipe.size.model_dump(),
        patch_frames=recipe.patch[0],
        patch_bins=recipe.patch[1],
        frames=recipe.frames,
        steps=recipe.steps,
        axial=int(recipe.attention == "axial"),
    )


def train_diffstereo(
    recipe: DiffStereoRecipe,
    data: Path,
    output: Path,
    *,
    device: str = "auto",
    progress: Progress | None = None,
    say: Say | None = None,
) -> tuple[dict[str, Tensor], list[str], Card]:
    """Tensors of the weights (half precision), sentences for what was left out, facts for the card.

    Raises:
        InputError: the folder holds no stereo record that is as long as an example.
        OptionError: the recipe makes no network, the checkpoint beside the output is another
            run's, or there is no such device.
        WeightsError: the checkpoint is damaged.
    """
    learned, held_out, left_out = stereo_parts(data)
    shape, loop = shape_of(recipe), recipe.loop
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(loop.seed)
        try:
            model = shape.network()
        except ValueError as error:
            raise OptionError(f"The recipe makes no network: {error}.") from error
    objective = Objective(shape.schedule(), Parametrization.NOISE)

    def pictures(records: list[Path], size: int) -> StereoPictures:
        return StereoPictures(records, objective, frames=recipe.frames, size=size, seed=loop.seed)

    heard = pictures(learned, loop.batch)
    chooser = pictures(held_out, HELD_OUT_BATCH) if held_out else None
    task = DiffStereoTask(model, objective, heard, chooser, recipe.epoch_steps)
    chosen = choose_device(device)
    if say:
        count = sum(parameter.numel() for parameter in model.parameters())
        say(
            f"diffstereo: {count:,} parameters, {heard.clips.hours:.1f} hours of "
            f"{len(heard.clips)} records, {loop.epochs} epochs of {task.steps_per_epoch} steps of "
            f"{loop.batch} × {recipe.frames} frames, on {chosen}"
        )
    state = run_loop(
        task,
        loop,
        output,
        family=recipe.family,
        fingerprint=_fingerprint(recipe, learned + held_out),
        device=chosen,
        progress=progress,
        say=say,
    )
    assert state.best is not None
    folder = data / LEARNED if (data / LEARNED).is_dir() else data
    trained = {"steps": state.step, "seconds": round(state.seconds, 1), "device": str(chosen)}
    facts: Card = {**record_facts(folder, learned, used=len(heard.clips)), "trained": trained}
    if chooser:
        measured = {"records": len(chooser.clips), "noise_mse": round(-state.score, 5)}
        facts["validation"] = measured
    return network_tensors(shape, state.best), left_out, facts


def _fingerprint(recipe: DiffStereoRecipe, records: list[Path]) -> bytes:
    """SHA-256 of all that decides the result of a training."""
    followed = json.dumps(recipe.model_dump(mode="json", exclude={"card"}), sort_keys=True)
    return hashlib.sha256(followed.encode() + files_fingerprint(records)).digest()
