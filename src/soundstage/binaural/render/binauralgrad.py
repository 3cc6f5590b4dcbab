"""`binauralgrad`: rendering by diffusion in two stages (Leng et al. 2022).

A first network samples the common part ȳ of both ears from noise, given the mono signal x and its
geometric warping x̂; a second network samples both ears, given ȳ too. `single` is the ablation of
the paper: one network of twice the depth, without ȳ (`networks/models/binaural_grad.py`).

There are two kinds of network. The paper's predicts the noise, at 200 steps, and is sampled in six
steps found for DiffWave, with new noise in each (§4; `SIX_BETAS`). Ours works on frames, predicts
the clean signal, and is a flow along a straight line. Its first step gives the conditional mean,
independent of the noise: with a *temperature* of 0, the scale of the noise, it starts from silence
and is deterministic. More steps at higher temperatures give a sample; so far they reduce the
quality (docs/benchmark.md: quality against steps).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from soundstage.binaural.geometry import HEAD_RADIUS
from soundstage.binaural.render.neural_stream import (
    SAMPLES_PER_METER,
    NetworkInputs,
    NeuralRenderer,
    load_network,
)
from soundstage.binaural.render_options import (
    PRETRAINED,
    check_sampling,
)
from soundstage.diffusion import (
    CounterNoise,
    Denoiser,
    DiscreteSchedule,
    StepNoise,
    aligned_times,
    ancestral,
    ddim,
    trailing_times,
    uniform_times,
)
from soundstage.errors import WeightsError
from soundstage.networks.backbones.neural_warp import warp
from soundstage.networks.models.binaural_grad import BinauralGradConfig, Stage
from soundstage.weights.model import LoadedModel

PAPER_STEPS, PAPER_TEMPERATURE = 6, 1.0
OUR_STEPS, OUR_TEMPERATURE = 1, 0.0  # selected on validation recordings


@dataclass(frozen=True)
class BinauralGradSampling:
    """Settings of the sampler.

    Raises:
        OptionError: steps are not 1 to 200, or the temperature is not 0 to 1.
    """

    steps: int | None = None
    """None: `PAPER_STEPS` for the paper's network, `OUR_STEPS` for ours."""
    temperature: float | None = None
    """Scale of the noise; None: `PAPER_TEMPERATURE` or `OUR_TEMPERATURE`, likewise."""

    def __post_init__(self) -> None:
        check_sampling(self.steps, self.temperature)

    def steps_of(self, config: BinauralGradConfig) -> int:
        """The number of steps for a network."""
        return self.steps or (OUR_STEPS if config.noise == "flow" else PAPER_STEPS)

    def temperature_of(self, config: BinauralGradConfig) -> float:
        """The temperature for a network."""
        if self.temperature is not None:
            return self.temperature
        return OUR_TEMPERATURE if config.noise == "flow" else PAPER_TEMPERATURE


def warped_ears(
    mono: Float[Tensor, "batch samples"],
    delays: Float[Tensor, "batch 2 samples"],
    config: BinauralGradConfig,
) -> Float[Tensor, "batch 2 samples"]:
    """x̂, with linear interpolation as in the paper (eq. 3), cubic for our networks.

    Args:
        mono: x.
        delays: to both ears at each sample, in samples.
        config: of the network.
    """
    times = torch.arange(mono.shape[-1], dtype=delays.dtype, device=mono.device)
    return warp(mono, times - delays, cubic=config.frames is not None)


def sample_stage(
    network: nn.Module,
    config: BinauralGradConfig,
    signals: Float[Tensor, "batch signals samples"],
    pose: Float[Tensor, "batch features poses"],
    noise: Float[Tensor, "batch channels samples"],
    step_noise: StepNoise,
    sampling: BinauralGradSampling,
) -> Float[Tensor, "batch channels samples"]:
    """Sample one stage.

    Args:
        network: of the stage.
        config: of the network.
        signals: conditioning audio, from `Stage.conditioning`.
        pose: encoded poses, one for every 400 samples.
        noise: standard Gaussian.
        step_noise: more of it for each step of the paper's sampler.
        sampling: settings.
    """
    steps, temperature = sampling.steps_of(config), sampling.temperature_of(config)
    denoiser = Denoiser(
        timed(network, config),
        config.parametrization,
        config.schedule(),
        {"signals": signals, "pose": pose},
    )
    schedule = denoiser.schedule
    start = temperature * noise
    if not isinstance(schedule, DiscreteSchedule):
        return ddim(denoiser, start, uniform_times(schedule, steps))
    six = steps == PAPER_STEPS
    times = aligned_times(schedule) if six else trailing_times(schedule, steps)
    return ancestral(denoiser, start, times, step_noise=lambda step: temperature * step_noise(step))


