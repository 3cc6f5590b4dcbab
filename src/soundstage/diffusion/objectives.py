"""Training objective: noise the data at random times, and regress the target.

A time is drawn for every example, x_t = α·x_0 + σ·ε, and the loss is the mean squared error of the
target (Ho et al. 2020, eq. 14). Times come from stratified uniform numbers u_i = (u_0 + i/n) mod 1
over the batch, which lowers the variance of the loss (Kingma et al. 2021, appendix I.1), optionally
through a `warp` such as the logit-normal of Esser et al. (2024, eq. 19), which favors the middle of
a flow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from soundstage.diffusion.denoiser import Parametrization
from soundstage.diffusion.noise import NoiseOffsets
from soundstage.diffusion.schedules import Schedule

Warp = Callable[[Tensor], Tensor]
"""A map of the interval from 0 to 1."""


class Noised(NamedTuple):
    """A batch of noised data with its times and targets."""

    state: Float[Tensor, " batch *rest"]
    times: Float[Tensor, " batch"]
    target: Float[Tensor, " batch *rest"]


@dataclass(frozen=True)
class Objective:
    """Schedule, target, distribution of times and noise of a training.

    The same generator state gives the same noise and times.
    """

    schedule: Schedule
    parametrization: Parametrization
    warp: Warp | None = None
    """Of the times; None for uniform times."""
    offsets: NoiseOffsets | None = None
    """Of the noise; None for white noise."""

    def noised(self, clean: Float[Tensor, " batch *rest"], generator: torch.Generator) -> Noised:
        """Noise data at random times.

        Args:
            clean: x_0.
            generator: on any device; its numbers are moved to the device of the data.
        """
        fractions = stratified_uniform(len(clean), generator)
        if self.warp is not None:
            fractions = self.warp(fractions)
        times = self.schedule.training_times(fractions).to(clean.device)
        noise = self._noise(clean, generator)
        ones = [1] * (clean.ndim - 1)
        alpha, sigma = (
            each.to(clean.dtype).reshape(-1, *ones) for each in self.schedule.level(times)
        )
        state = alpha * clean + sigma * noise
        target = self.parametrization.target(clean, noise, alpha, sigma)
        return Noised(state, times.to(clean.dtype), target)

    def loss(
        self, output: Float[Tensor, " batch *rest"], noised: Noised
    ) -> Float[Tensor, " batch"]:
        """Mean squared error of each example."""
        error = (output.to(noised.target.dtype) - noised.target).square()
        return error.reshape(len(error), -1).mean(dim=1)

    def _noise(
        self, clean: Float[Tensor, " batch *rest"], generator: torch.Generator
    ) -> Float[Tensor, " batch *rest"]:
        if self.offsets is not None:
            return self.offsets.like(clean, generator)
        device = generator.device
        noise = torch.randn(clean.shape, generator=generator, device=device, dtype=clean.dtype)
        return noise.to(clean.device)


def stratified_uniform(count: int, generator: torch.Generator) -> Float64[Tensor, " count"]:
    """Uniform numbers from 0 to below 1 that lie 1/count apart."""
    shift = torch.rand((), generator=generator, device=generator.device, dtype=torch.float64)
    places = torch.arange(count, device=generator.device, dtype=torch.float64)
    return (shift + places / count) % 1


def logit_normal(mean: float = 0.0, deviation: float = 1.0) -> Warp:
    """A warp to numbers with a Gaussian logit log(u/(1 − u)).

    Args:
        mean: of the logit; above 0 favors noisy times.
        deviation: of the logit.
    """

    def warp(uniform: Tensor) -> Tensor:
        inside = uniform.double().clamp(1e-12, 1 - 1e-12)
        return torch.sigmoid(mean + deviation * torch.special.ndtri(inside))

    return warp
