"""Trains the network of `regression` (PS-Reg) on prepared features.

Mean squared error over the 68 numbers of a frame, which are not quantized (Serrà et al. 2023,
§4.1); examples get a random gain, and left and right are switched in half of them.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.corpora.feature_cache import FeatureCache
from soundstage.networks.backbones.transformer import TransformerConfig
from soundstage.networks.models.stereo_regression import StereoRegression
from soundstage.stereo.features import FEATURES
from soundstage.stereo.levels import LEVELS
from soundstage.training.data.feature_batches import FeatureBatches, held_out_patches, open_caches
from soundstage.training.data.tracks import Progress
from soundstage.training.loop import Say, choose_device
from soundstage.training.recipes import RegressionRecipe
from soundstage.training.tasks.features import facts, run_on_features
from soundstage.weights import Card


class RegressionTask:
    """The network before the loop.

    Args:
        model: to be trained.
        batches: what it learns from.
        held_out: chooses the best epoch; may be empty.
        patch: frames of an example that is held out.
    """

    def __init__(
        self,
        model: StereoRegression,
        batches: FeatureBatches,
        held_out: list[FeatureCache],
        patch: int,
    ) -> None:
        self.model: nn.Module = model
        self.steps_per_epoch = batches.per_epoch
        self.tokens_per_example = patch
        self._batches, self._held_out, self._patch = batches, held_out, patch

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """Levels and features."""
        return self._batches.draw(step)

    def loss(self, *batch: Tensor) -> Tensor:
        """Mean squared error."""
        levels, features = batch
        return F.mse_loss(self.model(levels).float(), features)

    def validate(self, model: nn.Module) -> float | None:
        """The negative of the mean squared error over all frames that are held out."""
        if not self._held_out:
            return None
        device = next(model.parameters()).device
        total, frames = 0.0, 0
        for levels, features in held_out_patches(self._held_out, self._patch):
            told = model(levels.to(device)).float().cpu()
            total += (told - features).square().mean(dim=-1).sum().item()
            frames += features.shape[1]
        return -total / frames


def train_regression(
    recipe: RegressionRecipe,
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
        OptionError: the checkpoint beside the output is another run's, or there is no such device.
        WeightsError: the features or the checkpoint are damaged.
    """
    learned, held_out = open_caches(data)
    size = TransformerConfig(**recipe.size.model_dump())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.loop.seed)
        model = StereoRegression(LEVELS, FEATURES, size, dropout=recipe.dropout)
    batches = FeatureBatches(
        learned,
        patch=recipe.patch,
        size=recipe.loop.batch,
        gain=recipe.gain,
        seed=recipe.loop.seed,
    )
    task = RegressionTask(model, batches, held_out, recipe.patch)
    chosen = choose_device(device)
    state, best = run_on_features(
        task,
        recipe,
        learned,
        held_out,
        output,
        example=f"{recipe.patch} frames",
        device=chosen,
        progress=progress,
        say=say,
    )
    tensors = {name: value.detach().cpu().half() for name, value in best.items()}
    numbers = [size.blocks, size.width, size.heads, size.expansion]
    tensors["size"] = torch.tensor(numbers, dtype=torch.int64)
    measured = {"mse": round(-state.score, 5)}
    return tensors, [], facts(learned, held_out, state.step, state.seconds, measured, chosen)
