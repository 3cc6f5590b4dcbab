"""Steps of a sampler: pairs of times with what the schedule says of them, and the first-order move.

From a time t down to s, with h = λ_s − λ_t, every sampler here keeps a part k of the noise that it
estimates and puts the rest of x_s together from the clean estimate:

    x_s = α_s·x̂_0 + k·σ_s·ε̂,    ε̂ = (x_t − α_t·x̂_0)/σ_t

All coefficients are numbers in float64; only states are tensors.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.diffusion.schedules import Schedule

Times = Sequence[float] | Float[Tensor, " times"]
"""Falling, from one at which a state is noise to one at which it is data."""

StepNoise = Callable[[int], Tensor]
"""From the number of a step, from 0, standard Gaussian noise in the shape of the state."""

Callback = Callable[[int, int], None]
"""Told how many steps are done, of how many."""


class Point(NamedTuple):
    """A time on a schedule."""

    time: float
    alpha: float
    sigma: float
    half_log_snr: float


class Step(NamedTuple):
    """From one time down to the next."""

    number: int
    """From 0."""
    of: int
    start: Point
    stop: Point

    @property
    def h(self) -> float:
        """λ_s − λ_t; infinite from an end without signal, and to one without noise."""
        return self.stop.half_log_snr - self.start.half_log_snr

    @property
    def is_last(self) -> bool:
        """Whether no step follows."""
        return self.number + 1 == self.of


def steps_along(schedule: Schedule, times: Times, callback: Callback | None) -> Iterator[Step]:
    """The steps between given times; the callback is told of each that is done.

    Raises:
        ValueError: there is no step, or times do not fall, or leave the schedule.
    """
    falling = torch.as_tensor(times, dtype=torch.float64, device="cpu")
    if len(falling) < 2 or not (falling.diff() < 0).all():
        raise ValueError("sampling needs two times or more, each below the one before")
    if falling[0] > schedule.end or falling[-1] < 0:
        raise ValueError(f"times of sampling lie between {schedule.end} and 0")
    level = schedule.level(falling)
    columns = (falling, level.alpha, level.sigma, level.half_log_snr)
    points = [Point(*row) for row in torch.stack(columns, dim=1).tolist()]
    of = len(points) - 1
    for number, (start, stop) in enumerate(pairwise(points)):
        yield Step(number, of, start, stop)
        if callback is not None:
            callback(number + 1, of)


def first_order(
    state: Float[Tensor, " batch *rest"],
    clean: Float[Tensor, " batch *rest"],
    step: Step,
    kept: float = 1.0,
) -> Float[Tensor, " batch *rest"]:
    """x_s, less fresh noise, where a part k of the estimated noise is kept; a new tensor."""
    ratio = kept * step.stop.sigma / step.start.sigma
    return (ratio * state).add_(clean, alpha=step.stop.alpha - step.start.alpha * ratio)
