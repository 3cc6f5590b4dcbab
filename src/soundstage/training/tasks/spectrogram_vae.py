"""Trains an autoencoder of spectra: evidence lower bound, then a discriminator as well.

    L = E_z[R(x, x̂)] + w_KL·KL + w_adv·L_G,    z = μ + σ·ε

R is the error of the features (`spectrogram_losses.py`), KL the divergence of the posterior from a
unit Gaussian, L_G that of the discriminator, from a step on as in DualSpec (§VI-A). The weights are
stored with the mean and the deviation of the latents of training clips.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from soundstage.corpora.spatial_events import AZIMUTHS, five_seconds, horizontal_hrirs, spatialize
from soundstage.networks.models.patch_discriminator import PatchDiscriminator
from soundstage.networks.models.spectrogram_vae import SpectrogramVAE, SpectrogramVAEConfig
from soundstage.spectra.dual_spectra import N_SAMPLES, SPREAD, spectrogram
from soundstage.training.adversarial import (
    AdversarialModel,
    adversarial_share,
    discriminator_loss,
    generator_loss,
    generator_state,
)
from soundstage.training.checkpoints import TrainingState
from soundstage.training.data.event_batches import Sound
from soundstage.training.data.event_dataset import EventDataset, open_events
from soundstage.training.data.spatial_batches import SpatialBatches, leveling_gain
from soundstage.training.scene_recipes import SpectrogramVAERecipe
from soundstage.training.tasks.network_task import NetworkTask, build_network
from soundstage.training.tasks.spectrogram_losses import (
    NEPER,
    error_measures,
    judged,
    reconstruction_error,
)
from soundstage.weights import Card
from soundstage.weights.model import save_model

STATISTICS_STEPS = 40  # batches for mean and deviation of the latents
TEST_SIZE = 8  # clips of a batch in tests
MIN_DEVIATION = 1e-3  # of a latent; one that does not vary is not amplified


class SpectrogramVAETask(NetworkTask):
    """Spectra from their latents."""

    metric = "reconstruction_error"
    unrelated_keys = frozenset({"card", "test_folds"})
    recipe: SpectrogramVAERecipe
    dataset: EventDataset

    @classmethod
    def open(
        cls, recipe: SpectrogramVAERecipe, folder: Path, jobs: int = 1
    ) -> "SpectrogramVAETask":
        """The task of a recipe on a collection of sound events.

        Raises:
            InputError: the folder is not such a collection, or lacks the folds of the recipe.
        """
        model = build_network(partial(_build, recipe), recipe.loop.seed)
        dataset = open_events(recipe, folder, jobs)
        batches = SpatialBatches(
            dataset.labeled(dataset.train)[0],
            horizontal_hrirs(recipe.hrtf),
            ears=config_of(recipe).n_ears,
            frames=recipe.frames,
            batch_size=min(recipe.loop.batch_size, len(dataset.train)),
            gain_db=recipe.gain_db,
            seed=recipe.loop.seed,
        )
        return cls(recipe, dataset, model, batches, example=f"{recipe.frames} frames")

    @property
    def vae(self) -> SpectrogramVAE:
        """The network in training."""
        assert isinstance(self.model, AdversarialModel)
        network: SpectrogramVAE = self.model.generator
        return network

    @property
    def saved_network(self) -> nn.Module:
        """The autoencoder without its discriminator."""
        return self.vae

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """Features of a step and the factor of the adversarial terms, the same for every call."""
        (spectra,) = self._batches.draw(step)
        share = adversarial_share(step, self.recipe.adversarial_start, len(spectra))
        return self.vae.features(spectra), share

    def loss(self, *batch: Tensor) -> Tensor:
        """L, with the loss of the discriminator."""
        features, adversarial = batch
        model, vae = self.model, self.vae
        assert isinstance(model, AdversarialModel)
        posterior = vae.encode(features)
        output = vae.decode(posterior.sample())
        loss = self._error(vae, output, features)
        loss = loss + self.recipe.kl_weight * posterior.divergence()
        if adversarial.any():
            real, fake = judged(vae, features), judged(vae, output)
            deceived = generator_loss(model.judge(fake))
            opposed = discriminator_loss(
                [model.discriminator(real)], [model.discriminator(fake.detach())]
            )
            loss = loss + adversarial * (self.recipe.adversarial_weight * deceived + opposed)
        return loss.mean()

    def validate(self, model: nn.Module) -> float | None:
        """Negative error of the reconstruction from posterior means over the validation clips."""
        if not self.dataset.valid:
            return None
        assert isinstance(model, AdversarialModel)
        vae, errors = model.generator, []
        for spectra in self._examples(self.dataset.labeled(self.dataset.valid)[0]):
            features = vae.features(spectra.to(vae.latent_mean.device))
            errors.append(self._error(vae, vae.decode(vae.encode(features).mean), features))
        return -torch.cat(errors).mean().item()

    def save(self, path: Path, state: dict[str, Tensor]) -> str:
        """Write the autoencoder in half precision, with the statistics of its latents."""
        return save_model(path, self.vae.config, self._finished(state).state_dict())

    def facts(self, state: TrainingState, device: torch.device) -> Card:
        """Card entries, with errors of the saved weights on the test clips."""
        facts = super().facts(state, device)
        if self.dataset.test:
            assert state.best is not None
            clips = self.dataset.test
            facts["test"] = {
                "folds": sorted({clip.fold for clip in clips}),
                "clips": len(clips),
                **self._test(self._finished(state.best)),
            }
        return facts

    def _error(self, vae: SpectrogramVAE, output: Tensor, target: Tensor) -> Tensor:
        return reconstruction_error(
            vae,
            output,
            target,
            interaural_weight=self.recipe.interaural_weight,
            phase_weight=self.recipe.phase_weight,
        )

    def _examples(self, sounds: list[Sound]) -> Iterator[Tensor]:
        """Spectra of the first five seconds of clips, the azimuths in turn."""
        hrirs, ears = horizontal_hrirs(self.recipe.hrtf), self.vae.config.n_ears
        leveled = torch.stack([leveling_gain(sound) * five_seconds(sound) for sound in sounds])
        whole = nn.functional.pad(leveled, (0, N_SAMPLES - leveled.shape[-1]))
        for start in range(0, len(whole), TEST_SIZE):
            part = whole[start : start + TEST_SIZE]
            azimuths = torch.arange(start, start + len(part)) % len(AZIMUTHS)
            yield spectrogram(spatialize(part, hrirs[azimuths])[:, :ears])

    @torch.no_grad()
    def _finished(self, state: dict[str, Tensor]) -> SpectrogramVAE:
        """The autoencoder with trained weights as saved, and the statistics of its latents."""
        vae = self.vae.config.build().eval()
        half = {name: each.half().float() for name, each in generator_state(state).items()}
        vae.load_state_dict(half)
        latents = []
        for step in range(STATISTICS_STEPS):
            (spectra,) = self._batches.draw(step)
            latents.append(vae.encode(vae.features(spectra)).mean)
        deviation, mean = torch.std_mean(torch.cat(latents), dim=(0, 2, 3), keepdim=True)
        vae.latent_mean.copy_(mean[0])
        vae.latent_deviation.copy_(deviation[0].clamp(min=MIN_DEVIATION))
        return vae

    @torch.no_grad()
    def _test(self, vae: SpectrogramVAE) -> dict[str, float]:
        """Mean errors of reconstructions from samples of the posterior, over the test clips."""
        generator = torch.Generator().manual_seed(self.recipe.loop.seed)
        totals: dict[str, float] = {}
        sounds = self.dataset.labeled(self.dataset.test)[0]
        for spectra in self._examples(sounds):
            features = vae.features(spectra)
            output = vae.decode(vae.encode(features).sample(generator))
            errors: dict[str, float] = {}
            if vae.config.kind != "stft":
                mel_error = (vae.mel(output) - vae.mel(features)).abs().mean()
                errors["mel_error_db"] = NEPER * SPREAD * float(mel_error)
            if vae.config.spectral_channels:
                errors |= error_measures(vae.spectrum(output), spectra)
            for name, error in errors.items():
                totals[name] = totals.get(name, 0.0) + error * len(spectra) / len(sounds)
        return {name: round(total, 2) for name, total in totals.items()}


def _build(recipe: SpectrogramVAERecipe) -> nn.Module:
    """Autoencoder and discriminator."""
    config = config_of(recipe)
    vae = config.build()
    seen = judged(vae, torch.zeros(1, config.n_channels, config.n_rows, 1))
    discriminator = PatchDiscriminator(seen.shape[1], recipe.discriminator_channels)
    return AdversarialModel(vae, discriminator)


def config_of(recipe: SpectrogramVAERecipe) -> SpectrogramVAEConfig:
    """Configuration of the network."""
    return SpectrogramVAEConfig(
        kind=recipe.kind,
        ears=recipe.ears,
        latent_channels=recipe.latent_channels,
        channels=recipe.channels,
        strides=recipe.strides,
        depth=recipe.depth,
    )
