"""Trains the networks of `wavenet` and `warpnet`, which render both ears in one pass.

The loss is the squared error of the signals (Richard et al. 2021), with the optional terms of
`binaural_losses.py`.
"""

from pathlib import Path

from torch import Tensor, nn

from soundstage.networks.backbones.dilated import DilatedStackConfig
from soundstage.networks.models.binaural_wavenet import (
    BinauralWaveNetConfig,
    Calibration,
    WarpNetConfig,
)
from soundstage.training.data.binaural_batches import (
    MARGIN,
    BinauralBatches,
    BinauralExamples,
    SpeechDataset,
    ValidationSegments,
    open_speech,
    pose_config,
)
from soundstage.training.recipes import WarpNetRecipe, WaveNetRecipe
from soundstage.training.tasks.binaural_losses import BinauralLoss
from soundstage.training.tasks.network_task import NetworkTask, build_network
from soundstage.weights.model import save_model


class BinauralRegressionTask(NetworkTask):
    """The signals at both ears from the mono signal, the poses and, for WarpNet, the delays."""

    metric = "wave_l2_thousandths"
    recipe: WaveNetRecipe | WarpNetRecipe
    dataset: SpeechDataset
    valid_segments: ValidationSegments | None = None

    @classmethod
    def open(
        cls, recipe: WaveNetRecipe | WarpNetRecipe, folder: Path, jobs: int = 1
    ) -> "BinauralRegressionTask":
        """The task of a recipe on a folder of binaural speech.

        Raises:
            InputError: the folder has no training recording.
            OptionError: the recipe has an unsupported configuration.
        """
        speech = open_speech(folder, recipe)
        batches = BinauralBatches(speech.train, speech.calibration, recipe)
        config = config_of(recipe, speech.calibration)
        model = build_network(config.build, recipe.loop.seed)
        task = cls(recipe, speech, model, batches, example=f"{recipe.segment_samples} samples")
        if speech.valid:
            task.valid_segments = ValidationSegments(speech, recipe)
        return task

    def loss(self, *batch: Tensor) -> Tensor:
        """Error of the signals after the margin."""
        recipe, examples = self.recipe, BinauralExamples(*batch)
        weights = BinauralLoss(1.0, recipe.preemphasis_weight, recipe.phase_weight)
        output = self._render(self.model, examples)[..., MARGIN:]
        target = examples.ears[..., MARGIN:]
        terms = weights.error_terms(output - target) + weights.phase_term(output, target)
        return terms.mean()

    def validate(self, model: nn.Module) -> float | None:
        """Negative Wave L2 on the validation segments, in thousandths."""
        if self.valid_segments is None:
            return None

        def render(segment: BinauralExamples, index: int) -> tuple[Tensor, Tensor]:
            return self._render(model, segment), segment.ears

        return -self.valid_segments.wave_l2(render, next(model.parameters()).device)

    def save(self, path: Path, state: dict[str, Tensor]) -> str:
        """Write the weights in half precision, with the calibration."""
        return save_model(path, config_of(self.recipe, self.dataset.calibration), state)

    def metric_value(self, score: float) -> float:
        """Wave L2 in thousandths."""
        return round(-score, 4)

    def _render(self, model: nn.Module, examples: BinauralExamples) -> Tensor:
        if isinstance(self.recipe, WaveNetRecipe):
            return model(examples.mono, examples.poses)
        return model(examples.mono, examples.poses, examples.sample_delays)


def config_of(
    recipe: WaveNetRecipe | WarpNetRecipe, calibration: Calibration
) -> BinauralWaveNetConfig | WarpNetConfig:
    """Configuration of the network."""
    shared = pose_config(recipe, calibration)
    stack = DilatedStackConfig(**recipe.size.model_dump())
    if isinstance(recipe, WaveNetRecipe):
        return BinauralWaveNetConfig(**shared, stack=stack)
    return WarpNetConfig(
        **shared,
        stack=stack,
        rank=recipe.rank,
        warp_layers=recipe.warp_layers,
        warp_channels=recipe.warp_channels,
    )
