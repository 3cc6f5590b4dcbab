"""Trains the vocoder: log magnitudes in several resolutions, and a discriminator.

The reconstruction loss is the mean absolute error of log magnitudes in mel bands, over windows of
several lengths. Bands average the bins of a noise, whose single magnitudes no network can predict;
with the error of single bins instead, the best output would be a smoother sound than noise is. The
discriminator sees the bins (`waveform_discriminator.py`).
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from soundstage.corpora.spatial_events import horizontal_hrirs
from soundstage.networks.models.vocoder import Vocoder, VocoderConfig
from soundstage.networks.models.waveform_discriminator import WaveformDiscriminator, magnitudes
from soundstage.spectra.cached_tensors import cached_tensor
from soundstage.spectra.dual_spectra import RATE, normalized_log
from soundstage.spectra.filterbanks import slaney_mel_filters
from soundstage.training.adversarial import (
    AdversarialModel,
    discriminator_loss,
    generator_loss,
    generator_state,
)
from soundstage.training.checkpoints import TrainingState
from soundstage.training.data.event_dataset import EventDataset, open_events
from soundstage.training.data.vocoder_batches import VocoderBatches, whole_frames
from soundstage.training.scene_recipes import VocoderRecipe
from soundstage.training.tasks.network_task import NetworkTask, build_network
from soundstage.training.tasks.vocoding_measures import vocoding_measures
from soundstage.weights import Card
from soundstage.weights.model import save_model

SAMPLES_PER_BAND = 8  # of a window: 64 bands for 512 samples
HEAD = "kemar"


class VocoderTask(NetworkTask):
    """Sound from its mel bands."""

    metric = "log_band_error"
    unrelated_keys = frozenset({"card", "test_folds"})
    recipe: VocoderRecipe
    dataset: EventDataset

    @classmethod
    def open(cls, recipe: VocoderRecipe, folder: Path, jobs: int = 1) -> "VocoderTask":
        """The task of a recipe on a collection of sound events.

        Raises:
            InputError: the folder is not such a collection, or lacks the folds of the recipe.
        """
        dataset = open_events(recipe, folder, jobs)
        batches = VocoderBatches(
            [dataset.sounds[clip.path] for clip in dataset.train],
            horizontal_hrirs(HEAD),
            frames=recipe.frames,
            batch_size=min(recipe.loop.batch_size, len(dataset.train)),
            gain_db=recipe.gain_db,
            ear_prob=recipe.ear_prob,
            adversarial_start=recipe.adversarial_start,
            seed=recipe.loop.seed,
        )
        model = build_network(lambda: _model(recipe), recipe.loop.seed)
        return cls(recipe, dataset, model, batches, example=f"{recipe.frames} frames")

    @property
    def saved_network(self) -> nn.Module:
        """The vocoder without its discriminator."""
        model = self.model
        assert isinstance(model, AdversarialModel)
        return model.generator

    def loss(self, *batch: Tensor) -> Tensor:
        """Reconstruction and adversarial terms."""
        sound, mels, adversarial = batch
        model = self.model
        assert isinstance(model, AdversarialModel)
        real = [magnitudes(sound, window) for window in self.recipe.windows]
        generated = model.generator(mels, torch.randn_like(sound))
        fake = [magnitudes(generated, window) for window in self.recipe.windows]
        loss = band_errors(fake, real)
        if adversarial.any():
            judged = model.discriminator(*(each.detach() for each in fake))
            weight = self.recipe.adversarial_weight
            loss = loss + adversarial * (
                weight * generator_loss(model.judge(*fake))
                + discriminator_loss(model.discriminator(*real), judged)
            )
        return loss.mean()

    def validate(self, model: nn.Module) -> float | None:
        """Negative reconstruction error over the validation clips."""
        if not self.dataset.valid:
            return None
        assert isinstance(model, AdversarialModel)
        device = next(model.parameters()).device
        errors = []
        for sound, mels in map(whole_frames, self.dataset.labeled(self.dataset.valid)[0]):
            pair = (model.generator(mels.to(device)), sound.to(device))
            fake, real = ([magnitudes(x, n) for n in self.recipe.windows] for x in pair)
            errors.append(band_errors(fake, real))
        return -torch.cat(errors).mean().item()

    def save(self, path: Path, state: dict[str, Tensor]) -> str:
        """Write the weights of the vocoder in half precision."""
        return save_model(path, config_of(self.recipe), generator_state(state))

    def facts(self, state: TrainingState, device: torch.device) -> Card:
        """Card entries, with measures of the saved weights on the test clips."""
        facts = super().facts(state, device)
        if self.dataset.test:
            assert state.best is not None
            vocoder = config_of(self.recipe).build().eval().requires_grad_(False)
            half = {name: each.half().float() for name, each in generator_state(state.best).items()}
            vocoder.load_state_dict(half)
            clips = self.dataset.test
            sounds, _ = self.dataset.labeled(clips)
            facts["test"] = {
                "folds": sorted({clip.fold for clip in clips}),
                "clips": len(clips),
                **vocoding_measures(vocoder, sounds, [clip.label for clip in clips]),
            }
        return facts


def config_of(recipe: VocoderRecipe) -> VocoderConfig:
    """Configuration of the network."""
    return VocoderConfig(
        depth=recipe.depth,
        dim=recipe.dim,
        mlp_ratio=recipe.mlp_ratio,
        kernel_size=recipe.kernel_size,
        corrections=recipe.corrections,
    )


def _model(recipe: VocoderRecipe) -> AdversarialModel[Vocoder, WaveformDiscriminator]:
    vocoder = config_of(recipe).build()
    vocoder.corrections = recipe.training_corrections
    windows, channels = len(recipe.windows), recipe.discriminator_channels
    return AdversarialModel(vocoder, WaveformDiscriminator(windows, channels))


def band_errors(
    generated: Sequence[Float[Tensor, "batch bins frames"]],
    real: Sequence[Float[Tensor, "batch bins frames"]],
) -> Float[Tensor, " batch"]:
    """Mean absolute error of normalized log bands, averaged over resolutions.

    Args:
        generated: magnitudes in windows of several lengths.
        real: those of the true sound.
    """
    errors = [
        (log_bands(one) - log_bands(other)).abs().flatten(1).mean(dim=1)
        for one, other in zip(generated, real, strict=True)
    ]
    return torch.stack(errors).mean(dim=0)


def log_bands(
    spectrogram: Float[Tensor, "batch bins frames"],
) -> Float[Tensor, "batch mels frames"]:
    """Normalized logarithms of mean magnitudes in mel bands."""
    bands = _bands(2 * (spectrogram.shape[1] - 1)).to(spectrogram.device)
    return normalized_log((bands @ spectrogram).float())


@cached_tensor
def _bands(window: int) -> Float[Tensor, "mels bins"]:
    bands = slaney_mel_filters(window // SAMPLES_PER_BAND, window, RATE, 0, RATE / 2)
    return bands / bands.sum(dim=1, keepdim=True)
