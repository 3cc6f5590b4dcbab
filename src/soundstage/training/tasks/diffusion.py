"""Trains the network of the method `diffusion` on prepared features.

The side parameters (`stereo/side_parameters.py`) are mixed with noise at a random time, and the
network predicts the velocity from data to noise (flow matching, Lipman et al. 2023; Liu et al.
2023). The logit of the time is Gaussian (Esser et al. 2024, §3.1). The best epoch has the smallest
error on the validation tracks, with fixed noise and times.
"""

from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from soundstage.corpora.feature_cache import FeatureCache
from soundstage.diffusion import FlowSchedule, Objective, Parametrization, logit_normal
from soundstage.diffusion.objectives import Noised
from soundstage.networks.models.side_diffusion import (
    OFFSETS,
    SideDiffusion,
    SideDiffusionConfig,
)
from soundstage.seeding import seeded_generator
from soundstage.stereo import BANDS
from soundstage.stereo.features import BANDS_OF_LEVELS, LEVELS
from soundstage.stereo.side_parameters import SIDE_PARAMETERS, to_side_parameters
from soundstage.stereo.style_prior import STYLE_FEATURES
from soundstage.training.data.feature_batches import FeatureDataset, open_features
from soundstage.training.data.stereo_examples import (
    NO_AUGMENTATION,
    StereoExamples,
    examples_of,
    fit_style_prior,
)
from soundstage.training.recipes import DiffusionRecipe, StereoAugmentation
from soundstage.training.tasks.network_task import NetworkTask, build_network, mean_error
from soundstage.weights.model import save_model

VALID_PASSES = 4  # over the validation tracks, each with other noise
VALID_BATCH_SIZE = 8


class SideBatches:
    """Side parameters with noise.

    Args:
        examples: source of the examples.
        batch_size: examples per batch.
        cond_dropout: probability of an example without conditioning.
        objective: adds the noise.
        seed: of all random choices.
    """

    def __init__(
        self,
        examples: StereoExamples,
        *,
        batch_size: int,
        cond_dropout: float,
        objective: Objective,
        seed: int,
    ) -> None:
        self._examples, self._batch_size = examples, batch_size
        self._cond_dropout = cond_dropout
        self._objective, self._seed = objective, seed
        self.per_epoch = examples.batches_per_epoch(batch_size)

    def draw(self, step: int) -> tuple[Tensor, ...]:
        """Levels, style, mask of unconditional examples, and the fields of a `Noised`."""
        generator = seeded_generator(self._seed, step)
        examples = [self._examples.draw(generator) for _ in range(self._batch_size)]
        levels = torch.stack([example.levels for example in examples])
        styles = torch.stack([example.style for example in examples])
        sides = torch.stack([to_side_parameters(example.parameters) for example in examples])
        uncond = torch.rand(self._batch_size, generator=generator) < self._cond_dropout
        return levels, styles, uncond, *self._objective.noised(sides, generator)


class DiffusionTask(NetworkTask):
    """Velocity of the side parameters from noise, time, levels and style."""

    metric = "flow_mse"
    recipe: DiffusionRecipe
    dataset: FeatureDataset
    valid_batches: SideBatches | None = None

    @classmethod
    def open(cls, recipe: DiffusionRecipe, folder: Path, jobs: int = 1) -> "DiffusionTask":
        """The task of a recipe on a folder of features.

        Raises:
            InputError: the folder has no features, or all tracks are too short.
            OptionError: the recipe has an unsupported configuration.
            WeightsError: the features are damaged.
        """
        dataset = open_features(folder)
        model = build_network(lambda: config_of(recipe).build(), recipe.loop.seed)
        assert isinstance(model, SideDiffusion)
        model.encoder.band_weights.copy_(BANDS_OF_LEVELS)
        batches = side_batches(
            recipe,
            dataset.train,
            recipe.augmentation,
            batch_size=recipe.loop.batch_size,
            cond_dropout=recipe.cond_dropout,
        )
        example = f"{recipe.context_frames} × {recipe.stride} frames"
        task = cls(recipe, dataset, model, batches, example=example)
        task.tokens_per_example = recipe.context_frames
        if dataset.valid:
            task.valid_batches = side_batches(
                recipe,
                dataset.valid,
                NO_AUGMENTATION,
                batch_size=VALID_BATCH_SIZE,
                cond_dropout=0.0,
            )
        return task

    def loss(self, *batch: Tensor) -> Tensor:
        """Mean squared error of the velocity."""
        return velocity_errors(self.model, *batch).mean()

    def validate(self, model: nn.Module) -> float | None:
        """Negative mean squared error on the validation tracks."""
        if self.valid_batches is None:
            return None

        def errors(*batch: Tensor) -> Tensor:
            return velocity_errors(model, *batch)

        count = VALID_PASSES * self.valid_batches.per_epoch
        return -mean_error(errors, self.valid_batches, count, model)

    def save(self, path: Path, state: dict[str, Tensor]) -> str:
        """Write the weights in half precision, and the style prior if there is a style input."""
        recipe, config, further = self.recipe, config_of(self.recipe), {}
        if config.style_dim:
            prior = fit_style_prior(self.dataset.train, recipe.context_frames, recipe.stride)
            further = prior.tensors()
        return save_model(path, config, state, further)


def velocity_errors(
    model: nn.Module,
    levels: Float[Tensor, "batch positions levels"],
    styles: Float[Tensor, "batch style"],
    uncond: Bool[Tensor, " batch"],
    *noised: Tensor,
) -> Float[Tensor, " batch"]:
    """Mean squared error of every example; `noised` are the fields of a `Noised`."""
    noisy = Noised(*noised)
    assert isinstance(model, SideDiffusion)
    output = model(noisy.state, noisy.times, model.encode(levels), uncond, styles)
    return (output.float() - noisy.target).square().mean(dim=(1, 2, 3))


def side_batches(
    recipe: DiffusionRecipe,
    caches: list[FeatureCache],
    augmentation: StereoAugmentation,
    *,
    batch_size: int,
    cond_dropout: float,
) -> SideBatches:
    """Batches with the lengths and times of a recipe."""
    times = logit_normal(recipe.logit_mean, recipe.logit_std)
    return SideBatches(
        examples_of(recipe, caches, augmentation),
        batch_size=batch_size,
        cond_dropout=cond_dropout,
        objective=Objective(FlowSchedule(), Parametrization.FLOW, times, offsets=OFFSETS),
        seed=recipe.loop.seed,
    )


def config_of(recipe: DiffusionRecipe) -> SideDiffusionConfig:
    """Configuration of the network.

    Raises:
        ValueError: the configuration is not supported.
    """
    return SideDiffusionConfig(
        **recipe.size.model_dump(),
        patch_size=recipe.patch_size,
        channels=len(SIDE_PARAMETERS),
        n_levels=LEVELS,
        n_bands=BANDS,
        cond_channels=recipe.cond_channels,
        style_dim=len(STYLE_FEATURES) if recipe.augmentation.style_prob > 0 else 0,
        context_frames=recipe.context_frames,
        stride=recipe.stride,
    )
