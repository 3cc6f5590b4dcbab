"""Samplers: DDIM, Euler, ancestral (DDPM), DPM-Solver++(2M) and Heun.

From a time t down to s, with h = λ_s − λ_t, the first-order step keeps a part k of the estimated
noise and takes the rest of x_s from the clean estimate:

    x_s = α_s·x̂_0 + k·σ_s·ε̂,    ε̂ = (x_t − α_t·x̂_0)/σ_t

With v = σ_s²·(1 − e^(−2h)), the variance of the posterior q(x_s | x_t, x_0), and fresh noise z,

    x_s = α_s·x̂_0 + √(σ_s² − η²·v)·ε̂ + η·√v·z

is the step of Song et al. (2021, eq. 12 and 16) on any schedule. η = 0 is DDIM, which along dα and
dσ is Euler's method; η = 1 samples that posterior at x̂_0: ancestral sampling (Ho et al. 2020,
algorithm 2), exact for steps of any size.

DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2) extrapolates in λ from the previous estimate x̂_0',
at a distance h', and takes a first-order step with

    D = x̂_0 + h/(2h')·(x̂_0 − x̂_0')

Heun's method (Karras et al. 2022, algorithm 1) averages the slopes before and after a first-order
step. It runs on x/α against σ/α, with ε̂ as the slope:

    x_s/α_s = x_t/α_t + (σ_s/α_s − σ_t/α_t)·(ε̂_t + ε̂_s)/2

Where h is infinite, from an end without signal or to one without noise, both take a first-order
step.

A sampler is a function of a denoiser, of the state at the first time, which is standard Gaussian
noise, and of the times; it returns the state at the last time, without gradients. Coefficients are
numbers in float64; only states are tensors.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.diffusion.denoiser import CleanEstimate
from soundstage.diffusion.schedules import Schedule

Times = Sequence[float] | Float[Tensor, " times"]
"""Falling times, from noise to data."""

StepNoise = Callable[[int], Tensor]
"""Standard Gaussian noise in the shape of the state, for a step counted from 0."""

Callback = Callable[[int, int], None]
"""Called after each step with the number of finished steps and of all steps."""


@torch.no_grad()
def ddim(
    denoiser: CleanEstimate,
    noise: Float[Tensor, " batch *rest"],
    times: Times,
    *,
    eta: float = 0.0,
    step_noise: StepNoise | None = None,
    callback: Callback | None = None,
) -> Float[Tensor, " batch *rest"]:
    """DDIM; deterministic unless η is above 0.

    Args:
        denoiser: evaluated once per step.
        noise: the state at the first time.
        times: falling.
        eta: η, from 0 to 1.
        step_noise: z of a step, required if η is above 0.
        callback: for progress.

    Raises:
        ValueError: η is out of its range or has no noise, or the times do not fall, leave the
            schedule or are fewer than two.
    """
    if not 0 <= eta <= 1 or (eta and step_noise is None):
        raise ValueError("η is from 0 to 1, and above 0 it needs noise for the steps")
    state = noise
    for step in _steps(denoiser.schedule, times, callback):
        removed = -math.expm1(-2 * step.h)
        kept = math.sqrt(1 - eta**2 * removed)
        state = _first_order(state, denoiser(state, step.start.time), step, kept)
        fresh = eta * step.stop.sigma * math.sqrt(removed)
        if step_noise is not None and fresh:
            state.add_(step_noise(step.number), alpha=fresh)
    return state


def euler(
    denoiser: CleanEstimate,
    noise: Float[Tensor, " batch *rest"],
    times: Times,
    *,
    callback: Callback | None = None,
) -> Float[Tensor, " batch *rest"]:
    """Euler's method, x_s = x_t + (α_s − α_t)·x̂_0 + (σ_s − σ_t)·ε̂, which is `ddim`.

    Along a flow it is x_s = x_t + (s − t)·(ε̂ − x̂_0).
    """
    return ddim(denoiser, noise, times, callback=callback)


@torch.no_grad()
def ancestral(
    denoiser: CleanEstimate,
    noise: Float[Tensor, " batch *rest"],
    times: Times,
    *,
    step_noise: StepNoise,
    variance: Literal["posterior", "forward"] = "posterior",
    callback: Callback | None = None,
) -> Float[Tensor, " batch *rest"]:
    """Ancestral sampling (DDPM): fresh noise in every step but one that ends without noise.

    Args:
        denoiser: evaluated once per step.
        noise: the state at the first time.
        times: falling.
        step_noise: z of a step.
        variance: of the fresh noise: "posterior", v, is exact for data at one point; "forward",
            σ_t²·(1 − e^(−2h)), for standard Gaussian data (Ho et al. 2020, §3.2).
        callback: for progress.

    Raises:
        ValueError: the times do not fall, leave the schedule or are fewer than two.
    """
    state = noise
    for step in _steps(denoiser.schedule, times, callback):
        clean = denoiser(state, step.start.time)
        state = _first_order(state, clean, step, kept=math.exp(-step.h))
        if step.stop.sigma:
            deviation = step.stop.sigma if variance == "posterior" else step.start.sigma
            fresh = deviation * math.sqrt(-math.expm1(-2 * step.h))
            state.add_(step_noise(step.number), alpha=fresh)
    return state


@torch.no_grad()
def dpm_solver_2m(
    denoiser: CleanEstimate,
    noise: Float[Tensor, " batch *rest"],
    times: Times,
    *,
    lower_order_final: bool = True,
    callback: Callback | None = None,
) -> Float[Tensor, " batch *rest"]:
    """DPM-Solver++(2M).

    Args:
        denoiser: evaluated once per step.
        noise: the state at the first time.
        times: falling.
        lower_order_final: whether the last step is of first order also where some noise is left,
            which is more stable with few steps.
        callback: for progress.

    Raises:
        ValueError: the times do not fall, leave the schedule or are fewer than two.
    """
    state = noise
    previous: tuple[Tensor, float] | None = None
    for step in _steps(denoiser.schedule, times, callback):
        clean = extrapolated = denoiser(state, step.start.time)
        lower = step.is_last and (lower_order_final or math.isinf(step.h))
        if previous is not None and not lower:
            extrapolated = torch.lerp(previous[0], clean, 1 + step.h / (2 * previous[1]))
        state = _first_order(state, extrapolated, step)
        previous = clean, step.h
    return state


@torch.no_grad()
def heun(
    denoiser: CleanEstimate,
    noise: Float[Tensor, " batch *rest"],
    times: Times,
    *,
    callback: Callback | None = None,
) -> Float[Tensor, " batch *rest"]:
    """Heun's method.

    Args:
        denoiser: evaluated twice per step, once where the step is of first order.
        noise: the state at the first time.
        times: falling.
        callback: for progress.

    Raises:
        ValueError: the times do not fall, leave the schedule or are fewer than two.
    """
    state = noise
    for step in _steps(denoiser.schedule, times, callback):
        start, stop = step.start, step.stop
        clean = denoiser(state, start.time)
        guess = _first_order(state, clean, step)
        if not math.isinf(step.h):
            slope = (state - start.alpha * clean) / start.sigma
            slope_after = (guess - stop.alpha * denoiser(guess, stop.time)) / stop.sigma
            half = stop.alpha * (stop.sigma / stop.alpha - start.sigma / start.alpha) / 2
            guess.add_(slope_after - slope, alpha=half)
        state = guess
    return state


class _Point(NamedTuple):
    """A time on a schedule."""

    time: float
    alpha: float
    sigma: float
    half_log_snr: float


class _Step(NamedTuple):
    """A step from one time down to the next."""

    number: int
    """From 0."""
    total: int
    start: _Point
    stop: _Point

    @property
    def h(self) -> float:
        """λ_s − λ_t; infinite from an end without signal, and to one without noise."""
        return self.stop.half_log_snr - self.start.half_log_snr

    @property
    def is_last(self) -> bool:
        return self.number + 1 == self.total


def _steps(schedule: Schedule, times: Times, callback: Callback | None) -> Iterator[_Step]:
    falling = torch.as_tensor(times, dtype=torch.float64, device="cpu")
    if len(falling) < 2 or not (falling.diff() < 0).all():
        raise ValueError("sampling needs two times or more, each below the one before")
    if falling[0] > schedule.end or falling[-1] < 0:
        raise ValueError(f"times of sampling lie between {schedule.end} and 0")
    level = schedule.level(falling)
    columns = (falling, level.alpha, level.sigma, level.half_log_snr)
    points = [_Point(*row) for row in torch.stack(columns, dim=1).tolist()]
    total = len(points) - 1
    for index, (start, stop) in enumerate(pairwise(points)):
        yield _Step(index, total, start, stop)
        if callback is not None:
            callback(index + 1, total)


def _first_order(
    state: Float[Tensor, " batch *rest"],
    clean: Float[Tensor, " batch *rest"],
    step: _Step,
    kept: float = 1.0,
) -> Float[Tensor, " batch *rest"]:
    """x_s without fresh noise, with a part k of the estimated noise; a new tensor."""
    ratio = kept * step.stop.sigma / step.start.sigma
    return (ratio * state).add_(clean, alpha=step.stop.alpha - step.start.alpha * ratio)
