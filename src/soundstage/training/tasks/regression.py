"""Trains the network of `regression` (PS-Reg) on prepared features.

Mean squared error over the 68 features of a frame, which are not quantized (Serrà et al. 2023,
§4.1). Examples get a random gain, and left and right are swapped in half of them.
"""

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.models.stereo_regression import StereoRegressionConfig
from soundstage.stereo.features import FEATURES, LEVELS
from soundstage.training.data.feature_batches import (
    FeatureBatches,
    FeatureDataset,
    consecutive_segments,
    open_features,
)
from soundstage.training.recipes import RegressionRecipe
from soundstage.training.tasks.network_task import NetworkTask, build_network
from soundstage.weights.model import save_model


class RegressionTask(NetworkTask):
    """Stereo parameters of a frame from the levels of the mid."""

    metric = "mse"
    recipe: RegressionRecipe
    dataset: FeatureDataset

    @classmethod
    def open(cls, recipe: RegressionRecipe, folder: Path, jobs: int = 1) -> "RegressionTask":
        """The task of a recipe on a folder of features.

        Raises:
            InputError: the folder has no features, or all tracks are too short.
            WeightsError: the features are damaged.
        """
        dataset = open_features(folder)
        batches = FeatureBatches(
            dataset.train,
            frames=recipe.context_frames,
            batch_size=recipe.loop.batch_size,
            gain_db=recipe.gain_db,
            seed=recipe.loop.seed,
        )
        model = build_network(lambda: config_of(recipe).build(), recipe.loop.seed)
        task = cls(recipe, dataset, model, batches, example=f"{recipe.context_frames} frames")
        task.tokens_per_example = recipe.context_frames
        return task

    def loss(self, *batch: Tensor) -> Tensor:
        """Mean squared error."""
        levels, features = batch
        return F.mse_loss(self.model(levels).float(), features)

    def validate(self, model: nn.Module) -> float | None:
        """Negative mean squared error over all validation frames."""
        if not self.dataset.valid:
            return None
        device = next(model.parameters()).device
        total, frames = 0.0, 0
        for levels, features in consecutive_segments(
            self.dataset.valid, self.recipe.context_frames
        ):
            prediction = model(levels.to(device)).float().cpu()
            total += (prediction - features).square().mean(dim=-1).sum().item()
            frames += features.shape[1]
        return -total / frames

    def save(self, path: Path, state: dict[str, Tensor]) -> str:
        """Write the weights in half precision."""
        return save_model(path, config_of(self.recipe), state)


def config_of(recipe: RegressionRecipe) -> StereoRegressionConfig:
    """Configuration of the network."""
    return StereoRegressionConfig(
        **recipe.size.model_dump(),
        n_levels=LEVELS,
        dropout=recipe.dropout,
        n_outputs=FEATURES,
        context_frames=recipe.context_frames,
    )
