"""`binauralgrad`: what two ears hear, by diffusion in two stages (Leng et al. 2022).

A first network draws the part ȳ that both ears share out of noise, given the mono signal x as it
arrives by the geometry of the head, x̂; a second one draws both ears, given ȳ too. `single` is the
ablation of the paper: one network, of twice the depth, without ȳ (`networks/models/binaural_grad.py`).

Two kinds of network do this. The paper's tells the noise, one of 200 steps, and is sampled in six
steps that DiffWave found, with fresh noise in each (§4; `SIX_BETAS`). Ours works in frames and
tells the clean sound; noise goes in a straight line to it. Its first step makes the mean of all
that may be heard, which needs no noise: at a *temperature* of 0, a factor on the noise, it begins
with silence and always makes the same. More steps at higher temperatures draw one of what may be
heard; so far their noise harms more than it fills in (docs/benchmark.md: quality against steps).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from soundstage.binaural.geometry import HEAD_RADIUS
from soundstage.binaural.render.neural_stream import A_METER, NeuralRenderer, Told
from soundstage.binaural.render.neural_weights import STEPS, GradShape, LoadedNetwork, load_network
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
from soundstage.errors import OptionError, WeightsError
from soundstage.networks.backbones.neural_warp import warped
from soundstage.networks.models.binaural_grad import Stage

TWO_STAGES = ("binauralgrad-common", "binauralgrad-tuned")  # that are shipped
SINGLE_STAGE = ("binauralgrad-single",)
PAPER_STEPS, PAPER_TEMPERATURE = 6, 1.0
OUR_STEPS, OUR_TEMPERATURE = 1, 0.0  # chosen on validation recordings


@dataclass(frozen=True)
class BinauralGradSampling:
    """How sound is drawn.

    Raises:
        OptionError: there is no step, or there are more than were trained; or the temperature is
            not from 0 to 1.
    """

    steps: int | None = None
    """None: `PAPER_STEPS` for the paper's network, `OUR_STEPS` for ours."""
    temperature: float | None = None
    """A factor on the noise; None: `PAPER_TEMPERATURE` or `OUR_TEMPERATURE`, likewise."""

    def __post_init__(self) -> None:
        if self.steps is not None and not 1 <= self.steps <= STEPS:
            raise OptionError(f"Steps are 1 to {STEPS}, not {self.steps}.")
        if self.temperature is not None and not 0 <= self.temperature <= 1:
            raise OptionError(f"A temperature is from 0 to 1, not {self.temperature:g}.")

    def steps_of(self, shape: GradShape) -> int:
        """How many there are."""
        return self.steps or (OUR_STEPS if shape.flow else PAPER_STEPS)

    def temperature_of(self, shape: GradShape) -> float:
        """The factor on the noise."""
        if self.temperature is not None:
            return self.temperature
        return OUR_TEMPERATURE if shape.flow else PAPER_TEMPERATURE


def warped_ears(
    mono: Float[Tensor, "batch samples"],
    delays: Float[Tensor, "batch 2 samples"],
    shape: GradShape,
) -> Float[Tensor, "batch 2 samples"]:
    """x̂: linear between samples as in the paper (eq. 3), for ours cubic.

    Args:
        mono: x.
        delays: to both ears at every sample, in samples.
        shape: of the network.
    """
    times = torch.arange(mono.shape[-1], dtype=torch.float64, device=mono.device)
    return warped(mono, times - delays, cubic=bool(shape.frame))


def drawn(
    network: nn.Module,
    shape: GradShape,
    signals: Float[Tensor, "batch signals samples"],
    view: Float[Tensor, "batch numbers rows"],
    noise: Float[Tensor, "batch channels samples"],
    step_noise: StepNoise,
    sampling: BinauralGradSampling,
) -> Float[Tensor, "batch channels samples"]:
    """A result of one stage.

    Args:
        network: of the stage.
        shape: of the network.
        signals: conditional audio, out of `Stage.heard`.
        view: of the poses, a row for every 400 samples.
        noise: standard Gaussian.
        step_noise: more of it for each step, which the paper's sampler adds.
        sampling: how.
    """
    steps, temperature = sampling.steps_of(shape), sampling.temperature_of(shape)
    denoiser = Denoiser(
        timed(network, shape),
        shape.parametrization(),
        shape.schedule(),
        {"signals": signals, "view": view},
    )
    schedule = denoiser.schedule
    begin = temperature * noise
    if not isinstance(schedule, DiscreteSchedule):
        return ddim(denoiser, begin, uniform_times(schedule, steps))
    six = steps == PAPER_STEPS
    times = aligned_times(schedule) if six else trailing_times(schedule, steps)
    return ancestral(denoiser, begin, times, step_noise=lambda step: temperature * step_noise(step))


