from .continuation import ContinuedStream as ContinuedStream
from .denoiser import (
    CleanEstimate as CleanEstimate,
    Denoiser as Denoiser,
    Parametrization as Parametrization,
)
from .guidance import CFGDenoiser as CFGDenoiser
from .noise import CounterNoise as CounterNoise, NoiseOffsets as NoiseOffsets
from .objectives import Noised as Noised, Objective as Objective, logit_normal as logit_normal
from .samplers import (
    StepNoise as StepNoise,
    ancestral as ancestral,
    ddim as ddim,
    dpm_solver_2m as dpm_solver_2m,
    euler as euler,
    heun as heun,
)
from .schedules import (
    SIX_BETAS as SIX_BETAS,
    DiscreteSchedule as DiscreteSchedule,
    FlowSchedule as FlowSchedule,
    Schedule as Schedule,
    aligned_times as aligned_times,
    linear_betas as linear_betas,
    trailing_times as trailing_times,
    uniform_times as uniform_times,
)
from .windows import MultiDiffusionDenoiser as MultiDiffusionDenoiser, Windows as Windows
