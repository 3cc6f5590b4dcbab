"""Trains the network of the method `diffusion` on prepared features.

The side's picture (`stereo/side_parameters.py`) is mixed with noise at a random time, and the network
tells the flow from the one to the other (Lipman et al. 2023; Liu et al. 2023). The logit of the
time is Gaussian (Esser et al. 2024, §3.1). The best epoch is the one whose error over held-out
music is smallest, with the same noise and times every time.
"""

from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from soundstage.corpora.feature_cache import FeatureCache
from soundstage.diffusion import FlowSchedule, Objective, Parametrization, logit_normal
from soundstage.diffusion.objectives import Noised
from soundstage.errors import OptionError
from soundstage.networks.models.side_diffusion import SideDiffusion
from soundstage.seeding import seeded_generator
from soundstage.stereo.side_parameters import side_picture
from soundstage.training.data.feature_batches import open_caches
from soundstage.training.data.stereo_examples import AS_IT_IS, StereoExamples, examples_of
from soundstage.training.data.tracks import Progress
from soundstage.training.loop import Say, choose_device
from soundstage.training.recipes import DiffusionRecipe, StereoAugmentation
from soundstage.training.tasks.features import facts, run_on_features
from soundstage.training.tasks.style_prior import style_prior
from soundstage.upmixing.diffusion_weights import OFFSETS, DiffusionShape, network_tensors
from soundstage.weights import Card

HELD_OUT_PASSES = 4  # over the held-out music in one validation, each with noise of its own
HELD_OUT_BATCH = 8


class PictureBatches:
    """Pictures with their noise.

    Args:
        examples: what is learned from.
        size: examples a batch.
        deaf: share of the examples that go without the sound.
        objective: noises the pictures.
        seed: of the draws.
    """

    def __init__(
        self, examples: StereoExamples, *, size: int, deaf: float, objective: Objective, seed: int
    ) -> None:
        self._examples, self._size, self._deaf = examples, size, deaf
        self._objective, self._seed = objective, seed
        self.per_epoch = examples.batches(size)
        self.positions = examples.patch

    def draw(self, step: int) -> tuple[Tensor, ...]:
        """Levels, style, which are deaf, and the fields of a `Noised`, the same for a step."""
        generator = seeded_generator(self._seed, step)
        examples = [self._examples.draw(generator) for _ in range(self._size)]
        levels = torch.stack([example.levels for example in examples])
        styles = torch.stack([example.style for example in examples])
        pictures = torch.stack([side_picture(example.parameters) for example in examples])
        deaf = torch.rand(self._size, generator=generator) < self._deaf
        return levels, styles, deaf, *self._objective.noised(pictures, generator)


class DiffusionTask:
    """The network before the loop.

    Args:
        model: to be trained.
        batches: what it learns from.
        held_out: what chooses the best epoch; None where nothing is held out.
        epoch_steps: of an epoch; 0 for all records once.
    """

    def __init__(
        self,
        model: SideDiffusion,
        batches: PictureBatches,
        held_out: PictureBatches | None,
        epoch_steps: int,
    ) -> None:
        self.model: nn.Module = model
        self.steps_per_epoch = epoch_steps or batches.per_epoch
        self.tokens_per_example = batches.positions
        self._batches, self._held_out = batches, held_out

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """What `PictureBatches` draw."""
        return self._batches.draw(step)

    def loss(self, *batch: Tensor) -> Tensor:
        """Mean squared error of the flow."""
        return flow_errors(self.model, *batch).mean()

    def validate(self, model: nn.Module) -> float | None:
        """The negative of the mean squared error over held-out music."""
        if self._held_out is None:
            return None
        device = next(model.parameters()).device
        errors = [
            flow_errors(model, *(part.to(device) for part in self._held_out.draw(step)))
            for step in range(HELD_OUT_PASSES * self._held_out.per_epoch)
        ]
        return -torch.cat(errors).double().mean().item()


def flow_errors(
    model: nn.Module,
    levels: Float[Tensor, "batch positions levels"],
    styles: Float[Tensor, "batch style"],
    deaf: Bool[Tensor, " batch"],
    *noised: Tensor,
) -> Float[Tensor, " batch"]:
    """Mean squared error of every example; `noised` are the fields of a `Noised`."""
    noisy = Noised(*noised)
    assert isinstance(model, SideDiffusion)
    output = model(noisy.state, noisy.times, model.hear(levels), deaf, styles)
    return (output.float() - noisy.target).square().mean(dim=(1, 2, 3))


def train_diffusion(
    recipe: DiffusionRecipe,
    data: Path,
    output: Path,
    *,
    device: str = "auto",
    progress: Progress | None = None,
    say: Say | None = None,
) -> tuple[dict[str, Tensor], list[str], Card]:
    """Tensors of the weights (half precision), nothing left out, facts for the card.

    Raises:
        InputError: the folder holds no features, or no record is as long as an example.
        OptionError: the recipe makes no network, the checkpoint beside the output is another
            run's, or there is no such device.
        WeightsError: the features or the checkpoint are damaged.
    """
    learned, held_out = open_caches(data)
    shape = DiffusionShape(
        **recipe.size.model_dump(),
        vector_positions=recipe.vector[0],
        vector_bands=recipe.vector[1],
        hearing=recipe.hearing,
        patch=recipe.patch,
        stride=recipe.stride,
        styled=int(recipe.augmentation.styled > 0),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.loop.seed)
        try:
            model = shape.network()
        except ValueError as error:
            raise OptionError(f"The recipe makes no network: {error}.") from error
    batches = _batches(recipe, learned, recipe.augmentation, recipe.loop.batch, recipe.deaf)
    chooser = _batches(recipe, held_out, AS_IT_IS, HELD_OUT_BATCH, 0.0) if held_out else None
    task = DiffusionTask(model, batches, chooser, recipe.epoch_steps)
    chosen = choose_device(device)
    state, best = run_on_features(
        task,
        recipe,
        learned,
        held_out,
        output,
        example=f"{recipe.patch} × {recipe.stride} frames",
        device=chosen,
        progress=progress,
        say=say,
    )
    measured = {"flow_mse": round(-state.score, 5)}
    told = facts(learned, held_out, state.step, state.seconds, measured, chosen)
    prior = style_prior(learned, recipe.patch, recipe.stride) if shape.styled else None
    return network_tensors(shape, best, prior), [], told


def _batches(
    recipe: DiffusionRecipe,
    caches: list[FeatureCache],
    augmentation: StereoAugmentation,
    size: int,
    deaf: float,
) -> PictureBatches:
    return PictureBatches(
        examples_of(recipe, caches, augmentation),
        size=size,
        deaf=deaf,
        objective=Objective(
            FlowSchedule(), Parametrization.FLOW, logit_normal(*recipe.times), offsets=OFFSETS
        ),
        seed=recipe.loop.seed,
    )
