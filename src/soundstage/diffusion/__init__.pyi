from .continuation import ContinuedStream
from .denoiser import CleanEstimate, Denoiser, Parametrization
from .guidance import CFGDenoiser
from .noise import CounterNoise, NoiseOffsets
from .objectives import Noised, Objective, logit_normal
from .samplers import StepNoise, ancestral, ddim, dpm_solver_2m, euler, heun
from .schedules import (
    SIX_BETAS,
    DiscreteSchedule,
    FlowSchedule,
    Schedule,
    aligned_times,
    linear_betas,
    trailing_times,
    uniform_times,
)
from .windows import MultiDiffusionDenoiser, Windows

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
