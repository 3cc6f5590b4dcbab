"""Noise schedules, and the times at which a sampler evaluates its model.

A state at time t is a mix of data and noise,

    x_t = α(t)·x_0 + σ(t)·ε,    ε ~ N(0, I)

from t = 0, without noise, to t = `end`, with little or no signal. `DiscreteSchedule` has the steps
1 … T of given β (Ho et al. 2020, eq. 4),

    α(t)² = Π_{s ≤ t} (1 − β_s),    σ(t)² = 1 − α(t)²,

`FlowSchedule` is the straight line α = 1 − t, σ = t (flow matching, Lipman et al. 2023; rectified
flow, Liu et al. 2023). Samplers use λ = log(α/σ), half the log signal-to-noise ratio (Lu et al.
2022b, §2.1), which falls from +∞ as t grows.

N sampling steps need N + 1 falling times: evenly spaced (`uniform_times`); for discrete schedules
rounded to the trained steps, from the last of them on (`trailing_times`; Lin et al. 2024, table 2);
or at the noise levels of a few hand-set β (`aligned_times`; Kong et al. 2021, appendix B).

All of it is computed in float64, since samplers depend on differences of λ.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

SIX_BETAS = (0.0001, 0.001, 0.01, 0.05, 0.2, 0.5)
"""The six sampling steps of BinauralGrad (Leng et al. 2022), from DiffWave."""


class NoiseLevel(NamedTuple):
    """Shares of data and noise in a state."""

    alpha: Float64[Tensor, "*times"]
    sigma: Float64[Tensor, "*times"]

    @property
    def half_log_snr(self) -> Float64[Tensor, "*times"]:
        """λ = log(α/σ); infinite at an end without noise or without signal."""
        return self.alpha.log() - self.sigma.log()


class Schedule(ABC):
    """A noise schedule, as samplers and objectives use it."""

    end: float
    """The noisiest time."""

    @abstractmethod
    def level(self, times: Float[Tensor, "*times"]) -> NoiseLevel:
        """α and σ at times from 0 to `end`."""

    @abstractmethod
    def time_at(self, half_log_snr: Float64[Tensor, "*times"]) -> Float64[Tensor, "*times"]:
        """Times of given λ, the inverse of `level`, limited to 0 … `end`."""

    def training_times(self, fractions: Float[Tensor, "*times"]) -> Float64[Tensor, "*times"]:
        """Training times from uniform random numbers between 0 and 1."""
        return self.end * fractions.double()


class DiscreteSchedule(Schedule):
    """A variance-preserving schedule of the steps 1 … T.

    Between two steps α is interpolated linearly (Kong et al. 2021, appendix B). Models that count
    their steps from 0 take t − 1.

    Args:
        betas: share of the variance that each step replaces by noise, between 0 and 1.

    Raises:
        ValueError: there is no step, or a β is not between 0 and 1.
    """

    def __init__(self, betas: Sequence[float] | Float[Tensor, " steps"]) -> None:
        self.betas: Float64[Tensor, " steps"] = torch.as_tensor(betas, dtype=torch.float64).cpu()
        if not len(self.betas) or not ((self.betas > 0) & (self.betas < 1)).all():
            raise ValueError("a schedule has one β or more, each between 0 and 1")
        log_alpha = 0.5 * (-self.betas).log1p().cumsum(0)
        # 1 − α rather than α, which would lose its digits near the clean end
        self._lost = torch.cat([log_alpha.new_zeros(1), -log_alpha.expm1()])
        self.end = float(len(self.betas))

    def level(self, times: Float[Tensor, "*times"]) -> NoiseLevel:
        """α and σ at times from 0 to T, also between steps."""
        lost = self._lost.to(times.device)
        times = times.double()
        before = times.floor().clamp(0, self.end - 1).long()
        here = torch.lerp(lost[before], lost[before + 1], times - before)
        return NoiseLevel(1 - here, (here * (2 - here)).sqrt())

    def time_at(self, half_log_snr: Float64[Tensor, "*times"]) -> Float64[Tensor, "*times"]:
        """Times of given λ, also between steps, limited to 0 … T."""
        table = self._lost.to(half_log_snr.device)
        lost = torch.sigmoid(-2 * half_log_snr) / (1 + torch.sigmoid(2 * half_log_snr).sqrt())
        after = torch.searchsorted(table, lost).clamp(1, len(self.betas))
        before = after - 1
        part = (lost - table[before]) / (table[after] - table[before])
        return (before + part).clamp(0, self.end)

    def training_times(self, fractions: Float[Tensor, "*times"]) -> Float64[Tensor, "*times"]:
        """Steps 1 … T, equally probable."""
        return (self.end * fractions.double()).floor().clamp(max=self.end - 1) + 1


class FlowSchedule(Schedule):
    """The straight line α = 1 − t, σ = t."""

    end = 1.0

    def level(self, times: Float[Tensor, "*times"]) -> NoiseLevel:
        """α and σ at times from 0 to 1."""
        times = times.double()
        return NoiseLevel(1 - times, times)

    def time_at(self, half_log_snr: Float64[Tensor, "*times"]) -> Float64[Tensor, "*times"]:
        """Times of given λ, from (1 − t)/t = e^λ."""
        return torch.sigmoid(-half_log_snr)


def linear_betas(steps: int, first: float = 1e-4, last: float = 0.02) -> Float64[Tensor, " steps"]:
    """Evenly spaced β; the defaults are those of Ho et al. (2020, §4) for 1000 steps."""
    return torch.linspace(first, last, steps, dtype=torch.float64)


def uniform_times(schedule: Schedule, steps: int) -> Float64[Tensor, " times"]:
    """Evenly spaced times from the end of the schedule to 0.

    Raises:
        ValueError: there is no step.

    >>> uniform_times(FlowSchedule(), 4).tolist()
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    if steps < 1:
        raise ValueError("sampling takes one step or more")
    return torch.linspace(schedule.end, 0, steps + 1, dtype=torch.float64)


def trailing_times(schedule: DiscreteSchedule, steps: int) -> Float64[Tensor, " times"]:
    """`uniform_times` rounded to the trained steps.

    Raises:
        ValueError: there is no step, or there are more than were trained.
    """
    if steps > schedule.end:
        raise ValueError(f"{steps} steps of sampling are more than the {schedule.end:.0f} trained")
    return uniform_times(schedule, steps).round()


def aligned_times(
    schedule: Schedule, betas: Sequence[float] | Float[Tensor, " steps"] = SIX_BETAS
) -> Float64[Tensor, " times"]:
    """Times at which the schedule has the noise levels of other β, the noisiest first, then 0.

    `ancestral` over these times is the fast sampling of Kong et al. (2021): the levels, and with
    them the posteriors, are those of the given β, and the model is evaluated between the steps
    that it was trained at.

    Raises:
        ValueError: the β end noisier than the schedule.
    """
    target = DiscreteSchedule(betas)
    steps = torch.arange(target.end, 0, -1, dtype=torch.float64)
    levels = target.level(steps).half_log_snr
    times = schedule.time_at(levels)
    if not torch.allclose(schedule.level(times).half_log_snr, levels, rtol=1e-6):
        raise ValueError("these β end in more noise than the schedule does")
    return torch.cat([times, times.new_zeros(1)])
