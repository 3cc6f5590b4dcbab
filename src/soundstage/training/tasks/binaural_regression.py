"""Trains the networks of `wavenet` and `warpnet`, which render both ears in one pass.

The loss is the squared error of the signals (Richard et al. 2021), with the optional terms of
`binaural_losses.py`.
"""

from pathlib import Path

from torch import Tensor, nn

from soundstage.binaural.render.neural_weights import (
    BinauralWaveNetConfig,
    WarpNetShape,
    network_tensors,
)
from soundstage.binaural.render.pose_encoding import POSE_ENCODINGS
from soundstage.training.data.binaural_batches import (
    MARGIN,
    BinauralBatches,
    BinauralExamples,
    SpeechDataset,
    ValidationSegments,
    open_speech,
)
from soundstage.training.recipes import WarpNetRecipe, WaveNetRecipe
from soundstage.training.tasks.binaural_losses import BinauralLoss
from soundstage.training.tasks.network_task import NetworkTask, build_network
from soundstage.weights import save_weights


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
        model = build_network(config_of(recipe).network, recipe.loop.seed)
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
        tensors = network_tensors(config_of(self.recipe), self.dataset.calibration, state)
        return save_weights(path, self.recipe.family, tensors)

    def metric_value(self, score: float) -> float:
        """Wave L2 in thousandths."""
        return round(-score, 4)

    def _render(self, model: nn.Module, examples: BinauralExamples) -> Tensor:
        if isinstance(self.recipe, WaveNetRecipe):
            return model(examples.mono, examples.poses)
        return model(examples.mono, examples.poses, examples.sample_delays)


def config_of(recipe: WaveNetRecipe | WarpNetRecipe) -> BinauralWaveNetConfig | WarpNetShape:
    """Configuration of the network."""
    size = recipe.size
    stack = (size.blocks, size.layers, size.channels, size.kernel_size)
    encoding = POSE_ENCODINGS.index(recipe.pose_encoding)
    if isinstance(recipe, WaveNetRecipe):
        return BinauralWaveNetConfig(encoding, *stack)
    return WarpNetShape(encoding, *stack, recipe.rank, recipe.warp_layers, recipe.warp_channels)
