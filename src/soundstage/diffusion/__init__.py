"""Diffusion: from noise to data with a model that was trained to tell them apart.

Tensors of any shape, the batch first; nothing here knows what they hold.

- `schedules`: how much data and how much noise a state holds at a time
- `times`: where on a schedule a sampler asks
- `parametrizations`: what a model is trained to say
- `objectives`: what it sees in training
- `denoiser`: any model as an estimate of the clean data, which is all that samplers ask
- `guidance`: towards the condition
- `steps`, `samplers`, `second_order`: DDIM, Euler, ancestral; DPM-Solver++(2M), Heun
- `noise`: that depends on the place alone
- `windows`, `continuation`: sequences longer than a model's window, together or one after the other
"""

from soundstage.diffusion.continuation import ContinuedStream
from soundstage.diffusion.denoiser import CleanEstimate, Denoiser
from soundstage.diffusion.guidance import CFGDenoiser
from soundstage.diffusion.noise import CounterNoise, Offsets, takes_window
from soundstage.diffusion.objectives import Noised, Objective, logit_normal
from soundstage.diffusion.parametrizations import Parametrization
from soundstage.diffusion.samplers import ancestral, ddim, euler
from soundstage.diffusion.schedules import (
    CosineSchedule,
    DiscreteSchedule,
    FlowSchedule,
    Schedule,
    cosine_betas,
    linear_betas,
)
from soundstage.diffusion.second_order import dpm_solver_2m, heun
from soundstage.diffusion.times import (
    SIX_BETAS,
    aligned_times,
    karras_times,
    log_snr_times,
    trailing_times,
    uniform_times,
)
from soundstage.diffusion.windows import MultiDiffusionDenoiser, Windows

__all__ = [
    "SIX_BETAS",
    "CFGDenoiser",
    "CleanEstimate",
    "ContinuedStream",
    "CosineSchedule",
    "CounterNoise",
    "Denoiser",
    "DiscreteSchedule",
    "FlowSchedule",
    "MultiDiffusionDenoiser",
    "Noised",
    "Objective",
    "Offsets",
    "Parametrization",
    "Schedule",
    "Windows",
    "aligned_times",
    "ancestral",
    "cosine_betas",
    "ddim",
    "dpm_solver_2m",
    "euler",
    "heun",
    "karras_times",
    "linear_betas",
    "log_snr_times",
    "logit_normal",
    "takes_window",
    "trailing_times",
    "uniform_times",
]
