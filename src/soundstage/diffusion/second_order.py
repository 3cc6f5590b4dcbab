"""Second-order samplers, for few steps: DPM-Solver++(2M) and Heun's method.

DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2) remembers the estimate of the step before, x̂_0' with
its h', and goes on in a straight line over λ:

    x_s = σ_s/σ_t·x_t − α_s·(e^(−h) − 1)·D,    D = x̂_0 + h/(2h')·(x̂_0 − x̂_0')

Heun's method (Karras et al. 2022, algorithm 1) asks again where a first-order step has led. It runs
on x/α against σ/α, where the slope is ε̂:

    x_s/α_s = x_t/α_t + (σ_s/α_s − σ_t/α_t)·(ε̂_t + ε̂_s)/2

Where h is infinite, from an end without signal or to one without noise, both take a first-order
step. They are called like those of `samplers`, and like those keep no gradients.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.diffusion.denoiser import CleanEstimate
from soundstage.diffusion.steps import Callback, Times, first_order, steps_along


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
        denoiser: is asked once a step.
        noise: the state at the first time.
        times: falling.
        lower_order_final: whether the last step is of first order also where some noise is left,
            which is steadier with few steps.
        callback: of progress.

    Raises:
        ValueError: the times are not usable.
    """
    state = noise
    before: tuple[Tensor, float] | None = None
    for step in steps_along(denoiser.schedule, times, callback):
        clean = ahead = denoiser(state, step.start.time)
        lower = step.is_last and (lower_order_final or math.isinf(step.h))
        if before is not None and not lower:
            ahead = torch.lerp(before[0], clean, 1 + step.h / (2 * before[1]))
        state = first_order(state, ahead, step)
        before = clean, step.h
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
        denoiser: is asked twice a step, once where the step is of first order.
        noise: the state at the first time.
        times: falling.
        callback: of progress.

    Raises:
        ValueError: the times are not usable.
    """
    state = noise
    for step in steps_along(denoiser.schedule, times, callback):
        start, stop = step.start, step.stop
        clean = denoiser(state, start.time)
        guess = first_order(state, clean, step)
        if not math.isinf(step.h):
            slope = (state - start.alpha * clean) / start.sigma
            again = (guess - stop.alpha * denoiser(guess, stop.time)) / stop.sigma
            half = stop.alpha * (stop.sigma / stop.alpha - start.sigma / start.alpha) / 2
            guess.add_(again - slope, alpha=half)
        state = guess
    return state
