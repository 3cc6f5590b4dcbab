import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.diffusion import (
    CosineSchedule,
    DiscreteSchedule,
    FlowSchedule,
    Schedule,
    cosine_betas,
    linear_betas,
)

SCHEDULES = [
    DiscreteSchedule(linear_betas(1000)),
    DiscreteSchedule(linear_betas(200)),
    DiscreteSchedule(cosine_betas(50)),
    CosineSchedule(),
    FlowSchedule(),
]
every_schedule = pytest.mark.parametrize(
    "schedule", SCHEDULES, ids=["linear", "short", "cosine-steps", "cosine", "flow"]
)


def along(schedule: Schedule, count: int = 501) -> torch.Tensor:
    return torch.linspace(0, schedule.end, count, dtype=torch.float64)


@pytest.mark.parametrize("steps", [200, 1000])
def test_the_linear_schedule_is_that_of_diffusers(steps: int) -> None:
    schedulers = pytest.importorskip("diffusers.schedulers")
    wanted = schedulers.DDPMScheduler(steps, beta_start=1e-4, beta_end=0.02).alphas_cumprod
    level = DiscreteSchedule(linear_betas(steps)).level(torch.arange(1, steps + 1))
    torch.testing.assert_close(level.alpha.square().float(), wanted, rtol=2e-5, atol=0)


def test_the_cosine_betas_are_those_of_diffusers() -> None:
    schedulers = pytest.importorskip("diffusers.schedulers")
    wanted = schedulers.DDPMScheduler(100, beta_schedule="squaredcos_cap_v2").betas
    torch.testing.assert_close(cosine_betas(100).float(), wanted, rtol=1e-6, atol=0)
    assert cosine_betas(100)[-1] == 0.999


def test_the_cosine_is_the_equation_written_out() -> None:
    times = torch.linspace(0, 1, 101, dtype=torch.float64)
    wanted = ((times + 0.008) / 1.008 * math.pi / 2).cos() / math.cos(0.008 / 1.008 * math.pi / 2)
    level = CosineSchedule().level(times)
    torch.testing.assert_close(level.alpha, wanted, rtol=0, atol=1e-12)
    torch.testing.assert_close(level.sigma.square(), 1 - wanted.square(), rtol=0, atol=1e-12)


@every_schedule
def test_there_is_no_noise_at_first_and_little_else_in_the_end(schedule: Schedule) -> None:
    alpha, sigma = schedule.level(torch.tensor([0.0, schedule.end]))
    assert alpha[0] == 1
    assert sigma[0] == 0
    assert sigma[1] > 2 * alpha[1]


def test_the_continuous_schedules_end_in_nothing_but_noise() -> None:
    for schedule in (CosineSchedule(), FlowSchedule()):
        assert schedule.level(torch.tensor(1.0)).alpha == 0
        assert schedule.level(torch.tensor(1.0)).half_log_snr == -math.inf


@every_schedule
def test_the_variance_is_kept_but_by_the_flow_which_keeps_the_sum(schedule: Schedule) -> None:
    alpha, sigma = schedule.level(along(schedule))
    power = 1 if isinstance(schedule, FlowSchedule) else 2
    torch.testing.assert_close(
        alpha**power + sigma**power, torch.ones_like(alpha), rtol=0, atol=1e-12
    )


@every_schedule
def test_the_log_snr_falls_all_along(schedule: Schedule) -> None:
    assert bool((schedule.level(along(schedule, 3001)).half_log_snr.diff() < 0).all())


@given(part=st.floats(1e-6, 1 - 1e-6))
def test_a_time_is_found_again_by_its_log_snr(part: float) -> None:
    for schedule in SCHEDULES:
        time = torch.tensor(part * schedule.end, dtype=torch.float64)
        found = schedule.time_at(schedule.level(time).half_log_snr)
        assert abs(found.item() - time.item()) < 1e-8 * schedule.end


@every_schedule
def test_levels_beyond_a_schedule_are_at_its_ends(schedule: Schedule) -> None:
    found = schedule.time_at(torch.tensor([math.inf, -math.inf], dtype=torch.float64))
    assert found.tolist() == [0.0, schedule.end]


def test_the_noise_of_a_small_first_step_keeps_its_digits() -> None:
    sigma = DiscreteSchedule([1e-12, 0.5]).level(torch.tensor(1.0)).sigma
    assert abs(sigma.item() / 1e-6 - 1) < 1e-9


def test_between_steps_alpha_goes_in_a_straight_line() -> None:
    schedule = DiscreteSchedule(linear_betas(10, last=0.5))
    alpha = schedule.level(torch.tensor([4.0, 4.25, 5.0])).alpha
    assert abs(alpha[1] - (0.75 * alpha[0] + 0.25 * alpha[2])) < 1e-12


@every_schedule
def test_levels_have_double_precision_whatever_the_times(schedule: Schedule) -> None:
    alpha, sigma = schedule.level(torch.tensor([0.5], dtype=torch.float32))
    assert alpha.dtype == sigma.dtype == torch.float64


def test_every_whole_step_is_trained_equally_often() -> None:
    fractions = (torch.arange(700, dtype=torch.float64) + 0.5) / 700
    steps = DiscreteSchedule(linear_betas(7)).training_times(fractions)
    assert steps.unique(return_counts=True)[0].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert set(steps.unique(return_counts=True)[1].tolist()) == {100}
    assert DiscreteSchedule([0.5] * 7).training_times(torch.tensor([0.0, 1.0])).tolist() == [1, 7]


def test_a_flow_is_trained_at_any_time() -> None:
    assert FlowSchedule().training_times(torch.tensor([0.0, 0.3])).tolist() == pytest.approx(
        [0, 0.3]
    )


@pytest.mark.parametrize("betas", [[], [0.0, 0.1], [0.1, 1.0], [-0.1]])
def test_betas_that_make_no_schedule_are_refused(betas: list[float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        DiscreteSchedule(betas)
