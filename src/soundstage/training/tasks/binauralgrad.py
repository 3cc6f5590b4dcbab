"""Trains a network of `binauralgrad`: one of its two stages, or the single stage.

The target of the first stage is the mean ȳ of both ears (common part), that of the other stages
both ears; the second stage is conditioned on ȳ (Leng et al. 2022, §3.2.2). A network of the paper
predicts the noise of one of 200 steps. Ours predicts the clean signal anywhere on a linear path,
often from pure noise (or zeros), where sampling at temperature 1 (or 0) starts.

At inference the second stage is conditioned on the output of the first, which it has not been
trained on; the paper leaves fine-tuning on it to future work. A recipe with `common_weights` does
it: ȳ is then the output of the first stage in one step, except for a share `teacher_forcing` of
the examples.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from soundstage.binaural.render.binauralgrad import (
    PAPER_STEPS,
    BinauralGradSampling,
    sample_stage,
    timed,
    warped_ears,
)
from soundstage.binaural.render.neural_weights import (
    STAGES,
    GradShape,
    LoadedNetwork,
    load_network,
    network_tensors,
)
from soundstage.binaural.render.pose_encoding import POSE_ENCODINGS
from soundstage.diffusion import Noised, Objective
from soundstage.errors import OptionError
from soundstage.networks.models.binaural_grad import Stage
from soundstage.training.checkpoints import weights_digest
from soundstage.training.data.binaural_batches import (
    MARGIN,
    BinauralBatches,
    BinauralExamples,
    SpeechDataset,
    ValidationSegments,
    open_speech,
)
from soundstage.training.recipes import BinauralGradRecipe
from soundstage.training.tasks.binaural_losses import BinauralLoss
from soundstage.training.tasks.network_task import NetworkTask, build_network
from soundstage.weights import save_weights

ONE_STEP = BinauralGradSampling(1)


class NoisyExamples(NamedTuple):
    """A batch: examples, their noise, and the noise of the first stage."""

    examples: BinauralExamples
    noised: Noised
    common_noise: Tensor
    """(batch, draws, samples): the initial state, then one draw for each step."""
    teacher_forcing: Tensor
    """(batch,): whether the true common part is the conditioning."""


class BinauralGradTask(NetworkTask):
    """One stage; `common` is the loaded first stage of a second stage that is trained on it."""

    metric = "wave_l2_thousandths"
    recipe: BinauralGradRecipe
    dataset: SpeechDataset
    common: LoadedNetwork[GradShape] | None
    valid_segments: ValidationSegments | None = None

    def __init__(
        self,
        recipe: BinauralGradRecipe,
        dataset: SpeechDataset,
        model: nn.Module,
        batches: BinauralBatches,
        common: LoadedNetwork[GradShape] | None = None,
    ) -> None:
        example = f"{recipe.segment_samples} samples"
        super().__init__(recipe, dataset, model, batches, example=example)
        self.common, self._config = common, config_of(recipe)
        self._loss = BinauralLoss(1.0, recipe.preemphasis_weight, recipe.phase_weight)
        self._objective = Objective(
            self._config.schedule(),
            self._config.parametrization(),
            self._often_last if recipe.pure_noise_prob else None,
        )

    @classmethod
    def open(cls, recipe: BinauralGradRecipe, folder: Path, jobs: int = 1) -> "BinauralGradTask":
        """The task of a recipe on a folder of binaural speech.

        Raises:
            InputError: the folder has no training recording.
            OptionError: the recipe has an unsupported configuration, or `common_weights` is not a
                first stage with the same pose encoding.
            WeightsError: the weights of the first stage cannot be read.
        """
        config, common = config_of(recipe), None
        if recipe.common_weights:
            common = load_network(recipe.common_weights, GradShape)
            is_first = common.shape.of_stage is Stage.COMMON
            if not is_first or common.shape.view != config.view:
                raise OptionError(
                    f"{recipe.common_weights}: is not a first stage with the pose encoding "
                    f"{recipe.pose_encoding!r}."
                )
        speech = open_speech(folder, recipe)
        batches = BinauralBatches(speech.train, speech.calibration, recipe)
        model = build_network(config.network, recipe.loop.seed)
        task = cls(recipe, speech, model, batches, common)
        if speech.valid:
            task.valid_segments = ValidationSegments(speech, recipe)
        return task

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """The fields of `NoisyExamples`, the same for every call."""
        recipe, examples = self.recipe, BinauralExamples(*super().batch(step))
        generator = torch.Generator().manual_seed(recipe.loop.seed * 1_000_033 + step)
        noised = self._objective.noised(self._target(examples), generator)
        if recipe.zero_noise_prob:
            last = noised.times >= self._objective.schedule.end
            zero = last & (torch.rand(len(last), generator=generator) < recipe.zero_noise_prob)
            noised = noised._replace(state=noised.state * ~zero[:, None, None])
        count, samples = examples.mono.shape
        common_noise = torch.randn(count, self._draws, samples, generator=generator)
        teacher_forcing = torch.rand(count, generator=generator) < recipe.teacher_forcing
        return (*examples, *noised, common_noise, teacher_forcing)

    def loss(self, *batch: Tensor) -> Tensor:
        """Error of the prediction, after the margin of the examples."""
        examples, noised, noise, teacher_forcing = unpack(batch)
        inputs = self._inputs(examples, noise, teacher_forcing)
        prediction = timed(self.model, self._config)(noised.state, noised.times, **inputs)
        error = (prediction - noised.target)[..., MARGIN:]
        loss = self._loss.error_terms(error)
        if self._loss.phase:
            estimate = self._clean_estimate(noised, prediction)
            loss = loss + self._loss.phase_term(
                estimate[..., MARGIN:], self._target(examples)[..., MARGIN:]
            )
        return loss.mean()

    def validate(self, model: nn.Module) -> float | None:
        """Negative Wave L2 on the validation segments, in thousandths.

        A second stage without `common_weights` is conditioned on the true common part.
        """
        if self.valid_segments is None:
            return None
        sampling = BinauralGradSampling(1 if self._config.flow else None)

        def render(examples: BinauralExamples, index: int) -> tuple[Tensor, Tensor]:
            target, device = self._target(examples), examples.mono.device
            generator = torch.Generator().manual_seed(index)

            def noise(step: int = 0) -> Tensor:
                return torch.randn(target.shape, generator=generator).to(device)

            shape = (1, self._draws, target.shape[-1])
            common_noise = torch.randn(shape, generator=generator).to(device)
            teacher_forcing = torch.tensor([self.common is None], device=device)
            inputs = self._inputs(examples, common_noise, teacher_forcing)
            output = sample_stage(
                model,
                self._config,
                inputs["signals"],
                inputs["view"],
                noise(),
                noise,
                sampling,
            )
            return output, target

        return -self.valid_segments.wave_l2(render, next(model.parameters()).device)

    def save(self, path: Path, state: dict[str, Tensor]) -> str:
        """Write the weights in half precision, with the calibration."""
        tensors = network_tensors(self._config, self.dataset.calibration, state)
        return save_weights(path, self.recipe.family, tensors)

    def fingerprint(self) -> bytes:
        """SHA-256 of everything that determines the result, including the first stage."""
        fingerprint, common = super().fingerprint(), self.recipe.common_weights
        if not common:
            return fingerprint
        return hashlib.sha256(fingerprint + weights_digest(common)).digest()

    def metric_value(self, score: float) -> float:
        """Wave L2 in thousandths."""
        return round(-score, 4)

    def _target(self, examples: BinauralExamples) -> Tensor:
        is_common = self._config.of_stage is Stage.COMMON
        return examples.ears.mean(dim=1, keepdim=True) if is_common else examples.ears

    def _inputs(
        self, examples: BinauralExamples, common_noise: Tensor, teacher_forcing: Tensor
    ) -> dict[str, Tensor]:
        """Inputs of the network other than the noisy state."""
        stage = self._config.of_stage
        ears = _warp(examples, self._config)
        common = None
        if stage is Stage.SPECIFIC:
            common = examples.ears.mean(dim=1)
            if self.common is not None:
                predicted = self._predict_common(self.common, examples, common_noise)
                common = torch.where(teacher_forcing[:, None], common, predicted)
        return {"signals": stage.heard(ears, examples.mono, common), "view": examples.poses}

    def _predict_common(
        self, first: LoadedNetwork[GradShape], examples: BinauralExamples, noise: Tensor
    ) -> Tensor:
        first.network.to(examples.mono.device)
        # The two networks may have been trained at different levels
        ratio = first.calibration.scale / self.dataset.calibration.scale
        mono = ratio * examples.mono
        ears = _warp(examples._replace(mono=mono), first.shape)
        with torch.no_grad():
            output = sample_stage(
                first.network,
                first.shape,
                Stage.COMMON.heard(ears, mono),
                examples.poses,
                noise[:, :1],
                lambda step: noise[:, step + 1 : step + 2],
                ONE_STEP if first.shape.flow else BinauralGradSampling(),
            )
        return output[:, 0] / ratio

    def _clean_estimate(self, noised: Noised, prediction: Tensor) -> Tensor:
        """Estimate of the clean signal from the prediction."""
        if self._config.flow:
            return prediction
        level = self._objective.schedule.level(noised.times)
        alpha, sigma = (each.to(prediction.dtype)[:, None, None] for each in level)
        return (noised.state - sigma * prediction) / alpha

    def _often_last(self, uniform: Tensor) -> Tensor:
        """Times from uniform random numbers, a share of them the last (noisiest) time."""
        return (uniform / max(1 - self.recipe.pure_noise_prob, 1e-9)).clamp(max=1)

    @property
    def _draws(self) -> int:
        """Noise draws of the first stage per example, each used once."""
        is_paper = self.common is not None and not self.common.shape.flow
        return 1 + PAPER_STEPS if is_paper else 1


def _warp(examples: BinauralExamples, config: GradShape) -> Tensor:
    return warped_ears(examples.mono, examples.sample_delays, config)


def unpack(batch: tuple[Tensor, ...]) -> NoisyExamples:
    """The tensors of a batch by name."""
    examples, noised = len(BinauralExamples._fields), len(Noised._fields)
    return NoisyExamples(
        BinauralExamples(*batch[:examples]),
        Noised(*batch[examples : examples + noised]),
        *batch[examples + noised :],
    )


def config_of(recipe: BinauralGradRecipe) -> GradShape:
    """Configuration of the network."""
    size, frames = recipe.size, recipe.frames
    return GradShape(
        view=POSE_ENCODINGS.index(recipe.pose_encoding),
        blocks=size.blocks,
        layers=size.layers,
        channels=size.channels,
        kernel=size.kernel_size,
        stage=[stage.value for stage in STAGES].index(recipe.stage),
        frame=frames.frame_size if frames else 0,
        separable=int(frames.separable) if frames else 0,
        condition=recipe.cond_channels,
        taps=frames.filter_taps if frames else 0,
        rank=frames.rank if frames else 0,
        step=recipe.timestep_dim,
        flow=int(recipe.noise == "flow"),
    )
