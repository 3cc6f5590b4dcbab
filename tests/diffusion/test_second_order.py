import math

import pytest
import torch

from gaussians import GaussianData, Recorded, drawn
from soundstage.diffusion import (
    CosineSchedule,
    DiscreteSchedule,
    FlowSchedule,
    ddim,
    dpm_solver_2m,
    heun,
    karras_times,
    linear_betas,
    log_snr_times,
    uniform_times,
)

SCHEDULES = [DiscreteSchedule(linear_betas(1000)), CosineSchedule(), FlowSchedule()]
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=["linear", "cosine", "flow"])
both = pytest.mark.parametrize("sampler", [dpm_solver_2m, heun])


def errors(sampler, schedule, times) -> list[float]:
    """Against the probability flow of Gaussian data."""
    data = GaussianData(schedule, mean=0.8, deviation=0.5)
    state = drawn(4, 3, dtype=torch.float64)
    return [
        (sampler(data, state, each) - data.led(state, each[0].item(), each[-1].item()))
        .abs()
        .max()
        .item()
        for each in times
    ]


@both
@every_schedule
def test_the_error_falls_to_a_quarter_when_steps_double(sampler, schedule) -> None:
    steps = (64, 128, 256)
    found = errors(sampler, schedule, [log_snr_times(schedule, each)[1:-1] for each in steps])
    assert found[0] / found[1] == pytest.approx(4, rel=0.12)
    assert found[1] / found[2] == pytest.approx(4, rel=0.12)


@both
def test_the_order_holds_from_pure_noise_to_clean_data(sampler) -> None:
    schedule, steps = FlowSchedule(), (64, 128, 256)
    found = errors(sampler, schedule, [uniform_times(schedule, each) for each in steps])
    assert found[0] / found[2] > 11


@both
@every_schedule
@pytest.mark.parametrize("spacing", [uniform_times, karras_times])
def test_few_steps_are_nearer_than_those_of_first_order(sampler, schedule, spacing) -> None:
    times = [spacing(schedule, 20)]
    assert errors(sampler, schedule, times)[0] < 0.5 * errors(ddim, schedule, times)[0]


def test_a_last_step_of_lower_order_is_a_choice_where_noise_is_left() -> None:
    schedule, times = SCHEDULES[0], torch.tensor([900.0, 600, 300, 100])
    data, state = GaussianData(schedule, 0.8, 0.5), drawn(4, 3, dtype=torch.float64)
    asked = Recorded(data)
    lower = dpm_solver_2m(asked, state, times)
    full = dpm_solver_2m(data, state, times, lower_order_final=False)
    last = ddim(data, asked.states[-1], times[-2:])
    assert torch.equal(lower, last)
    assert not torch.allclose(full, last, atol=1e-3)


def test_a_last_step_to_clean_data_is_of_first_order() -> None:
    schedule, times = FlowSchedule(), uniform_times(FlowSchedule(), 5)
    asked = Recorded(GaussianData(schedule, 0.8, 0.5))
    made = dpm_solver_2m(asked, drawn(4, 3), times, lower_order_final=False)
    torch.testing.assert_close(made, asked(asked.states[-1], times[-2].item()))


def test_the_multistep_solver_is_the_equation_written_out() -> None:
    schedule, times = SCHEDULES[0], torch.tensor([800.0, 500, 200], dtype=torch.float64)
    data, state = GaussianData(schedule, 0.8, 0.5), torch.tensor([[0.3]], dtype=torch.float64)
    level = schedule.level(times)
    (_, a1, a2), (s0, s1, s2) = level.alpha.tolist(), level.sigma.tolist()
    h1, h2 = level.half_log_snr.diff().tolist()
    first = data(state, 800.0)
    middle = s1 / s0 * state - a1 * (math.exp(-h1) - 1) * first
    second = data(middle, 500.0)
    ahead = (1 + h2 / (2 * h1)) * second - h2 / (2 * h1) * first
    wanted = s2 / s1 * middle - a2 * (math.exp(-h2) - 1) * ahead
    made = dpm_solver_2m(data, state, times, lower_order_final=False)
    torch.testing.assert_close(made, wanted)


def test_heun_asks_twice_where_it_can() -> None:
    asked = Recorded(GaussianData(SCHEDULES[0]))
    heun(asked, drawn(2, 3), [1000.0, 500.0, 100.0, 0.0])
    assert asked.times == [1000, 500, 500, 100, 100]
    asked = Recorded(GaussianData(FlowSchedule()))
    heun(asked, drawn(2, 3), [1.0, 0.5, 0.25, 0.0])
    assert asked.times == [1.0, 0.5, 0.25, 0.25]
