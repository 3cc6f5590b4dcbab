"""Trains the latent diffusion models of DualSpec, and the mono one (Zhao et al., §III.C).

The network predicts the target from noised latents, time and prompt (Eq. 10 and 11). On the
schedule of Stable Diffusion, the weight γ_n of a step follows its signal-to-noise ratio
SNR = α²/σ² (Hang et al., min-SNR, ICCV 2023),

    γ_n = min(SNR, γ)/SNR for noise,    min(SNR, γ)/(SNR + 1) for v

A flow is weighted by the distribution of its times instead. The validation error has fixed noise
and times.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from soundstage.corpora.events import EventClip
from soundstage.diffusion import Objective, Parametrization, logit_normal
from soundstage.errors import OptionError
from soundstage.networks.models.latent_unet import (
    LATENTS,
    VAE_KINDS,
    LatentUNet,
    LatentUNetConfig,
)
from soundstage.networks.models.prompt_encoder import vocabulary_of
from soundstage.scene.dualspec.flan_t5 import FlanT5
from soundstage.scene.dualspec.prompts import all_prompts
from soundstage.training.data.event_dataset import EventDataset, open_events
from soundstage.training.data.latent_batches import (
    ClipLatents,
    Conditioner,
    Dropout,
    FrozenText,
    LatentBatches,
    WordIds,
)
from soundstage.training.data.latents import clip_latents
from soundstage.training.scene_recipes import DualSpecRecipe
from soundstage.training.tasks.network_task import NetworkTask, build_network, mean_error
from soundstage.weights import weights_digest
from soundstage.weights.model import load_model, save_model

VALID_PASSES = 8  # batches of validation clips, each with other noise
INPUT = "unet.input.weight"
OUTPUT = ("unet.output.weight", "unet.output.bias")
DIGITS = 16  # of the SHA-256 of a VAE


class DualSpecTask(NetworkTask):
    """The target of a diffusion from noised latents, time and text."""

    metric = "diffusion_mse"
    unrelated_keys = frozenset({"card", "test_folds"})
    recipe: DualSpecRecipe
    dataset: EventDataset
    config: LatentUNetConfig
    valid_batches: LatentBatches | None = None

    @classmethod
    def open(cls, recipe: DualSpecRecipe, folder: Path, jobs: int = 1) -> "DualSpecTask":
        """The task of a recipe on a collection of sound events.

        Raises:
            InputError: the folder is not such a collection, or lacks the folds of the recipe.
            OptionError: the recipe has an unsupported configuration.
            WeightsError: a VAE or the text encoder is missing or damaged.
        """
        dataset = open_events(recipe, folder, jobs)
        vaes = vae_names(recipe)
        digests = [weights_digest(vae).hex() for vae in vaes]
        train, valid = (
            _latents(recipe, vaes, digests, dataset, clips)
            for clips in (dataset.train, dataset.valid)
        )
        config = config_of(recipe, dataset, [each.shape[3:] for each in train], digests)
        network = build_network(config.build, recipe.loop.seed)
        model = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        assert isinstance(model, LatentUNet)
        if recipe.start_from:
            start_from(model, load_model(recipe.start_from, LatentUNetConfig).network)
        conditioner = _conditioner(recipe, config, model)
        batches = _batches(
            recipe,
            config,
            train,
            dataset.labeled(dataset.train)[1],
            conditioner,
            Dropout(recipe.cond_dropout, recipe.direction_dropout),
        )
        task = cls(recipe, dataset, model, batches, example=" + ".join(LATENTS[recipe.variant]))
        task.config = config
        if dataset.valid:
            labels = dataset.labeled(dataset.valid)[1]
            task.valid_batches = _batches(recipe, config, valid, labels, conditioner, Dropout())
        return task

    def loss(self, *batch: Tensor) -> Tensor:
        """Weighted mean squared error of the target."""
        return self._errors(self.model, *batch).mean()

    def validate(self, model: nn.Module) -> float | None:
        """Negative mean weighted error on the validation clips."""
        if self.valid_batches is None:
            return None

        def errors(*batch: Tensor) -> Tensor:
            return self._errors(model, *batch)

        return -mean_error(errors, self.valid_batches, VALID_PASSES, model)

    def save(self, path: Path, state: dict[str, Tensor]) -> str:
        """Write the weights in half precision."""
        return save_model(path, self.config, state)

    def fingerprint(self) -> bytes:
        """SHA-256 of everything that determines the result, VAEs and first weights included."""
        used = repr(self.config.digests).encode()
        if self.recipe.start_from:
            used += weights_digest(self.recipe.start_from)
        return hashlib.sha256(super().fingerprint() + used).digest()

    def _errors(
        self, model: nn.Module, state: Tensor, times: Tensor, target: Tensor, *condition: Tensor
    ) -> Float[Tensor, " batch"]:
        assert isinstance(model, LatentUNet)
        if model.prompt_encoder is not None:
            condition = model.prompt_encoder(*condition)
        output = model(state, times, *condition)
        errors = (output - target).square()
        if self.recipe.latent_weights:
            parts = self.config.unfold(errors)
            weighted = zip(self.recipe.latent_weights, parts, strict=True)
            per_example = sum(weight * part.mean(dim=(1, 2, 3)) for weight, part in weighted)
            return self._weights(times) * per_example / sum(self.recipe.latent_weights)
        return self._weights(times) * errors.mean(dim=(1, 2, 3))

    def _weights(self, times: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """γ_n of Eq. 11."""
        if self.config.target == "flow" or not self.recipe.snr_gamma:
            return torch.ones_like(times)
        level = self.config.schedule.level(times)
        ratio = (2 * level.half_log_snr).exp()
        limited = ratio.clamp(max=self.recipe.snr_gamma)
        weights = limited / (ratio + 1 if self.config.target == "v" else ratio)
        return weights.to(times.dtype)


@torch.no_grad()
def start_from(model: LatentUNet, other: LatentUNet) -> None:
    """Initialize a network with another of the same size but for its latents.

    The first channels of the image are taken to be those of the other network; further ones have no
    effect on it at first. In Stable Diffusion this is how an inpainting model begins.

    Raises:
        OptionError: they differ in more than the channels of the image.
    """
    state, found = model.state_dict(), other.state_dict()
    for name, tensor in state.items():
        value = found.get(name)
        if value is None or value.ndim != tensor.ndim:
            raise OptionError(f"`start_from` is a network of another size: it has no {name}.")
        if name in (INPUT, *OUTPUT):
            tensor.zero_()
            axis = 1 if name == INPUT else 0
            count = min(tensor.shape[axis], value.shape[axis])
            tensor.narrow(axis, 0, count).copy_(value.narrow(axis, 0, count))
        elif value.shape == tensor.shape:
            tensor.copy_(value)
        else:
            raise OptionError(f"`start_from` is a network of another size: {name} differs.")


def vae_names(recipe: DualSpecRecipe) -> list[str]:
    """Weights of the VAE of each latent: those of the recipe, or the pretrained ones."""
    return [recipe.vaes.get(kind, f"{VAE_KINDS[kind]}-vae") for kind in LATENTS[recipe.variant]]


def config_of(
    recipe: DualSpecRecipe,
    dataset: EventDataset,
    shapes: Sequence[Sequence[int]],
    digests: Sequence[str],
) -> LatentUNetConfig:
    """Configuration of the network.

    Raises:
        ValueError: the configuration is not supported.
    """
    channels, rows, frames = zip(*shapes, strict=True)
    mono = recipe.variant == "mono-mel"
    words = vocabulary_of(all_prompts(dataset.classes, directions=not mono))
    return LatentUNetConfig(
        **recipe.size.model_dump(),
        variant=recipe.variant,
        channels=channels,
        rows=rows,
        frames=frames,
        target=recipe.target,
        vocabulary=() if recipe.text_encoder else words,
        text_encoder=recipe.text_encoder,
        max_tokens=recipe.max_tokens,
        classes=tuple(dataset.classes),
        vaes=tuple(vae_names(recipe)),
        digests=tuple(digest[:DIGITS] for digest in digests),
    )


def _latents(
    recipe: DualSpecRecipe,
    vaes: Sequence[str],
    digests: Sequence[str],
    dataset: EventDataset,
    clips: Sequence[EventClip],
) -> list[ClipLatents]:
    if not clips:
        return []
    sounds = dataset.labeled(clips)[0]
    return [
        clip_latents(kind, vae, sounds, takes=recipe.takes, hrtf=recipe.hrtf, digest=digest)
        for kind, vae, digest in zip(LATENTS[recipe.variant], vaes, digests, strict=True)
    ]


def _conditioner(
    recipe: DualSpecRecipe, config: LatentUNetConfig, model: LatentUNet
) -> Conditioner:
    if model.prompt_encoder is not None:
        return WordIds(model.prompt_encoder)
    return FrozenText(FlanT5(recipe.text_encoder, config.max_tokens))


def _batches(
    recipe: DualSpecRecipe,
    config: LatentUNetConfig,
    latents: Sequence[ClipLatents],
    labels: Sequence[int],
    conditioner: Conditioner,
    dropout: Dropout,
) -> LatentBatches:
    warp = logit_normal(recipe.logit_mean, recipe.logit_std) if recipe.target == "flow" else None
    objective = Objective(config.schedule, Parametrization(config.target), warp)
    size = recipe.loop.batch_size
    return LatentBatches(
        config, latents, labels, objective, conditioner, dropout, size, recipe.loop.seed
    )
