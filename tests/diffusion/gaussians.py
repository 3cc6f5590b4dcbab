"""Gaussian data, for which the best denoiser is known and all samplers are linear."""

from dataclasses import dataclass

import torch
from torch import Tensor

from soundstage.diffusion import CleanEstimate, Schedule


@dataclass
class GaussianData:
    """Independent samples of N(mean, deviation²), with their best denoiser."""

    schedule: Schedule
    mean: float = 0.0
    deviation: float = 1.0

    def __call__(self, state: Tensor, time: float) -> Tensor:
        alpha, sigma = self.level(time)
        gain = self.deviation**2 * alpha / (self.deviation**2 * alpha**2 + sigma**2)
        return self.mean + gain * (state - alpha * self.mean)

    def level(self, time: float) -> tuple[float, float]:
        alpha, sigma = self.schedule.level(torch.tensor(time, dtype=torch.float64))
        return alpha.item(), sigma.item()

    def flow(self, state: Tensor, start: float, stop: float) -> Tensor:
        """End of the probability flow, which keeps the distance from the mean in deviations."""
        points = [self.level(time) for time in (start, stop)]
        (a, before), (b, after) = (
            (alpha, (self.deviation**2 * alpha**2 + sigma**2) ** 0.5) for alpha, sigma in points
        )
        return b * self.mean + after / before * (state - a * self.mean)


@dataclass
class Process:
    """A stationary process along the last axis, with the best denoiser of any segment."""

    schedule: Schedule
    correlation: float = 0.9
    """Of neighbors."""

    def __call__(self, state: Tensor, time: float) -> Tensor:
        alpha, sigma = self.schedule.level(torch.tensor(time))
        covariance = self.covariance(state.shape[-1])
        noisy = alpha**2 * covariance + sigma**2 * torch.eye(len(covariance))
        return state @ torch.linalg.solve(noisy, alpha * covariance).to(state)

    def covariance(self, length: int) -> Tensor:
        places = torch.arange(length, dtype=torch.float64)
        return self.correlation ** (places[:, None] - places).abs()


@dataclass
class Recorder:
    """A denoiser that records its inputs."""

    denoiser: CleanEstimate

    def __post_init__(self) -> None:
        self.states: list[Tensor] = []
        self.times: list[float] = []

    @property
    def schedule(self) -> Schedule:
        return self.denoiser.schedule

    def __call__(self, state: Tensor, time: float) -> Tensor:
        self.states.append(state.clone())
        self.times.append(time)
        return self.denoiser(state, time)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
