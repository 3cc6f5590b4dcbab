"""First-order samplers, against closed forms: on Gaussian data all of them are linear."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from gaussians import GaussianData, Recorded, drawn
from soundstage.diffusion import (
    SIX_BETAS,
    CosineSchedule,
    Denoiser,
    DiscreteSchedule,
    FlowSchedule,
    Parametrization,
    aligned_times,
    ancestral,
    ddim,
    dpm_solver_2m,
    euler,
    heun,
    linear_betas,
    log_snr_times,
    uniform_times,
)

LINEAR = DiscreteSchedule(linear_betas(1000))
SCHEDULES = [LINEAR, CosineSchedule(), FlowSchedule()]
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
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=["linear", "cosine", "flow"])


def sources(name: str, denoiser, times) -> torch.Tensor:
    """What each source of noise, the first state and then every step, adds to the result."""
    steps = len(times) - 1
    units = torch.eye(1 + steps, dtype=torch.float64)
    more = {"step_noise": lambda step: units[:, 1 + step : 2 + step]} if name in STOCHASTIC else {}
    return SAMPLERS[name](denoiser, units[:, :1], times, **more)[:, 0]


def mean_and_variance(name: str, data: GaussianData, times) -> tuple[float, float]:
    still = GaussianData(data.schedule, 0.0, data.deviation)
    variance = sources(name, still, times).square().sum().item()
    zeros = torch.zeros(1, 1, dtype=torch.float64)
    more = {"step_noise": lambda step: zeros} if name in STOCHASTIC else {}
    return SAMPLERS[name](data, zeros, times, **more).item(), variance


@every_sampler
@every_schedule
def test_many_steps_give_the_mean_and_the_variance_of_the_data(name: str, schedule) -> None:
    data = GaussianData(schedule, mean=0.8, deviation=0.5)
    mean, variance = mean_and_variance(name, data, uniform_times(schedule, 1000))
    assert abs(mean - 0.8) < 0.01
    assert abs(variance - 0.25) < 0.006


@pytest.mark.parametrize("name", ["ddim", "ancestral", "ddim half"])
def test_more_steps_are_nearer(name: str) -> None:
    data = GaussianData(LINEAR, deviation=0.5)
    times = (uniform_times(LINEAR, steps) for steps in (10, 40, 160))
    errors = [abs(mean_and_variance(name, data, each)[1] - 0.25) for each in times]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


@every_schedule
def test_the_error_of_ddim_halves_when_steps_double(schedule) -> None:
    data = GaussianData(schedule, mean=0.8, deviation=0.5)
    state, errors = drawn(4, 3, dtype=torch.float64), []
    for steps in (64, 128, 256):
        made = ddim(data, state, uniform_times(schedule, steps))
        errors.append((made - data.led(state, schedule.end, 0.0)).abs().max().item())
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.2)
    assert errors[1] / errors[2] == pytest.approx(2, abs=0.2)


@every_schedule
@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("name", ["ddim", "euler", "dpm", "heun", "ancestral"])
def test_data_at_one_point_are_reached_in_any_number_of_steps(schedule, steps, name) -> None:
    point = GaussianData(schedule, mean=0.8, deviation=0.0)
    more = {"step_noise": lambda step: drawn(4, 3, seed=step)} if name in STOCHASTIC else {}
    made = SAMPLERS[name](point, drawn(4, 3), uniform_times(schedule, steps), **more)
    torch.testing.assert_close(made, torch.full((4, 3), 0.8), rtol=0, atol=1e-6)


@every_schedule
@pytest.mark.parametrize("name", ["ddim", "ddim half", "ancestral", "dpm", "heun"])
def test_the_noise_of_data_at_one_point_has_its_level_at_any_step(schedule, name) -> None:
    """x_s = α_s·μ + σ_s·ε, where the first state has noise of its level."""
    point = GaussianData(schedule, deviation=0.0)
    times = uniform_times(schedule, 5)[:4]
    start, stop = (point.level(times[place].item())[1] for place in (0, -1))
    found = sources(name, point, times)
    variance = (start * found[0]).square() + found[1:].square().sum()
    assert variance.item() == pytest.approx(stop**2, rel=1e-9)


@pytest.mark.parametrize("schedule", SCHEDULES[:2])
@pytest.mark.parametrize("steps", [2, 3, 10, 100])
def test_the_forward_variance_is_right_for_gaussian_data_at_any_number_of_steps(
    schedule, steps
) -> None:
    times = uniform_times(schedule, steps)
    times[-1] = 1e-6 * schedule.end
    found = sources("ancestral forward", GaussianData(schedule), times)
    assert found.square().sum().item() == pytest.approx(1, abs=1e-9)


@every_schedule
def test_ancestral_sampling_is_the_posterior_written_out(schedule) -> None:
    """q(x_s | x_t, x_0), from the product of its two Gaussians (Ho et al. 2020, eq. 6 and 7)."""
    times = torch.tensor([0.9, 0.35], dtype=torch.float64) * schedule.end
    (alpha_t, alpha_s), (sigma_t, sigma_s) = (each.tolist() for each in schedule.level(times))
    between = alpha_t / alpha_s
    added = sigma_t**2 - (between * sigma_s) ** 2
    precision = 1 / sigma_s**2 + between**2 / added
    state, clean, fresh = 0.3, -1.2, 0.6
    mean = (alpha_s * clean / sigma_s**2 + between * state / added) / precision
    point = GaussianData(schedule, clean, 0.0)
    made = ancestral(
        point, torch.tensor([[state]]), times, step_noise=lambda step: torch.tensor([[fresh]])
    )
    assert made.item() == pytest.approx(mean + fresh / math.sqrt(precision), abs=1e-6)


@every_schedule
def test_ddim_with_all_noise_renewed_is_ancestral(schedule) -> None:
    data, times = GaussianData(schedule, 0.8, 0.5), uniform_times(schedule, 9)
    noise = {"step_noise": lambda step: drawn(4, 3, seed=9 + step)}
    one, other = (
        ddim(data, drawn(4, 3), times, eta=1.0, **noise),
        ancestral(data, drawn(4, 3), times, **noise),
    )
    torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_six_steps_are_those_of_diffwave() -> None:
    """The recursion of Kong et al. (2021, appendix B), of which β are its own, the steps not."""
    schedule = DiscreteSchedule(linear_betas(200))
    times = aligned_times(schedule)

    def model(state, times):
        return torch.tanh(state.roll(1, -1) + 0.01 * times[:, None])

    state = drawn(2, 7, dtype=torch.float64)
    kept = np.cumprod(1 - np.array(SIX_BETAS))
    for step, (beta, level) in enumerate(zip(SIX_BETAS[::-1], kept[::-1], strict=True)):
        said = model(state, times[step].float().expand(2))
        state = (state - beta / math.sqrt(1 - level) * said) / math.sqrt(1 - beta)
        if step < 5:
            variance = (1 - kept[4 - step]) / (1 - level) * beta
            state = state + math.sqrt(variance) * drawn(2, 7, seed=5 + step)
    made = ancestral(
        Denoiser(model, Parametrization.NOISE, schedule),
        drawn(2, 7, dtype=torch.float64),
        times,
        step_noise=lambda step: drawn(2, 7, seed=5 + step),
    )
    torch.testing.assert_close(made, state, rtol=0, atol=1e-6)


@every_sampler
@every_schedule
def test_a_sampler_asks_at_the_given_times_and_reports_every_step(name, schedule) -> None:
    done = []
    times = log_snr_times(schedule, 6)
    asked = Recorded(GaussianData(schedule))
    more = {"step_noise": lambda step: drawn(2, 3, seed=step)} if name in STOCHASTIC else {}
    SAMPLERS[name](asked, drawn(2, 3), times, callback=lambda *each: done.append(each), **more)
    assert done == [(step, 6) for step in range(1, 7)]
    if name != "heun":
        assert asked.times == times[:-1].tolist()


@pytest.mark.parametrize("name", sorted(STOCHASTIC))
@every_schedule
def test_a_step_to_clean_data_draws_nothing(name: str, schedule) -> None:
    drew = []

    def step_noise(step: int) -> torch.Tensor:
        drew.append(step)
        return drawn(2, 3, seed=step)

    times = uniform_times(schedule, 4)
    SAMPLERS[name](GaussianData(schedule), drawn(2, 3), times, step_noise=step_noise)
    assert drew == [0, 1, 2]


@every_sampler
def test_a_sampler_leaves_its_noise_alone_and_keeps_no_gradients(name: str) -> None:
    schedule, noise = FlowSchedule(), drawn(2, 3)
    weight = torch.ones((), requires_grad=True)

    class Estimate(GaussianData):
        def __call__(self, state, time):
            return weight * state  # so that the estimate may also be the state itself

    fresh = drawn(2, 3, seed=1)
    more = {"step_noise": lambda step: fresh} if name in STOCHASTIC else {}
    made = SAMPLERS[name](Estimate(schedule), noise, uniform_times(schedule, 4), **more)
    assert torch.equal(noise, drawn(2, 3))
    assert torch.equal(fresh, drawn(2, 3, seed=1))
    assert not made.requires_grad
    assert made.dtype == torch.float32


@every_sampler
def test_an_estimate_may_be_the_state_itself(name: str) -> None:
    class Same(GaussianData):
        def __call__(self, state, time):
            return state

    class Copied(GaussianData):
        def __call__(self, state, time):
            return state.clone()

    more = {"step_noise": lambda step: drawn(2, 3, seed=step)} if name in STOCHASTIC else {}
    one, other = (
        SAMPLERS[name](each(LINEAR), drawn(2, 3), uniform_times(LINEAR, 5), **more)
        for each in (Same, Copied)
    )
    assert torch.equal(one, other)


@every_sampler
@pytest.mark.parametrize("times", [[1.0], [0.5, 0.5], [0.1, 0.9], [1.5, 0.0], [1.0, -0.5], []])
def test_times_that_do_not_fall_along_the_schedule_are_refused(name, times) -> None:
    more = {"step_noise": lambda step: drawn(2, 3)} if name in STOCHASTIC else {}
    with pytest.raises(ValueError, match="times"):
        SAMPLERS[name](GaussianData(FlowSchedule()), drawn(2, 3), times, **more)


@pytest.mark.parametrize("eta", [-0.1, 1.1, 0.5])
def test_an_eta_out_of_range_or_without_noise_is_refused(eta: float) -> None:
    with pytest.raises(ValueError, match="η"):
        ddim(GaussianData(FlowSchedule()), drawn(2, 3), [1.0, 0.0], eta=eta)
