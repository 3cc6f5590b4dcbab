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
from soundstage.diffusion import Noised, Objective
from soundstage.errors import OptionError
from soundstage.networks.backbones.dilated import DilatedStackConfig
from soundstage.networks.models.binaural_grad import BinauralGradConfig, FramesConfig, Stage
from soundstage.networks.models.binaural_wavenet import Calibration
from soundstage.seeding import seeded_generator
from soundstage.training.data.binaural_batches import (
    MARGIN,
    BinauralBatches,
    BinauralExamples,
    SpeechDataset,
    ValidationSegments,
    open_speech,
    pose_config,
)
from soundstage.training.recipes import BinauralGradRecipe
from soundstage.training.tasks.binaural_losses import BinauralLoss
from soundstage.training.tasks.network_task import NetworkTask, build_network
from soundstage.weights import weights_digest
from soundstage.weights.model import LoadedModel, load_model, save_model

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
    common: LoadedModel[BinauralGradConfig] | None
    valid_segments: ValidationSegments | None = None

    def __init__(
        self,
        recipe: BinauralGradRecipe,
        dataset: SpeechDataset,
        model: nn.Module,
        batches: BinauralBatches,
        common: LoadedModel[BinauralGradConfig] | None = None,
    ) -> None:
        example = f"{recipe.segment_samples} samples"
        super().__init__(recipe, dataset, model, batches, example=example)
        self.common, self._config = common, config_of(recipe, dataset.calibration)
        self._stage = Stage(recipe.stage)
        self._loss = BinauralLoss(1.0, recipe.preemphasis_weight, recipe.phase_weight)
        self._objective = Objective(
            self._config.schedule(),
            self._config.parametrization,
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
        common = None
        if recipe.common_weights:
            common = load_model(recipe.common_weights, BinauralGradConfig)
            found = (common.config.stage, common.config.pose_encoding)
            if found != ("common", recipe.pose_encoding):
                raise OptionError(
                    f"{recipe.common_weights}: is not a first stage with the pose encoding "
                    f"{recipe.pose_encoding!r}."
                )
        speech = open_speech(folder, recipe)
        batches = BinauralBatches(speech.train, speech.calibration, recipe)
        model = build_network(
            lambda: config_of(recipe, speech.calibration).build(), recipe.loop.seed
        )
        task = cls(recipe, speech, model, batches, common)
        if speech.valid:
            task.valid_segments = ValidationSegments(speech, recipe)
        return task

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """The fields of `NoisyExamples`, the same for every call."""
        recipe, examples = self.recipe, BinauralExamples(*super().batch(step))
        generator = seeded_generator(recipe.loop.seed, step)
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
        sampling = BinauralGradSampling(1 if self._config.noise == "flow" else None)

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
                inputs["pose"],
                noise(),
                noise,
                sampling,
            )
            return output, target

        return -self.valid_segments.wave_l2(render, next(model.parameters()).device)

    def save(self, path: Path, state: dict[str, Tensor]) -> str:
        """Write the weights in half precision, with the calibration."""
        return save_model(path, self._config, state)

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
        is_common = self._stage is Stage.COMMON
        return examples.ears.mean(dim=1, keepdim=True) if is_common else examples.ears

    def _inputs(
        self, examples: BinauralExamples, common_noise: Tensor, teacher_forcing: Tensor
    ) -> dict[str, Tensor]:
        """Inputs of the network other than the noisy state."""
        stage = self._stage
        ears = _warp(examples, self._config)
        common = None
        if stage is Stage.SPECIFIC:
            common = examples.ears.mean(dim=1)
            if self.common is not None:
                predicted = self._predict_common(self.common, examples, common_noise)
                common = torch.where(teacher_forcing[:, None], common, predicted)
        return {"signals": stage.conditioning(ears, examples.mono, common), "pose": examples.poses}

    def _predict_common(
        self, first: LoadedModel[BinauralGradConfig], examples: BinauralExamples, noise: Tensor
    ) -> Tensor:
        first.network.to(examples.mono.device)
        # The two networks may have been trained at different levels
        ratio = first.config.calibration.scale / self.dataset.calibration.scale
        mono = ratio * examples.mono
        ears = _warp(examples._replace(mono=mono), first.config)
        with torch.no_grad():
            output = sample_stage(
                first.network,
                first.config,
                Stage.COMMON.conditioning(ears, mono),
                examples.poses,
                noise[:, :1],
                lambda step: noise[:, step + 1 : step + 2],
                ONE_STEP if first.config.noise == "flow" else BinauralGradSampling(),
            )
        return output[:, 0] / ratio

    def _clean_estimate(self, noised: Noised, prediction: Tensor) -> Tensor:
        """Estimate of the clean signal from the prediction."""
        if self._config.noise == "flow":
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
        is_paper = self.common is not None and self.common.config.noise != "flow"
        return 1 + PAPER_STEPS if is_paper else 1


def _warp(examples: BinauralExamples, config: BinauralGradConfig) -> Tensor:
    return warped_ears(examples.mono, examples.sample_delays, config)


def unpack(batch: tuple[Tensor, ...]) -> NoisyExamples:
    """The tensors of a batch by name."""
    examples, noised = len(BinauralExamples._fields), len(Noised._fields)
    return NoisyExamples(
        BinauralExamples(*batch[:examples]),
        Noised(*batch[examples : examples + noised]),
        *batch[examples + noised :],
    )


def config_of(recipe: BinauralGradRecipe, calibration: Calibration) -> BinauralGradConfig:
    """Configuration of the network.

    Raises:
        ValueError: the configuration is not supported.
    """
    frames = recipe.frames
    return BinauralGradConfig(
        **pose_config(recipe, calibration),
        stack=DilatedStackConfig(
            **recipe.size.model_dump(), separable=frames is not None and frames.separable
        ),
        stage=recipe.stage,
        noise=recipe.noise,
        cond_channels=recipe.cond_channels,
        time_features=recipe.time_features,
        frames=FramesConfig(**frames.model_dump(exclude={"separable"})) if frames else None,
    )