def timed(network: nn.Module, shape: GradShape) -> Callable[..., Tensor]:
    """The network, told times of its schedule."""

    def model(states: Tensor, times: Tensor, **condition: Tensor) -> Tensor:
        return network(states, shape.time_factor * times, **condition)

    return model


class BinauralGradRenderer(NeuralRenderer):
    """The method, ready to run.

    Args:
        networks: the first and the second stage, or the single one, out of `load_network`.
        sampling: how they are drawn.
        seed: of the noise; one gives one result.
        as_recorded: leave the level as in the recordings that were learned from.

    Raises:
        WeightsError: the networks are no such stages, or have not learned from the same recordings.
    """

    def __init__(
        self,
        networks: Sequence[LoadedNetwork[GradShape]],
        *,
        sampling: BinauralGradSampling | None = None,
        seed: int = 0,
        as_recorded: bool = False,
    ) -> None:
        stages = [each.shape.of_stage for each in networks]
        if stages not in ([Stage.COMMON, Stage.SPECIFIC], [Stage.SINGLE]):
            raise WeightsError(
                "BinauralGrad is made of a common and a specific stage, or of a single one, not of "
                f"{' and '.join(stage.value for stage in stages) or 'none'}."
            )
        if len({(each.calibration, each.shape.view) for each in networks}) > 1:
            raise WeightsError(
                "The two stages have not learned from the same recordings and the same view of "
                "poses: train both on one folder."
            )
        super().__init__(networks[0], as_recorded=as_recorded)
        self._networks, self._sampling = networks, sampling or BinauralGradSampling()
        self._seed = seed
        self.frame = math.lcm(*(max(each.shape.frame, 1) for each in networks))

    @property
    def reach(self) -> tuple[int, int]:
        """Samples before and after one that the result there depends on, in one step."""
        before, after = zip(*(each.network.reach for each in self._networks), strict=True)
        farthest = math.ceil((self.calibration.farthest + HEAD_RADIUS) * A_METER) + 2
        return max(before) + farthest, max(after)

    def ears(self, told: Told) -> Float32[Tensor, "2 samples"]:
        """What is heard of a window."""
        made: Tensor | None = None
        for number, (shape, _, network) in enumerate(self._networks):
            common = None if made is None else made[:, 0]
            signals = shape.of_stage.heard(
                warped_ears(told.mono, told.delays, shape), told.mono, common
            )
            noise = CounterNoise((shape.of_stage.channels,), self._seed, take=number)
            steps = _Steps(noise, told)
            made = drawn(network, shape, signals, told.view, steps(-1), steps, self._sampling)
        assert made is not None
        return made[0]


@dataclass(frozen=True)
class _Steps:
    """The noise of each step in a window, and before the first of them."""

    noise: CounterNoise
    told: Told

    def __call__(self, step: int) -> Float32[Tensor, "1 channels samples"]:
        return self.noise.stream(step + 1).window(self.told.first, self.told.mono.shape[-1])[None]


def load_binauralgrad(
    sources: Sequence[str] = TWO_STAGES,
    *,
    sampling: BinauralGradSampling | None = None,
    seed: int = 0,
) -> BinauralGradRenderer:
    """The method with shipped weights, or with those of files made by `soundstage train`.

    Args:
        sources: of the two stages, or of the single one.
        sampling: how sound is drawn.
        seed: of the noise.

    Raises:
        WeightsError: a file is missing, damaged, or its tensors make no such network; or they are
            no such stages.
    """
    networks = [load_network(source, GradShape) for source in sources]
    return BinauralGradRenderer(networks, sampling=sampling, seed=seed)
