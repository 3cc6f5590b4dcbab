"""Every sampler, step by step, beside the scheduler of the diffusers library."""

import pytest
import torch
from gaussians import Recorder, normal

from soundstage.diffusion import (
    Denoiser,
    DiscreteSchedule,
    FlowSchedule,
    Parametrization,
    ancestral,
    ddim,
    dpm_solver_2m,
    euler,
    heun,
    linear_betas,
)

schedulers = pytest.importorskip("diffusers.schedulers")
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of diffusers

SHAPE = (2, 3, 5)
STEPS = 200
TIMES = [200.0, 160, 120, 80, 40, 20, 5, 0]
TARGETS = {
    "epsilon": Parametrization.NOISE,
    "sample": Parametrization.CLEAN,
    "v_prediction": Parametrization.V,
}
every_target = pytest.mark.parametrize("target", TARGETS)
CLOSE = {"rtol": 2e-4, "atol": 2e-4}  # theirs computes its coefficients in single precision


def model(state: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Any function of the state and the time."""
    moved = torch.tanh(1.3 * state.roll(1, -1) - 0.5 * state.roll(1, 1))
    return moved + 0.2 * torch.cos(times / 50)[:, None, None]


def output_at(state: torch.Tensor, time: float) -> torch.Tensor:
    return model(state, torch.full(SHAPE[:1], time))


def recorder_of(target: str) -> Recorder:
    return Recorder(Denoiser(model, TARGETS[target], DiscreteSchedule(linear_betas(STEPS))))


def scheduler_of(kind, target: str, **more):
    return kind(STEPS, beta_start=1e-4, beta_end=0.02, prediction_type=target, **more)


def assert_same(recorder: Recorder, out: torch.Tensor, states: list[torch.Tensor]) -> None:
    assert len(recorder.states) == len(states) - 1
    for ours, theirs in zip([*recorder.states, out], states, strict=True):
        torch.testing.assert_close(ours, theirs, **CLOSE)


@every_target
def test_ancestral_matches_the_ddpm_scheduler(target: str) -> None:
    scheduler = scheduler_of(schedulers.DDPMScheduler, target, clip_sample=False)
    scheduler.set_timesteps(timesteps=[int(time) - 1 for time in TIMES[:-1]])
    generator = torch.Generator().manual_seed(3)
    states = [normal(*SHAPE)]
    for step in scheduler.timesteps:
        output = output_at(states[-1], step.item() + 1)
        states.append(scheduler.step(output, step, states[-1], generator=generator).prev_sample)
    generator = torch.Generator().manual_seed(3)
    recorder = recorder_of(target)
    out = ancestral(
        recorder,
        normal(*SHAPE),
        TIMES,
        step_noise=lambda step: torch.randn(SHAPE, generator=generator),
    )
    assert_same(recorder, out, states)


@every_target
@pytest.mark.parametrize("eta", [0.0, 0.4])
def test_ddim_matches_the_ddim_scheduler(target: str, eta: float) -> None:
    scheduler = scheduler_of(schedulers.DDIMScheduler, target, clip_sample=False)
    scheduler.set_timesteps(8)
    states, noises = [normal(*SHAPE)], normal(8, *SHAPE, seed=1)
    for number, step in enumerate(scheduler.timesteps):
        output = output_at(states[-1], step.item() + 1)
        moved = scheduler.step(output, step, states[-1], eta=eta, variance_noise=noises[number])
        states.append(moved.prev_sample)
    recorder = recorder_of(target)
    times = [*(step + 1.0 for step in scheduler.timesteps.tolist()), 0.0]  # their −1 is our 0
    out = ddim(recorder, normal(*SHAPE), times, eta=eta, step_noise=lambda step: noises[step])
    assert_same(recorder, out, states)


@every_target
def test_dpm_solver_matches_the_multistep_scheduler(target: str) -> None:
    scheduler = scheduler_of(
        schedulers.DPMSolverMultistepScheduler,
        target,
        algorithm_type="dpmsolver++",
        solver_order=2,
    )
    scheduler.set_timesteps(timesteps=[int(time) - 1 for time in TIMES[:-1]])
    states = [normal(*SHAPE)]
    for step in scheduler.timesteps:
        output = output_at(states[-1], step.item() + 1)
        states.append(scheduler.step(output, step, states[-1]).prev_sample)
    recorder = recorder_of(target)
    assert_same(recorder, dpm_solver_2m(recorder, normal(*SHAPE), TIMES), states)


@pytest.mark.parametrize("target", ["epsilon", "v_prediction"])
def test_heun_matches_the_heun_scheduler(target: str) -> None:
    scheduler = scheduler_of(schedulers.HeunDiscreteScheduler, target)
    scheduler.set_timesteps(timesteps=[int(time) - 1 for time in TIMES[:-1]])
    scaled = normal(*SHAPE) * (1 + scheduler.sigmas[0] ** 2) ** 0.5
    states = []
    for step in scheduler.timesteps:
        states.append(scheduler.scale_model_input(scaled, step))
        output = output_at(states[-1], step.item() + 1)
        scaled = scheduler.step(output, step, scaled).prev_sample
    recorder = recorder_of(target)
    out = heun(recorder, normal(*SHAPE), TIMES)
    assert_same(recorder, out, [*states, scaled])


def test_euler_matches_the_flow_scheduler() -> None:
    scheduler = schedulers.FlowMatchEulerDiscreteScheduler(1000, shift=3.0)
    scheduler.set_timesteps(9)
    states = [normal(*SHAPE)]
    for step, time in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        output = output_at(states[-1], time.item())
        states.append(scheduler.step(output, step, states[-1]).prev_sample)
    recorder = Recorder(Denoiser(model, Parametrization.FLOW, FlowSchedule()))
    assert_same(recorder, euler(recorder, normal(*SHAPE), scheduler.sigmas), states)
