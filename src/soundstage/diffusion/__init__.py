"""Diffusion models: schedules, training objective, denoisers and samplers.

Tensors of any shape, with the batch axis first.

- `schedules`: noise schedules and times of sampling
- `denoiser`: models of any parametrization (noise, clean, v, flow) as estimates of the clean data
- `objectives`: noised batches and their loss
- `guidance`: classifier-free guidance
- `samplers`: DDIM, Euler, ancestral, DPM-Solver++(2M), Heun
- `noise`: noise that depends on the seed and the position alone; offset noise
- `windows`, `continuation`: sequences longer than a model's window, together or one after the other
"""

from soundstage.diffusion.continuation import ContinuedStream
from soundstage.diffusion.denoiser import CleanEstimate, Denoiser, Parametrization
from soundstage.diffusion.guidance import CFGDenoiser
from soundstage.diffusion.noise import CounterNoise, NoiseOffsets
from soundstage.diffusion.objectives import Noised, Objective, logit_normal
from soundstage.diffusion.samplers import (
    StepNoise,
    ancestral,
    ddim,
    dpm_solver_2m,
    euler,
    heun,
)
from soundstage.diffusion.schedules import (
    SIX_BETAS,
    DiscreteSchedule,
    FlowSchedule,
    Schedule,
    aligned_times,
    linear_betas,
    trailing_times,
    uniform_times,
)
from soundstage.diffusion.windows import MultiDiffusionDenoiser, Windows

__all__ = [
    "SIX_BETAS",
    "CFGDenoiser",
    "CleanEstimate",
    "ContinuedStream",
    "CounterNoise",
    "Denoiser",
    "DiscreteSchedule",
    "FlowSchedule",
    "MultiDiffusionDenoiser",
    "NoiseOffsets",
    "Noised",
    "Objective",
    "Parametrization",
    "Schedule",
    "StepNoise",
    "Windows",
    "aligned_times",
    "ancestral",
    "ddim",
    "dpm_solver_2m",
    "euler",
    "heun",
    "linear_betas",
    "logit_normal",
    "trailing_times",
    "uniform_times",
]
