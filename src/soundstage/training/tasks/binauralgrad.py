"""Trains a network of `binauralgrad`: of one of its two stages, or the single one.

The clean data of the first stage are the mean ȳ of both ears, those of the others both ears; the
second is told ȳ (Leng et al. 2022, §3.2.2). A network of the paper's kind tells the noise of one of
200 steps, ours the clean sound anywhere on a straight line, and often out of nothing but noise, or
of silence in its place, where sampling begins at a temperature of 1 or of 0.

In use the second stage is told what the first one makes, which it has not learned from; the paper
leaves to future work to fine-tune it on that. A recipe with `common` does: ȳ is then the mean that
the first stage makes in one step, but for a share `golden` of the examples.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from soundstage.binaural.render.binauralgrad import (
    PAPER_STEPS,
    BinauralGradSampling,
    drawn,
    timed,
    warped_ears,
)
from soundstage.binaural.render.neural_weights import STAGES, GradShape, LoadedNetwork, load_network
from soundstage.binaural.render.pose_encoding import VIEWS
from soundstage.diffusion import Noised, Objective
from soundstage.errors import OptionError
from soundstage.networks.models.binaural_grad import Stage
from soundstage.training.data.binaural_batches import MARGIN, BinauralBatches, Heard
from soundstage.training.data.tracks import Progress
from soundstage.training.loop import Say
from soundstage.training.recipes import BinauralGradRecipe
from soundstage.training.tasks.binaural_losses import BinauralLoss
from soundstage.training.tasks.binaural_speech import (
    HeldOut,
    made_network,
    open_speech,
    train_on_speech,
)
from soundstage.weights import Card

ONE_STEP = BinauralGradSampling(1)


class NoisyExamples(NamedTuple):
    """A batch: what is heard, its noise, and that of the first stage."""

    heard: Heard
    noised: Noised
    common_noise: Tensor
    """(batch, draws, samples): where it begins, then one for each of its steps."""
    golden: Tensor
    """(batch,): whether the true common part is told."""


class GradTask:
    """The network before the loop.

    Args:
        model: to be trained.
        shape: of it.
        recipe: how.
        batches: what it learns from.
        held_out: what chooses the best epoch; None where nothing is held out.
        common: the first stage, for a second one that learns from it.
    """

    def __init__(
        self,
        model: nn.Module,
        shape: GradShape,
        recipe: BinauralGradRecipe,
        batches: BinauralBatches,
        held_out: HeldOut | None,
        common: LoadedNetwork[GradShape] | None,
    ) -> None:
        self.model = model
        self.steps_per_epoch = recipe.epoch_steps or batches.per_epoch
        self._shape, self._batches, self._held_out = shape, batches, held_out
        self._common, self._golden, self._seed = common, recipe.golden, recipe.loop.seed
        self._loss = BinauralLoss(1.0, recipe.emphasis, recipe.phase)
        self._pure, self._silent = recipe.pure, recipe.silent
        self._objective = Objective(
            shape.schedule(), shape.parametrization(), self._often_pure if recipe.pure else None
        )

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """Examples with their noise, the same for a step."""
        heard = self._batches.draw(step)
        generator = torch.Generator().manual_seed(self._seed * 1_000_033 + step)
        noised = self._objective.noised(self._clean(heard), generator)
        if self._silent:
            pure = noised.times >= self._objective.schedule.end
            silent = pure & (torch.rand(len(pure), generator=generator) < self._silent)
            noised = noised._replace(state=noised.state * ~silent[:, None, None])
        common = torch.randn(
            len(heard.mono), self._draws, heard.mono.shape[-1], generator=generator
        )
        golden = torch.rand(len(heard.mono), generator=generator) < self._golden
        return (*heard, *noised, common, golden)

    def loss(self, *batch: Tensor) -> Tensor:
        """Of the target, after the margin of the examples."""
        heard, noised, noise, golden = _unpacked(batch)
        told = self._told(heard, noise, golden)
        target = timed(self.model, self._shape)(noised.state, noised.times, **told)
        error = (target - noised.target)[..., MARGIN:]
        loss = self._loss.of_error(error)
        if self._loss.phase:
            loss = loss + self._loss.of_sound(
                self._clean_estimate(noised, target)[..., MARGIN:],
                self._clean(heard)[..., MARGIN:],
            )
        return loss.mean()

    def validate(self, model: nn.Module) -> float | None:
        """The negative of Wave L2 over held-out stretches, in thousandths.

        A second stage is told what is told in training, the true common part as a rule.
        """
        if self._held_out is None:
            return None
        device = next(model.parameters()).device
        sampling = BinauralGradSampling(1 if self._shape.flow else None)

        def made(stretch: Heard, number: int) -> tuple[Tensor, Tensor]:
            heard = Heard(*(each.to(device) for each in stretch))
            clean = self._clean(heard)
            generator = torch.Generator().manual_seed(number)

            def noise(step: int = 0) -> Tensor:
                return torch.randn(clean.shape, generator=generator).to(device)

            first = torch.randn(1, self._draws, clean.shape[-1], generator=generator).to(device)
            golden = torch.tensor([self._common is None], device=device)
            told = self._told(heard, first, golden)
            found = drawn(
                model,
                self._shape,
                told["signals"],
                told["view"],
                noise(),
                noise,
                sampling,
            )
            return found, clean

        return -self._held_out.wave_error(made)

    def _clean(self, heard: Heard) -> Tensor:
        is_common = self._shape.of_stage is Stage.COMMON
        return heard.ears.mean(dim=1, keepdim=True) if is_common else heard.ears

    def _told(self, heard: Heard, noise: Tensor, golden: Tensor) -> dict[str, Tensor]:
        """What a network hears beside the noise."""
        stage = self._shape.of_stage
        ears = self._warped(heard, self._shape)
        common = None
        if stage is Stage.SPECIFIC:
            common = heard.ears.mean(dim=1)
            if self._common is not None:
                made = self._made_common(self._common, heard, noise)
                common = torch.where(golden[:, None], common, made)
        return {"signals": stage.heard(ears, heard.mono, common), "view": heard.view}

    def _made_common(self, first: LoadedNetwork[GradShape], heard: Heard, noise: Tensor) -> Tensor:
        first.network.to(heard.mono.device)
        # The two networks may have learned sound at other levels
        ratio = first.calibration.scale / self._scale
        mono = ratio * heard.mono
        ears = self._warped(heard._replace(mono=mono), first.shape)
        with torch.no_grad():
            made = drawn(
                first.network,
                first.shape,
                Stage.COMMON.heard(ears, mono),
                heard.view,
                noise[:, :1],
                lambda step: noise[:, step + 1 : step + 2],
                ONE_STEP if first.shape.flow else BinauralGradSampling(),
            )
        return made[:, 0] / ratio

    def _clean_estimate(self, noised: Noised, target: Tensor) -> Tensor:
        """What the network takes the sound for."""
        if self._shape.flow:
            return target
        level = self._objective.schedule.level(noised.times)
        alpha, sigma = (each.to(target.dtype)[:, None, None] for each in level)
        return (noised.state - sigma * target) / alpha

    def _often_pure(self, uniform: Tensor) -> Tensor:
        """Times from evenly drawn numbers, a share of them the noisiest."""
        return (uniform / max(1 - self._pure, 1e-9)).clamp(max=1)

    @property
    def _draws(self) -> int:
        """Noises that the first stage takes for an example; one that is used twice is too loud."""
        is_paper = self._common is not None and not self._common.shape.flow
        return 1 + PAPER_STEPS if is_paper else 1

    @property
    def _scale(self) -> float:
        return self._batches.calibration.scale

    @staticmethod
    def _warped(heard: Heard, shape: GradShape) -> Tensor:
        return warped_ears(heard.mono, heard.every_delay, shape)


def _unpacked(batch: tuple[Tensor, ...]) -> NoisyExamples:
    heard, noised = len(Heard._fields), len(Noised._fields)
    return NoisyExamples(
        Heard(*batch[:heard]), Noised(*batch[heard : heard + noised]), *batch[heard + noised :]
    )


def shape_of(recipe: BinauralGradRecipe) -> GradShape:
    """What the recipe makes."""
    frames = recipe.frames
    return GradShape(
        view=VIEWS.index(recipe.view),
        **recipe.size.model_dump(),
        stage=[stage.value for stage in STAGES].index(recipe.stage),
        frame=frames.frame if frames else 0,
        separable=int(frames.separable) if frames else 0,
        condition=recipe.condition,
        taps=frames.taps if frames else 0,
        rank=frames.rank if frames else 0,
        step=recipe.step,
        flow=int(recipe.noise == "flow"),
    )


def train_binauralgrad(
    recipe: BinauralGradRecipe,
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
            run's, the first stage is none, or there is no such device.
        WeightsError: the checkpoint is damaged, or the first stage cannot be read.
    """
    shape = shape_of(recipe)
    common = load_network(recipe.common, GradShape) if recipe.common else None
    if common and (common.shape.of_stage is not Stage.COMMON or common.shape.view != shape.view):
        raise OptionError(
            f"{recipe.common}: is no first stage that is told the same of a pose as the second."
        )

    def prepared(batches: BinauralBatches, held_out: HeldOut | None) -> GradTask:
        model = made_network(shape, recipe.loop.seed)
        return GradTask(model, shape, recipe, batches, held_out, common)

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
