"""Trains the networks of `wavenet` and `warpnet`, which tell what two ears hear in one pass.

The loss is the squared error of the sound with the weight 1 (Richard et al. 2021), and what else
the recipe asks for (`binaural_losses.py`).
"""

from pathlib import Path

from torch import Tensor, nn

from soundstage.binaural.render.neural_weights import BinauralWaveNetConfig, WarpNetShape
from soundstage.binaural.render.pose_encoding import VIEWS
from soundstage.training.data.binaural_batches import MARGIN, BinauralBatches, Heard
from soundstage.training.data.tracks import Progress
from soundstage.training.loop import Say
from soundstage.training.recipes import WarpNetRecipe, WaveNetRecipe
from soundstage.training.tasks.binaural_losses import BinauralLoss
from soundstage.training.tasks.binaural_speech import (
    HeldOut,
    made_network,
    open_speech,
    train_on_speech,
)
from soundstage.weights import Card


class RegressionTask:
    """The network before the loop.

    Args:
        model: to be trained.
        batches: what it learns from.
        held_out: what chooses the best epoch; None where nothing is held out.
        loss: of its sound.
        warps: whether it is told delays.
        epoch_steps: of an epoch; 0 for all recordings once.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: BinauralBatches,
        held_out: HeldOut | None,
        loss: BinauralLoss,
        *,
        warps: bool,
        epoch_steps: int,
    ) -> None:
        self.model = model
        self.steps_per_epoch = epoch_steps or batches.per_epoch
        self._batches, self._held_out, self._loss = batches, held_out, loss
        self._warps = warps

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """What `BinauralBatches` draw."""
        return tuple(self._batches.draw(step))

    def loss(self, *batch: Tensor) -> Tensor:
        """Of the sound after its margin."""
        heard = Heard(*batch)
        made, true = self._made(self.model, heard)[..., MARGIN:], heard.ears[..., MARGIN:]
        return (self._loss.of_error(made - true) + self._loss.of_sound(made, true)).mean()

    def validate(self, model: nn.Module) -> float | None:
        """The negative of Wave L2 over held-out stretches, in thousandths."""
        if self._held_out is None:
            return None
        device = next(model.parameters()).device

        def made(stretch: Heard, number: int) -> tuple[Tensor, Tensor]:
            return self._made(model, Heard(*(each.to(device) for each in stretch))), stretch.ears

        return -self._held_out.wave_error(made)

    def _made(self, model: nn.Module, heard: Heard) -> Tensor:
        if not self._warps:
            return model(heard.mono, heard.view)
        return model(heard.mono, heard.view, heard.every_delay)


def shape_of(recipe: WaveNetRecipe | WarpNetRecipe) -> BinauralWaveNetConfig | WarpNetShape:
    """What the recipe makes."""
    common = {"view": VIEWS.index(recipe.view), **recipe.size.model_dump()}
    if isinstance(recipe, WaveNetRecipe):
        return BinauralWaveNetConfig(**common)
    return WarpNetShape(
        **common,
        rank=recipe.rank,
        warp_layers=recipe.warp_layers,
        warp_channels=recipe.warp_channels,
    )


def train_binaural_regression(
    recipe: WaveNetRecipe | WarpNetRecipe,
    data: Path,
    output: Path,
    *,
    device: str = "auto",
    progress: Progress | None = None,
    say: Say | None = None,
) -> tuple[dict[str, Tensor], list[str], Card]:
    """Tensors of the weights (half precision), what was left out, facts for the card.

    Raises:
        InputError: the folder holds no recording to learn from.
        OptionError: the recipe makes no network, the checkpoint beside the output is another
            run's, or there is no such device.
        WeightsError: the checkpoint is damaged.
    """
    shape = shape_of(recipe)

    def prepared(batches: BinauralBatches, held_out: HeldOut | None) -> RegressionTask:
        return RegressionTask(
            made_network(shape, recipe.loop.seed),
            batches,
            held_out,
            BinauralLoss(1.0, recipe.emphasis, recipe.phase),
            warps=isinstance(recipe, WarpNetRecipe),
            epoch_steps=recipe.epoch_steps,
        )

    return train_on_speech(
        recipe,
        shape,
        prepared,
        data,
        open_speech(data, recipe),
        output,
        device=device,
        progress=progress,
        say=say,
    )
