"""Times of sampling: where on a schedule a sampler asks its model, from the noisiest to 0.

N steps need N + 1 falling times. They lie

- evenly in t (`uniform_times`), for discrete schedules rounded to the steps that were trained
  (`trailing_times`): unlike other habits, from the last of them on (Lin et al. 2024, table 2);
- evenly in log-SNR (`log_snr_times`; Lu et al. 2022a, §3.4), or closer together towards the data
  (Karras et al. 2022, eq. 5), where with r = σ/α

      r_i^(1/ρ) = r_0^(1/ρ) + i/(N − 1)·(r_{N−1}^(1/ρ) − r_0^(1/ρ)),    r_N = 0

- or where a few hand-set β put them: each at the time at which training had as much noise
  (`aligned_times`; Kong et al. 2021, appendix B).
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from soundstage.diffusion.schedules import DiscreteSchedule, Schedule

SIX_BETAS = (0.0001, 0.001, 0.01, 0.05, 0.2, 0.5)
"""The hand-set steps of BinauralGrad (Leng et al. 2022), which DiffWave found."""

MAX_RATIO = 80.0  # σ/α that stands for pure noise in a spacing (Karras et al. 2022, table 1)
RHO = 7.0  # ibid.


def uniform_times(schedule: Schedule, steps: int) -> Float64[Tensor, " times"]:
    """Evenly from the end of the schedule to 0.

    Raises:
        ValueError: there is no step.

    >>> from soundstage.diffusion.schedules import FlowSchedule
    >>> uniform_times(FlowSchedule(), 4).tolist()
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    _check(steps)
    return torch.linspace(schedule.end, 0, steps + 1, dtype=torch.float64)


def trailing_times(schedule: DiscreteSchedule, steps: int) -> Float64[Tensor, " times"]:
    """Evenly, and rounded to whole steps.

    Raises:
        ValueError: there is no step, or there are more than were trained.
    """
    if steps > schedule.end:
        raise ValueError(f"{steps} steps of sampling are more than the {schedule.end:.0f} trained")
    return uniform_times(schedule, steps).round()


def log_snr_times(schedule: Schedule, steps: int) -> Float64[Tensor, " times"]:
    """Evenly in log-SNR from the end to the first time of the schedule, then 0.

    An end without any signal counts as σ/α = `MAX_RATIO` in the spacing.

    Raises:
        ValueError: there is no step.
    """
    noisiest, cleanest = (math.log(ratio) for ratio in _ratios(schedule, steps))
    logs = torch.linspace(noisiest, cleanest, steps, dtype=torch.float64)
    return _ended(schedule, schedule.time_at(-logs))


def karras_times(schedule: Schedule, steps: int, rho: float = RHO) -> Float64[Tensor, " times"]:
    """Evenly in (σ/α)^(1/ρ) from the end to the first time of the schedule, then 0.

    An end without any signal counts as σ/α = `MAX_RATIO` in the spacing.

    Raises:
        ValueError: there is no step.
    """
    noisiest, cleanest = (ratio ** (1 / rho) for ratio in _ratios(schedule, steps))
    roots = torch.linspace(noisiest, cleanest, steps, dtype=torch.float64)
    return _ended(schedule, schedule.time_at(-rho * roots.log()))


def aligned_times(
    schedule: Schedule, betas: Sequence[float] | Float[Tensor, " steps"] = SIX_BETAS
) -> Float64[Tensor, " times"]:
    """Where the schedule has the noise levels of other β, the noisiest first, then 0.

    `ancestral` over these times is the fast sampling of Kong et al. (2021): the levels, and with
    them the posteriors, are exactly those of the given β, while the model is told times between the
    steps it was trained at.

    Raises:
        ValueError: the β end noisier than the schedule.
    """
    wanted = DiscreteSchedule(betas)
    steps = torch.arange(wanted.end, 0, -1, dtype=torch.float64)
    levels = wanted.level(steps).half_log_snr
    times = schedule.time_at(levels)
    if not torch.allclose(schedule.level(times).half_log_snr, levels, rtol=1e-6):
        raise ValueError("these β end in more noise than the schedule does")
    return torch.cat([times, times.new_zeros(1)])


def _ratios(schedule: Schedule, steps: int) -> tuple[float, float]:
    """σ/α at the end and at the first time."""
    _check(steps)
    ends = torch.tensor([schedule.end, schedule.first], dtype=torch.float64)
    noisiest, cleanest = (-schedule.level(ends).half_log_snr).exp().tolist()
    return (MAX_RATIO if math.isinf(noisiest) else noisiest), cleanest


def _ended(schedule: Schedule, times: Float64[Tensor, " steps"]) -> Float64[Tensor, " times"]:
    """From pure noise, wherever the spacing began, to clean data."""
    return torch.cat([times.new_tensor([schedule.end]), times[1:], times.new_zeros(1)])


def _check(steps: int) -> None:
    if steps < 1:
        raise ValueError("sampling takes one step or more")
