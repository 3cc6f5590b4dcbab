"""Noise schedules: how much of the data and how much noise a state holds at a time.

    x_t = α(t)·x_0 + σ(t)·ε,    ε ~ N(0, I)

Time runs from 0, where there is no noise, to `end`, where there is little else. Either a model is
trained at the whole steps 1 … T of given β (Ho et al. 2020, eq. 4),

    α(t)² = Π_{s ≤ t} (1 − β_s),    σ(t)² = 1 − α(t)²,

or at any time from 0 to 1: along a cosine (Nichol and Dhariwal 2021, eq. 17), or in a straight
line, α = 1 − t and σ = t (flow matching, Lipman et al. 2023; rectified flow, Liu et al. 2023). What
a sampler needs of a schedule is λ = log(α/σ), half its log signal-to-noise ratio (Lu et al. 2022b,
§2.1), which falls from +∞ as time goes on.

All of it is computed in float64, since samplers live on differences of λ.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

COSINE_OFFSET = 0.008  # Nichol and Dhariwal (2021, §3.2): some noise at the first of 1000 steps
MAX_BETA = 0.999  # ibid.: the last steps of a cosine would be singular
MIN_RATIO = 0.002  # σ/α below which nothing is left to do (Karras et al. 2022, table 1)


class Level(NamedTuple):
    """What a state is made of."""

    alpha: Float64[Tensor, "*times"]
    sigma: Float64[Tensor, "*times"]

    @property
    def half_log_snr(self) -> Float64[Tensor, "*times"]:
        """λ = log(α/σ), infinite at an end that has no noise, or nothing else."""
        return self.alpha.log() - self.sigma.log()


class Schedule(ABC):
    """What samplers and objectives know of a schedule."""

    end: float
    """The noisiest time."""
    first: float
    """The least noisy time that sampling should ask a model about."""

    @abstractmethod
    def level(self, times: Float[Tensor, "*times"]) -> Level:
        """α and σ at times from 0 to `end`."""

    @abstractmethod
    def time_at(self, half_log_snr: Float64[Tensor, "*times"]) -> Float64[Tensor, "*times"]:
        """The times of given λ, the way back from `level`, held between 0 and `end`."""

    def training_times(self, fractions: Float[Tensor, "*times"]) -> Float64[Tensor, "*times"]:
        """Times to train at, for numbers from 0 to 1 that say how far along the schedule."""
        return self.end * fractions.double()


class DiscreteSchedule(Schedule):
    """A variance-preserving schedule of whole steps 1 … T.

    Between two steps α goes in a straight line, which is how Kong et al. (2021, appendix B) place a
    noise level between the steps of training. Many published models count their steps from 0:
    they want t − 1.

    Args:
        betas: share of the variance that each step replaces by noise, from 0 to 1.

    Raises:
        ValueError: there is no step, or a β is not between 0 and 1.
    """

    first = 1.0

    def __init__(self, betas: Sequence[float] | Float[Tensor, " steps"]) -> None:
        self.betas: Float64[Tensor, " steps"] = torch.as_tensor(betas, dtype=torch.float64).cpu()
        if not len(self.betas) or not ((self.betas > 0) & (self.betas < 1)).all():
            raise ValueError("a schedule is made of one β or more, each between 0 and 1")
        log_alpha = 0.5 * (-self.betas).log1p().cumsum(0)
        # 1 − α rather than α: near the clean end it would lose its digits
        self._lost = torch.cat([log_alpha.new_zeros(1), -log_alpha.expm1()])
        self.end = float(len(self.betas))

    def level(self, times: Float[Tensor, "*times"]) -> Level:
        """α and σ at times from 0 to T, whole or not."""
        lost = self._lost.to(times.device)
        times = times.double()
        before = times.floor().clamp(0, self.end - 1).long()
        here = torch.lerp(lost[before], lost[before + 1], times - before)
        return Level(1 - here, (here * (2 - here)).sqrt())

    def time_at(self, half_log_snr: Float64[Tensor, "*times"]) -> Float64[Tensor, "*times"]:
        """The times of given λ, whole or not, held between 0 and T."""
        table = self._lost.to(half_log_snr.device)
        lost = torch.sigmoid(-2 * half_log_snr) / (1 + torch.sigmoid(2 * half_log_snr).sqrt())
        after = torch.searchsorted(table, lost).clamp(1, len(self.betas))
        before = after - 1
        part = (lost - table[before]) / (table[after] - table[before])
        return (before + part).clamp(0, self.end)

    def training_times(self, fractions: Float[Tensor, "*times"]) -> Float64[Tensor, "*times"]:
        """Whole steps 1 … T, each of which has an equal share of the numbers from 0 to 1."""
        return (self.end * fractions.double()).floor().clamp(max=self.end - 1) + 1


class CosineSchedule(Schedule):
    """α = cos(φ)/cos(φ_0) with φ = (t + s)/(1 + s)·π/2, at any time from 0 to 1.

    Args:
        offset: s.
    """

    end = 1.0

    def __init__(self, offset: float = COSINE_OFFSET) -> None:
        self._offset = offset
        self._start = offset / (1 + offset) * math.pi / 2
        self.first = _first_time(self)

    def level(self, times: Float[Tensor, "*times"]) -> Level:
        """α and σ at times from 0 to 1."""
        passed = times.double() / (1 + self._offset) * math.pi / 2  # φ − φ_0
        left = (1 - times.double()) / (1 + self._offset) * math.pi / 2  # π/2 − φ
        variance = passed.sin() * (passed + 2 * self._start).sin()  # cos² φ_0 − cos² φ
        # In terms of what is passed and what is left, both ends are exact
        return Level(left.sin() / math.cos(self._start), variance.sqrt() / math.cos(self._start))

    def time_at(self, half_log_snr: Float64[Tensor, "*times"]) -> Float64[Tensor, "*times"]:
        """The times of given λ."""
        alpha = torch.sigmoid(2 * half_log_snr).sqrt()
        angle = (alpha * math.cos(self._start)).acos()
        return (angle / (math.pi / 2) * (1 + self._offset) - self._offset).clamp(0, 1)


class FlowSchedule(Schedule):
    """The straight line α = 1 − t, σ = t."""

    end = 1.0

    def __init__(self) -> None:
        self.first = _first_time(self)

    def level(self, times: Float[Tensor, "*times"]) -> Level:
        """α and σ at times from 0 to 1."""
        times = times.double()
        return Level(1 - times, times)

    def time_at(self, half_log_snr: Float64[Tensor, "*times"]) -> Float64[Tensor, "*times"]:
        """The times of given λ: from (1 − t)/t = e^λ."""
        return torch.sigmoid(-half_log_snr)


def linear_betas(steps: int, first: float = 1e-4, last: float = 0.02) -> Float64[Tensor, " steps"]:
    """β in equal steps; the defaults are those of Ho et al. (2020, §4) for 1000 steps."""
    return torch.linspace(first, last, steps, dtype=torch.float64)


def cosine_betas(steps: int, offset: float = COSINE_OFFSET) -> Float64[Tensor, " steps"]:
    """β that follow `CosineSchedule`, up to `MAX_BETA` (Nichol and Dhariwal 2021, §3.2)."""
    times = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    signal = CosineSchedule(offset).level(times).alpha.square()
    return (1 - signal[1:] / signal[:-1]).clamp(max=MAX_BETA)


def _first_time(schedule: Schedule) -> float:
    nearly_clean = torch.tensor(-math.log(MIN_RATIO), dtype=torch.float64)
    return schedule.time_at(nearly_clean).item()
