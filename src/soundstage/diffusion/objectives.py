"""Objectives: what a model sees in training, and how far off it is.

A time is drawn for every example, the data are noised to it, x_t = α·x_0 + σ·ε, and the loss is the
mean squared error of the target (Ho et al. 2020, eq. 14).

Times come from numbers u between 0 and 1 that are spread over the batch, u_i = (u_0 + i/n) mod 1:
each is uniform, and together they cover the schedule, which lowers the variance of the loss (Kingma
et al. 2021, appendix I.1). u is the time, or what a `warp` makes of it, such as the logit-normal of
Esser et al. (2024, eq. 19), which for flows prefers the middle.

Min-SNR-γ (Hang et al. 2023, §3.4) keeps the nearly clean times from ruling: in terms of x_0 the
loss is weighted by min(SNR, γ), so in terms of the target, whose error is d/σ times that of x_0
(see `parametrizations`), by

    w = min(α²/σ², γ)·σ²/d²
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from soundstage.diffusion.noise import Offsets
from soundstage.diffusion.parametrizations import Parametrization
from soundstage.diffusion.schedules import Level, Schedule

Warp = Callable[[Tensor], Tensor]
"""From uniform numbers between 0 and 1 to others."""

_NOTHING = 1e-8  # stands for an α or σ of 0 in a weight, which is finite there but 0/0


class Noised(NamedTuple):
    """A batch that is ready for a model."""

    state: Float[Tensor, " batch *rest"]
    times: Float[Tensor, " batch"]
    target: Float[Tensor, " batch *rest"]
    weight: Float[Tensor, " batch"]
    """Of each example in the loss."""


@dataclass(frozen=True)
class Objective:
    """What is trained; the same generator gives the same noise and times.

    Raises:
        ValueError: γ is not above 0.
    """

    schedule: Schedule
    parametrization: Parametrization
    warp: Warp | None = None
    """Of the times; None draws them evenly."""
    min_snr: float | None = None
    """γ, of the order of 5; None weights all times alike."""
    offsets: Offsets | None = None
    """Of the noise; None for white noise."""

    def __post_init__(self) -> None:
        if self.min_snr is not None and self.min_snr <= 0:
            raise ValueError(f"γ of the min-SNR weight is above 0, not {self.min_snr}")

    def noised(self, clean: Float[Tensor, " batch *rest"], generator: torch.Generator) -> Noised:
        """Data at drawn times.

        Args:
            clean: x_0.
            generator: on any device; what it draws is moved to that of the data.
        """
        fractions = spread_uniform(len(clean), generator)
        if self.warp is not None:
            fractions = self.warp(fractions)
        times = self.schedule.training_times(fractions).to(clean.device)
        noise = self._noise(clean, generator)
        level = self.schedule.level(times)
        ones = [1] * (clean.ndim - 1)
        alpha, sigma = (each.to(clean.dtype).reshape(-1, *ones) for each in level)
        state = alpha * clean + sigma * noise
        target = self.parametrization.target(clean, noise, alpha, sigma)
        return Noised(state, times.to(clean.dtype), target, self._weight(level).to(clean.dtype))

    def _noise(
        self, clean: Float[Tensor, " batch *rest"], generator: torch.Generator
    ) -> Float[Tensor, " batch *rest"]:
        if self.offsets is not None:
            return self.offsets.like(clean, generator)
        device = generator.device
        drawn = torch.randn(clean.shape, generator=generator, device=device, dtype=clean.dtype)
        return drawn.to(clean.device)

    def loss(
        self, output: Float[Tensor, " batch *rest"], noised: Noised
    ) -> Float[Tensor, " batch"]:
        """Of each example, the weighted mean squared error of what the model said."""
        error = (output.to(noised.target.dtype) - noised.target).square()
        return noised.weight * error.reshape(len(error), -1).mean(dim=1)

    def _weight(self, level: Level) -> Float64[Tensor, " batch"]:
        if self.min_snr is None:
            return torch.ones_like(level.alpha)
        alpha, sigma = (each.clamp(min=_NOTHING) for each in level)
        divisor = self.parametrization.divisor(alpha, sigma)
        return (alpha / sigma).square().clamp(max=self.min_snr) * (sigma / divisor).square()


def spread_uniform(count: int, generator: torch.Generator) -> Float64[Tensor, " count"]:
    """Uniform numbers from 0 to below 1 that lie 1/count apart."""
    shift = torch.rand((), generator=generator, device=generator.device, dtype=torch.float64)
    places = torch.arange(count, device=generator.device, dtype=torch.float64)
    return (shift + places / count) % 1


def logit_normal(mean: float = 0.0, deviation: float = 1.0) -> Warp:
    """Numbers whose logit log(u/(1 − u)) is Gaussian.

    Args:
        mean: of the logit; above 0 prefers noisy times.
        deviation: of the logit.
    """

    def warp(uniform: Tensor) -> Tensor:
        inside = uniform.double().clamp(1e-12, 1 - 1e-12)
        return torch.sigmoid(mean + deviation * torch.special.ndtri(inside))

    return warp
