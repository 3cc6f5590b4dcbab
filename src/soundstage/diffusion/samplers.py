"""First-order samplers: DDIM, Euler's method, and ancestral sampling.

For a step from a time t down to s, with h = λ_s − λ_t and fresh noise z,

    x_s = α_s·x̂_0 + √(σ_s² − η²·v)·ε̂ + η·√v·z,    v = σ_s²·(1 − e^(−2h)),  ε̂ = (x_t − α_t·x̂_0)/σ_t

is the step of Song et al. (2021, eq. 12 and 16) on any schedule; v is the variance of the posterior
q(x_s | x_t, x_0). η = 0 is DDIM, which along dα and dσ is Euler's method; η = 1 draws from that
posterior at x̂_0, exactly for steps of any size: the ancestral sampling of Ho et al. (2020,
algorithm 2).

Every sampler is a function of a denoiser, of the state at the first time, which is standard
Gaussian noise, and of the times; it returns the state at the last. None keeps gradients.
"""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.diffusion.denoiser import CleanEstimate
from soundstage.diffusion.steps import Callback, StepNoise, Times, first_order, steps_along


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
    """DDIM: deterministic unless η is above 0.

    Args:
        denoiser: is asked once a step.
        noise: the state at the first time.
        times: falling.
        eta: η from 0 to 1.
        step_noise: z of a step, where η is above 0.
        callback: of progress.

    Raises:
        ValueError: η is out of its range or has no noise, or the times are not usable.
    """
    if not 0 <= eta <= 1 or (eta and step_noise is None):
        raise ValueError("η is from 0 to 1, and above 0 it needs noise for the steps")
    state = noise
    for step in steps_along(denoiser.schedule, times, callback):
        removed = -math.expm1(-2 * step.h)
        kept = math.sqrt(1 - eta**2 * removed)
        state = first_order(state, denoiser(state, step.start.time), step, kept)
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
    """Ancestral sampling: a draw in every step but one that ends without noise.

    Args:
        denoiser: is asked once a step.
        noise: the state at the first time.
        times: falling.
        step_noise: z of a step.
        variance: of the draw: "posterior", v, is right for data at one point; "forward",
            σ_t²·(1 − e^(−2h)), for data that are standard Gaussian (Ho et al. 2020, §3.2).
        callback: of progress.

    Raises:
        ValueError: the times are not usable.
    """
    state = noise
    for step in steps_along(denoiser.schedule, times, callback):
        clean = denoiser(state, step.start.time)
        state = first_order(state, clean, step, kept=math.exp(-step.h))
        if step.stop.sigma:
            spread = step.stop.sigma if variance == "posterior" else step.start.sigma
            fresh = spread * math.sqrt(-math.expm1(-2 * step.h))
            state.add_(step_noise(step.number), alpha=fresh)
    return state
