"""Latents from prompts: guidance, and the times of a few steps.

Classifier-free guidance is Eq. 16 of DualSpec, with one scale w for the whole prompt. A model that
was also trained on prompts without their location can have one scale for the event and one for the
direction (after Liu et al., Compositional Visual Generation, ECCV 2022), from three estimates,

    x̂ = x̂(∅) + w·(x̂(event) − x̂(∅)) + w_d·(x̂(event, direction) − x̂(event))

With w = w_d it is Eq. 16, and only two estimates are computed.

The few steps of a flow are closer together near the noise, where the level of the whole is decided
(Esser et al. 2024, Eq. 23): t ← s·t/(1 + (s − 1)·t) of evenly spaced t.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from soundstage.diffusion import (
    CFGDenoiser,
    CleanEstimate,
    CounterNoise,
    Denoiser,
    DiscreteSchedule,
    FlowSchedule,
    Schedule,
    ancestral,
    ddim,
    dpm_solver_2m,
    heun,
    trailing_times,
    uniform_times,
)
from soundstage.errors import OptionError
from soundstage.networks.models.latent_unet import LatentUNetConfig

Sampler = Literal["dpm++", "heun", "ddim", "ancestral"]
SAMPLERS: tuple[Sampler, ...] = ("dpm++", "heun", "ddim", "ancestral")
TIME_SHIFT = 3.0  # s of a flow; latents of 640 positions
MAX_STEPS = 1000


@dataclass(frozen=True)
class SamplingOptions:
    """Settings of the sampling.

    Raises:
        OptionError: a value is out of range.
    """

    steps: int = 16
    """Evaluations of the network; 200 in the paper."""
    guidance: float = 3.0
    """w, of the event; 1 for none."""
    direction_guidance: float | None = None
    """w_d; None: the same."""
    sampler: Sampler = "dpm++"

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= MAX_STEPS:
            raise OptionError(f"`steps` is from 1 to {MAX_STEPS}, not {self.steps}.")
        for scale in (self.guidance, self.direction_guidance):
            if scale is not None and not 0 <= scale <= 30:
                raise OptionError(f"`guidance` is from 0 to 30, not {scale:g}.")
        if self.sampler not in SAMPLERS:
            raise OptionError(f"`sampler` is one of {', '.join(SAMPLERS)}, not {self.sampler!r}.")


@dataclass(frozen=True)
class Conditions:
    """Text tokens of a batch, with and without the direction, and of the empty prompt."""

    whole: tuple[Tensor, Tensor]
    """Features (batch, tokens, dim) and which tokens are in use."""
    event: tuple[Tensor, Tensor]
    empty: tuple[Tensor, Tensor]
    """Of one prompt."""


def sample_latents(
    config: LatentUNetConfig,
    denoiser: Denoiser,
    conditions: Conditions,
    seeds: Sequence[int],
    options: SamplingOptions,
) -> Float[Tensor, "batch channels rows columns"]:
    """Images of latents.

    Args:
        config: of the network.
        denoiser: without a condition.
        conditions: of as many prompts as there are seeds.
        seeds: of each example; its noise does not depend on the others.
        options: settings.
    """
    guided = _guided(denoiser, conditions, options)
    noises = [CounterNoise(config.image_shape[:2], seed) for seed in seeds]
    columns, device = config.image_shape[2], conditions.whole[0].device

    def noise(stream: int) -> Tensor:
        each = [noise.stream(stream).window(0, columns) for noise in noises]
        return torch.stack(each).to(device)

    # Two evaluations a step, but one in the first and the last step of a flow
    steps = options.steps // 2 + 1 if options.sampler == "heun" else options.steps
    times = sampling_times(config.schedule, steps)
    if options.sampler == "ancestral":
        return ancestral(guided, noise(0), times, step_noise=lambda step: noise(1 + step))
    sampler = {"dpm++": dpm_solver_2m, "heun": heun, "ddim": ddim}[options.sampler]
    return sampler(guided, noise(0), times)


def sampling_times(schedule: Schedule, steps: int) -> Float64[Tensor, " times"]:
    """Falling times of a number of steps."""
    if isinstance(schedule, DiscreteSchedule):
        return trailing_times(schedule, steps)
    times = uniform_times(schedule, steps)
    assert isinstance(schedule, FlowSchedule)
    return TIME_SHIFT * times / (1 + (TIME_SHIFT - 1) * times)


def _guided(denoiser: Denoiser, conditions: Conditions, options: SamplingOptions) -> CleanEstimate:
    text, used = conditions.whole
    whole = replace(denoiser, condition={"text": text, "used": used})
    scale = options.guidance
    toward = scale if options.direction_guidance is None else options.direction_guidance
    if scale == toward:
        empty = {"text": conditions.empty[0], "used": conditions.empty[1]}
        return CFGDenoiser(whole, empty, scale)
    return _DirectionGuidance(denoiser, conditions, scale, toward)


class _DirectionGuidance:
    """A denoiser with a scale of guidance for the event and one for the direction."""

    def __init__(
        self, denoiser: Denoiser, conditions: Conditions, scale: float, toward: float
    ) -> None:
        self._scale, self._toward = scale, toward
        text, used = (
            torch.cat([whole, event, empty.expand_as(whole)])
            for whole, event, empty in zip(
                conditions.whole, conditions.event, conditions.empty, strict=True
            )
        )
        self._denoiser = replace(denoiser, condition={"text": text, "used": used})

    @property
    def schedule(self) -> Schedule:
        return self._denoiser.schedule

    def __call__(
        self, state: Float[Tensor, " batch *rest"], time: float
    ) -> Float[Tensor, " batch *rest"]:
        whole, event, empty = self._denoiser(torch.cat([state] * 3), time).chunk(3)
        return empty + self._scale * (event - empty) + self._toward * (whole - event)
