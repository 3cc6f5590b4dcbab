"""Samplers against closed forms: on Gaussian data all of them are linear."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from gaussians import GaussianData, Recorder, normal

from soundstage.diffusion import (
    SIX_BETAS,
    Denoiser,
    DiscreteSchedule,
    FlowSchedule,
    Parametrization,
    Schedule,
    aligned_times,
    ancestral,
    ddim,
    dpm_solver_2m,
    euler,
    heun,
    linear_betas,
    uniform_times,
)

LINEAR, FLOW = DiscreteSchedule(linear_betas(1000)), FlowSchedule()
SAMPLERS = {
    "ddim": ddim,
    "ddim half": partial(ddim, eta=0.5),
    "euler": euler,
    "ancestral": ancestral,
    "ancestral forward": partial(ancestral, variance="forward"),
    "dpm": dpm_solver_2m,
    "heun": heun,
}
STOCHASTIC = {"ddim half", "ancestral", "ancestral forward"}
every_sampler = pytest.mark.parametrize("name", SAMPLERS)
every_schedule = pytest.mark.parametrize("schedule", [LINEAR, FLOW], ids=["linear", "flow"])
second_order = pytest.mark.parametrize("sampler", [dpm_solver_2m, heun])


def fresh(name: str, *shape: int) -> dict:
    """The noise of the steps, for samplers that take it."""
    return {"step_noise": lambda step: normal(*shape, seed=9 + step)} if name in STOCHASTIC else {}


def gains(name: str, denoiser, times) -> torch.Tensor:
    """Gains of the sources of noise, the first state and then every step, in the result."""
    units = torch.eye(len(times), dtype=torch.float64)
    more = {"step_noise": lambda step: units[:, 1 + step : 2 + step]} if name in STOCHASTIC else {}
    return SAMPLERS[name](denoiser, units[:, :1], times, **more)[:, 0]


def mean_and_variance(name: str, data: GaussianData, times) -> tuple[float, float]:
    centered = GaussianData(data.schedule, 0.0, data.deviation)
    variance = gains(name, centered, times).square().sum().item()
    zeros = torch.zeros(1, 1, dtype=torch.float64)
    more = {"step_noise": lambda step: zeros} if name in STOCHASTIC else {}
    return SAMPLERS[name](data, zeros, times, **more).item(), variance


def even_in_log_snr(schedule: Schedule, steps: int) -> torch.Tensor:
    return schedule.time_at(torch.linspace(-4, 4, steps + 1, dtype=torch.float64))


def error(sampler, schedule: Schedule, times: torch.Tensor) -> float:
    """Against the probability flow of Gaussian data."""
    data = GaussianData(schedule, mean=0.8, deviation=0.5)
    state = normal(4, 3, dtype=torch.float64)
    exact = data.flow(state, times[0].item(), times[-1].item())
    return (sampler(data, state, times) - exact).abs().max().item()


@every_sampler
@every_schedule
def test_many_steps_give_the_mean_and_the_variance_of_the_data(name: str, schedule) -> None:
    data = GaussianData(schedule, mean=0.8, deviation=0.5)
    mean, variance = mean_and_variance(name, data, uniform_times(schedule, 1000))
    assert abs(mean - 0.8) < 0.01
    assert abs(variance - 0.25) < 0.006


@every_schedule
def test_the_error_of_ddim_is_of_first_order(schedule) -> None:
    errors = [error(ddim, schedule, uniform_times(schedule, steps)) for steps in (64, 128, 256)]
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.2)
    assert errors[1] / errors[2] == pytest.approx(2, abs=0.2)


@second_order
@every_schedule
def test_the_error_of_solvers_is_of_second_order(sampler, schedule) -> None:
    errors = [error(sampler, schedule, even_in_log_snr(schedule, n)) for n in (64, 128, 256)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.12)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.12)


@second_order
@every_schedule
def test_few_steps_of_second_order_are_more_accurate(sampler, schedule) -> None:
    times = uniform_times(schedule, 20)  # from pure noise to clean data
    assert error(sampler, schedule, times) < 0.5 * error(ddim, schedule, times)


@every_schedule
@every_sampler
def test_data_at_one_point_are_reached_in_any_number_of_steps(schedule, name) -> None:
    point = GaussianData(schedule, mean=0.8, deviation=0.0)
    for steps in (1, 2, 7):
        out = SAMPLERS[name](
            point, normal(4, 3), uniform_times(schedule, steps), **fresh(name, 4, 3)
        )
        torch.testing.assert_close(out, torch.full((4, 3), 0.8), rtol=0, atol=1e-6)


@every_schedule
@pytest.mark.parametrize("name", ["ddim", "ddim half", "ancestral", "dpm", "heun"])
def test_the_noise_of_data_at_one_point_has_its_level_at_any_step(schedule, name) -> None:
    """x_s = α_s·μ + σ_s·ε, for a first state with noise of its level."""
    point = GaussianData(schedule, deviation=0.0)
    times = uniform_times(schedule, 5)[:4]
    start, stop = (point.level(times[k].item())[1] for k in (0, -1))
    found = gains(name, point, times)
    variance = (start * found[0]).square() + found[1:].square().sum()
    assert variance.item() == pytest.approx(stop**2, rel=1e-9)


def test_the_forward_variance_is_exact_for_standard_gaussian_data() -> None:
    for steps in (2, 10):
        times = uniform_times(LINEAR, steps)
        times[-1] = 1e-6 * LINEAR.end
        variance = gains("ancestral forward", GaussianData(LINEAR), times).square().sum()
        assert variance.item() == pytest.approx(1, abs=1e-9)


@every_schedule
def test_ancestral_sampling_is_the_posterior(schedule) -> None:
    """q(x_s | x_t, x_0), from the product of its two Gaussians (Ho et al. 2020, eq. 6 and 7)."""
    times = torch.tensor([0.9, 0.35], dtype=torch.float64) * schedule.end
    (alpha_t, alpha_s), (sigma_t, sigma_s) = (each.tolist() for each in schedule.level(times))
    between = alpha_t / alpha_s
    added = sigma_t**2 - (between * sigma_s) ** 2
    precision = 1 / sigma_s**2 + between**2 / added
    state, clean, z = 0.3, -1.2, 0.6
    mean = (alpha_s * clean / sigma_s**2 + between * state / added) / precision
    point = GaussianData(schedule, clean, 0.0)
    out = ancestral(
        point, torch.tensor([[state]]), times, step_noise=lambda step: torch.tensor([[z]])
    )
    assert out.item() == pytest.approx(mean + z / math.sqrt(precision), abs=1e-6)


@every_schedule
def test_ddim_with_eta_1_is_ancestral(schedule) -> None:
    data, times = GaussianData(schedule, 0.8, 0.5), uniform_times(schedule, 9)
    noise = fresh("ancestral", 4, 3)
    one = ddim(data, normal(4, 3), times, eta=1.0, **noise)
    other = ancestral(data, normal(4, 3), times, **noise)
    torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_six_steps_are_the_recursion_of_diffwave() -> None:
    """Kong et al. (2021, appendix B), with their six β."""
    schedule = DiscreteSchedule(linear_betas(200))
    times = aligned_times(schedule)

    def model(state, times):
        return torch.tanh(state.roll(1, -1) + 0.01 * times[:, None])

    state = normal(2, 7, dtype=torch.float64)
    kept = np.cumprod(1 - np.array(SIX_BETAS))
    for step, (beta, level) in enumerate(zip(SIX_BETAS[::-1], kept[::-1], strict=True)):
        output = model(state, times[step].float().expand(2))
        state = (state - beta / math.sqrt(1 - level) * output) / math.sqrt(1 - beta)
        if step < 5:
            variance = (1 - kept[4 - step]) / (1 - level) * beta
            state = state + math.sqrt(variance) * normal(2, 7, seed=9 + step)
    out = ancestral(
        Denoiser(model, Parametrization.NOISE, schedule),
        normal(2, 7, dtype=torch.float64),
        times,
        **fresh("ancestral", 2, 7),
    )
    torch.testing.assert_close(out, state, rtol=0, atol=1e-6)


def test_the_last_step_of_the_multistep_solver_is_of_first_order_by_choice() -> None:
    times = torch.tensor([900.0, 600, 300, 100])
    data, state = GaussianData(LINEAR, 0.8, 0.5), normal(4, 3, dtype=torch.float64)
    recorder = Recorder(data)
    lower = dpm_solver_2m(recorder, state, times)
    full = dpm_solver_2m(data, state, times, lower_order_final=False)
    last = ddim(data, recorder.states[-1], times[-2:])
    assert torch.equal(lower, last)
    assert not torch.allclose(full, last, atol=1e-3)


def test_a_last_step_to_clean_data_is_of_first_order() -> None:
    times, recorder = uniform_times(FLOW, 5), Recorder(GaussianData(FLOW, 0.8, 0.5))
    out = dpm_solver_2m(recorder, normal(4, 3), times, lower_order_final=False)
    torch.testing.assert_close(out, recorder(recorder.states[-1], times[-2].item()))


@every_sampler
def test_a_sampler_evaluates_at_the_given_times_and_reports_every_step(name) -> None:
    done: list[tuple[int, int]] = []
    times = uniform_times(FLOW, 4)
    recorder = Recorder(GaussianData(FLOW))
    SAMPLERS[name](
        recorder, normal(2, 3), times, callback=lambda *each: done.append(each), **fresh(name, 2, 3)
    )
    assert done == [(step, 4) for step in range(1, 5)]
    # Heun's first step, from pure noise, and its last, to clean data, are of first order
    heun_times = [1.0, 0.75, 0.5, 0.5, 0.25, 0.25]
    assert recorder.times == (heun_times if name == "heun" else times[:-1].tolist())


@pytest.mark.parametrize("name", sorted(STOCHASTIC))
def test_a_step_to_clean_data_draws_no_noise(name: str) -> None:
    drew = []

    def step_noise(step: int) -> torch.Tensor:
        drew.append(step)
        return normal(2, 3, seed=step)

    SAMPLERS[name](GaussianData(FLOW), normal(2, 3), uniform_times(FLOW, 4), step_noise=step_noise)
    assert drew == [0, 1, 2]


@every_sampler
def test_a_sampler_changes_no_input_and_keeps_no_gradients(name: str) -> None:
    noise, weight = normal(2, 3), torch.ones((), requires_grad=True)
    z = normal(2, 3, seed=1)

    class Estimate(GaussianData):
        def __call__(self, state, time):
            return weight * state

    class Same(GaussianData):
        def __call__(self, state, time):
            return state  # itself, not a copy

    more = {"step_noise": lambda step: z} if name in STOCHASTIC else {}
    times = uniform_times(FLOW, 4)
    out = SAMPLERS[name](Estimate(FLOW), noise, times, **more)
    assert torch.equal(noise, normal(2, 3))
    assert torch.equal(z, normal(2, 3, seed=1))
    assert not out.requires_grad
    assert out.dtype == torch.float32
    assert torch.equal(SAMPLERS[name](Same(FLOW), noise, times, **more), out)


@pytest.mark.parametrize("times", [[], [1.0], [0.5, 0.5], [0.1, 0.9], [1.5, 0.0], [1.0, -0.5]])
def test_times_that_do_not_fall_along_the_schedule_are_refused(times) -> None:
    with pytest.raises(ValueError, match="times"):
        ddim(GaussianData(FLOW), normal(2, 3), times)


@pytest.mark.parametrize("eta", [-0.1, 1.1, 0.5])
def test_an_eta_out_of_range_or_without_noise_is_refused(eta: float) -> None:
    with pytest.raises(ValueError, match="η"):
        ddim(GaussianData(FLOW), normal(2, 3), [1.0, 0.0], eta=eta)
