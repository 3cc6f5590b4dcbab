"""Every sampler, step by step, beside the scheduler of the diffusers library."""

import pytest
import torch

from gaussians import Recorded, drawn
from soundstage.diffusion import (
    Denoiser,
    DiscreteSchedule,
    FlowSchedule,
    Parametrization,
    ancestral,
    cosine_betas,
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
KINDS = {
    "epsilon": Parametrization.NOISE,
    "sample": Parametrization.CLEAN,
    "v_prediction": Parametrization.V,
}
COURSES = {"linear": linear_betas(STEPS), "squaredcos_cap_v2": cosine_betas(STEPS)}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_course = pytest.mark.parametrize("course", COURSES)
CLOSE = {"rtol": 2e-4, "atol": 2e-4}  # theirs computes its coefficients in single precision


def model(state: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Any function of the state and the time."""
    moved = torch.tanh(1.3 * state.roll(1, -1) - 0.5 * state.roll(1, 1))
    return moved + 0.2 * torch.cos(times / 50)[:, None, None]


def recorded(kind: str, course: str) -> Recorded:
    return Recorded(Denoiser(model, KINDS[kind], DiscreteSchedule(COURSES[course])))


def course_of(scheduler, kind: str, course: str, **more):
    return scheduler(
        STEPS, beta_start=1e-4, beta_end=0.02, beta_schedule=course, prediction_type=kind, **more
    )


def assert_same(asked: Recorded, made: torch.Tensor, states: list[torch.Tensor]) -> None:
    assert len(asked.states) == len(states) - 1
    for ours, theirs in zip([*asked.states, made], states, strict=True):
        torch.testing.assert_close(ours, theirs, **CLOSE)


def told(time: float) -> torch.Tensor:
    return torch.full(SHAPE[:1], time)


@every_kind
@every_course
def test_ancestral_steps_are_those_of_the_ddpm_scheduler(kind: str, course: str) -> None:
    scheduler = course_of(schedulers.DDPMScheduler, kind, course, clip_sample=False)
    scheduler.set_timesteps(timesteps=[int(time) - 1 for time in TIMES[:-1]])
    generator = torch.Generator().manual_seed(3)
    states = [drawn(*SHAPE)]
    for step in scheduler.timesteps:
        said = model(states[-1], told(step.item() + 1))
        states.append(scheduler.step(said, step, states[-1], generator=generator).prev_sample)
    # Theirs adds noise to whatever begins above its step 0; ours where some is wanted
    generator = torch.Generator().manual_seed(3)
    asked = recorded(kind, course)
    made = ancestral(
        asked,
        drawn(*SHAPE),
        TIMES,
        step_noise=lambda step: torch.randn(SHAPE, generator=generator),
    )
    assert_same(asked, made, states)


@every_kind
@every_course
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_ddim_steps_are_those_of_the_ddim_scheduler(kind: str, course: str, eta: float) -> None:
    scheduler = course_of(schedulers.DDIMScheduler, kind, course, clip_sample=False)
    scheduler.set_timesteps(8)
    states, noises = [drawn(*SHAPE)], drawn(8, *SHAPE, seed=1)
    for number, step in enumerate(scheduler.timesteps):
        said = model(states[-1], told(step.item() + 1))
        moved = scheduler.step(said, step, states[-1], eta=eta, variance_noise=noises[number])
        states.append(moved.prev_sample)
    asked = recorded(kind, course)
    times = [*(step + 1.0 for step in scheduler.timesteps.tolist()), 0.0]
    made = ddim(
        asked, drawn(*SHAPE), times, eta=eta, step_noise=lambda step: noises[step] if eta else None
    )
    # Theirs calls the clean data its step −1, of which ours is 0
    assert_same(asked, made, states)


@every_kind
@every_course
def test_multistep_steps_are_those_of_the_dpm_solver_scheduler(kind: str, course: str) -> None:
    scheduler = course_of(
        schedulers.DPMSolverMultistepScheduler,
        kind,
        course,
        algorithm_type="dpmsolver++",
        solver_order=2,
    )
    scheduler.set_timesteps(timesteps=[int(time) - 1 for time in TIMES[:-1]])
    states = [drawn(*SHAPE)]
    for step in scheduler.timesteps:
        said = model(states[-1], told(step.item() + 1))
        states.append(scheduler.step(said, step, states[-1]).prev_sample)
    asked = recorded(kind, course)
    assert_same(asked, dpm_solver_2m(asked, drawn(*SHAPE), TIMES), states)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@every_course
def test_heun_steps_are_those_of_the_heun_scheduler(kind: str, course: str) -> None:
    times = TIMES[1:]  # at the first of the others, σ/α of the cosine is too large for theirs
    scheduler = course_of(schedulers.HeunDiscreteScheduler, kind, course)
    scheduler.set_timesteps(timesteps=[int(time) - 1 for time in times[:-1]])
    scaled = drawn(*SHAPE) * (1 + scheduler.sigmas[0] ** 2) ** 0.5
    states = []
    for step in scheduler.timesteps:
        states.append(scheduler.scale_model_input(scaled, step))
        said = model(states[-1], told(step.item() + 1))
        scaled = scheduler.step(said, step, scaled).prev_sample
    asked = recorded(kind, course)
    made = heun(asked, drawn(*SHAPE), times)
    assert_same(asked, made, [*states, scaled])


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_euler_steps_are_those_of_the_flow_scheduler(shift: float) -> None:
    scheduler = schedulers.FlowMatchEulerDiscreteScheduler(1000, shift=shift)
    scheduler.set_timesteps(9)
    states = [drawn(*SHAPE)]
    for step, time in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        said = model(states[-1], told(time.item()))
        states.append(scheduler.step(said, step, states[-1]).prev_sample)
    asked = Recorded(Denoiser(model, Parametrization.FLOW, FlowSchedule()))
    assert_same(asked, euler(asked, drawn(*SHAPE), scheduler.sigmas), states)
