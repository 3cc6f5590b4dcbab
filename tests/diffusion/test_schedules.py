import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.diffusion import (
    SIX_BETAS,
    DiscreteSchedule,
    FlowSchedule,
    Schedule,
    aligned_times,
    linear_betas,
    trailing_times,
    uniform_times,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of diffusers

LINEAR, FLOW = DiscreteSchedule(linear_betas(1000)), FlowSchedule()
SCHEDULES = [LINEAR, DiscreteSchedule(linear_betas(200)), FLOW]
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=["1000", "200", "flow"])


def test_the_linear_schedule_matches_diffusers() -> None:
    schedulers = pytest.importorskip("diffusers.schedulers")
    expected = schedulers.DDPMScheduler(1000, beta_start=1e-4, beta_end=0.02).alphas_cumprod
    level = LINEAR.level(torch.arange(1, 1001))
    torch.testing.assert_close(level.alpha.square().float(), expected, rtol=2e-5, atol=0)


@every_schedule
def test_a_schedule_runs_from_clean_data_to_noise_with_falling_log_snr(schedule: Schedule) -> None:
    level = schedule.level(torch.linspace(0, schedule.end, 3001, dtype=torch.float64))
    assert (level.alpha[0], level.sigma[0]) == (1, 0)
    assert level.sigma[-1] > 2 * level.alpha[-1]
    assert bool((level.half_log_snr.diff() < 0).all())


def test_discrete_schedules_keep_the_variance_and_flows_the_sum() -> None:
    for schedule, power in ((LINEAR, 2), (FLOW, 1)):
        alpha, sigma = schedule.level(torch.linspace(0, schedule.end, 501))
        torch.testing.assert_close(
            alpha**power + sigma**power, torch.ones_like(alpha), rtol=0, atol=1e-12
        )


@given(part=st.floats(1e-6, 1 - 1e-6))
def test_a_time_is_recovered_from_its_log_snr(part: float) -> None:
    for schedule in SCHEDULES:
        time = torch.tensor(part * schedule.end, dtype=torch.float64)
        found = schedule.time_at(schedule.level(time).half_log_snr)
        assert abs(found.item() - time.item()) < 1e-8 * schedule.end


@every_schedule
def test_infinite_log_snr_is_at_the_ends(schedule: Schedule) -> None:
    found = schedule.time_at(torch.tensor([math.inf, -math.inf], dtype=torch.float64))
    assert found.tolist() == [0.0, schedule.end]


def test_the_noise_of_a_small_first_step_keeps_its_digits() -> None:
    sigma = DiscreteSchedule([1e-12, 0.5]).level(torch.tensor(1.0)).sigma
    assert abs(sigma.item() / 1e-6 - 1) < 1e-9


def test_alpha_is_linear_between_steps() -> None:
    alpha = DiscreteSchedule(linear_betas(10, last=0.5)).level(torch.tensor([4.0, 4.25, 5.0])).alpha
    assert abs(alpha[1] - (0.75 * alpha[0] + 0.25 * alpha[2])) < 1e-12


def test_discrete_schedules_are_trained_at_all_steps_equally_and_flows_at_any_time() -> None:
    fractions = (torch.arange(700, dtype=torch.float64) + 0.5) / 700
    steps, counts = DiscreteSchedule([0.5] * 7).training_times(fractions).unique(return_counts=True)
    assert steps.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert set(counts.tolist()) == {100}
    assert DiscreteSchedule([0.5] * 7).training_times(torch.tensor([0.0, 1.0])).tolist() == [1, 7]
    assert torch.equal(FLOW.training_times(fractions), fractions)


@pytest.mark.parametrize("betas", [[], [0.0, 0.1], [0.1, 1.0]])
def test_betas_out_of_range_are_refused(betas: list[float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        DiscreteSchedule(betas)


@every_schedule
def test_uniform_times_are_evenly_spaced_from_the_end_to_zero(schedule: Schedule) -> None:
    for steps in (1, 8):
        times = uniform_times(schedule, steps)
        assert (times[0], times[-1]) == (schedule.end, 0)
        torch.testing.assert_close(
            times.diff(), torch.full((steps,), -schedule.end / steps, dtype=torch.float64)
        )
    with pytest.raises(ValueError, match="one step"):
        uniform_times(schedule, 0)


def test_trailing_times_match_diffusers() -> None:
    schedulers = pytest.importorskip("diffusers.schedulers")
    scheduler = schedulers.DDPMScheduler(1000, timestep_spacing="trailing")
    for steps in (7, 150):
        scheduler.set_timesteps(steps)
        assert trailing_times(LINEAR, steps)[:-1].tolist() == (scheduler.timesteps + 1).tolist()


def test_more_steps_than_were_trained_are_refused() -> None:
    assert trailing_times(LINEAR, 1000).tolist() == list(range(1000, -1, -1))
    with pytest.raises(ValueError, match="1001"):
        trailing_times(LINEAR, 1001)


def test_aligned_times_match_diffwave() -> None:
    """Kong et al. (2021, appendix B), with steps counted from 0."""
    trained = np.cumprod(1 - np.linspace(1e-4, 0.02, 200)) ** 0.5
    expected = []
    for level in np.cumprod(1 - np.array(SIX_BETAS)) ** 0.5:
        step = max(k for k in range(199) if trained[k] >= level * (1 - 1e-12))
        expected.append(step + (trained[step] - level) / (trained[step] - trained[step + 1]))
    times = aligned_times(DiscreteSchedule(linear_betas(200)))
    np.testing.assert_allclose(times[:-1].flip(0) - 1, expected, rtol=0, atol=1e-8)
    assert times[-1] == 0


def test_betas_noisier_than_the_schedule_are_refused() -> None:
    with pytest.raises(ValueError, match="more noise"):
        aligned_times(DiscreteSchedule(linear_betas(200)), [0.5, 0.9])