def timed(network: nn.Module, config: BinauralGradConfig) -> Callable[..., Tensor]:
    """The network as a function of the times of its schedule."""

    def model(states: Tensor, times: Tensor, **condition: Tensor) -> Tensor:
        return network(states, config.time_scale * times, **condition)

    return model


class BinauralGradRenderer(NeuralRenderer):
    """The method `binauralgrad`.

    Args:
        networks: the first and the second stage, or the single one.
        sampling: settings of the sampler.
        seed: of the noise.
        as_recorded: keep the level of the training recordings.

    Raises:
        WeightsError: the networks are of other stages, or trained on different recordings.
    """

    def __init__(
        self,
        networks: Sequence[LoadedModel[BinauralGradConfig]],
        *,
        sampling: BinauralGradSampling | None = None,
        seed: int = 0,
        as_recorded: bool = False,
    ) -> None:
        stages = [Stage(each.config.stage) for each in networks]
        if stages not in ([Stage.COMMON, Stage.SPECIFIC], [Stage.SINGLE]):
            raise WeightsError(
                "BinauralGrad needs a common and a specific stage, or a single one, not "
                f"{' and '.join(stage.value for stage in stages) or 'none'}."
            )
        if len({(each.config.calibration, each.config.pose_encoding) for each in networks}) > 1:
            raise WeightsError(
                "The two stages differ in their training recordings or pose encoding: train both "
                "on one data set."
            )
        super().__init__(networks[0], as_recorded=as_recorded)
        self._networks, self._sampling = networks, sampling or BinauralGradSampling()
        self._seed = seed
        self.frame = math.lcm(
            *(each.config.frames.hop if each.config.frames else 1 for each in networks)
        )

    @property
    def receptive_field(self) -> tuple[int, int]:
        """Samples before and after an output sample that affect it, in one step."""
        before, after = zip(*(each.network.receptive_field for each in self._networks), strict=True)
        delay = math.ceil((self.calibration.farthest + HEAD_RADIUS) * SAMPLES_PER_METER) + 2
        return max(before) + delay, max(after)

    def predict(self, inputs: NetworkInputs) -> Float32[Tensor, "2 samples"]:
        """The ear signals of a window."""
        sampled: Tensor | None = None
        for number, model in enumerate(self._networks):
            config, stage = model.config, Stage(model.config.stage)
            common = None if sampled is None else sampled[:, 0]
            signals = stage.conditioning(
                warped_ears(inputs.mono, inputs.delays, config), inputs.mono, common
            )
            noise = _WindowNoise(CounterNoise((stage.channels,), self._seed, take=number), inputs)
            sampled = sample_stage(
                model.network, config, signals, inputs.pose, noise(-1), noise, self._sampling
            )
        assert sampled is not None
        return sampled[0]


@dataclass(frozen=True)
class _WindowNoise:
    """The noise of a window: for each step, and for −1 the initial noise."""

    noise: CounterNoise
    inputs: NetworkInputs

    def __call__(self, step: int) -> Float32[Tensor, "1 channels samples"]:
        mono = self.inputs.mono
        noise = self.noise.stream(step + 1).window(self.inputs.first, mono.shape[-1])
        return noise[None].to(mono.device)


def load_binauralgrad(
    sources: Sequence[str] = PRETRAINED["binauralgrad"],
    *,
    sampling: BinauralGradSampling | None = None,
    seed: int = 0,
    device: str = "auto",
) -> BinauralGradRenderer:
    """Load `binauralgrad`, pretrained or from files made by `soundstage train`.

    Args:
        sources: of the two stages, or of the single one.
        sampling: settings of the sampler.
        seed: of the noise.
        device: of the networks.

    Raises:
        WeightsError: a file is missing, damaged, or of another network or stage.
        OptionError: the device is unavailable.
    """
    networks = [load_network(source, BinauralGradConfig, device) for source in sources]
    return BinauralGradRenderer(networks, sampling=sampling, seed=seed)
