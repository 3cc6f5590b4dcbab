import math

import numpy as np
import pytest
import torch

from soundstage.diffusion import (
    SIX_BETAS,
    CosineSchedule,
    DiscreteSchedule,
    FlowSchedule,
    Schedule,
    aligned_times,
    cosine_betas,
    karras_times,
    linear_betas,
    log_snr_times,
    trailing_times,
    uniform_times,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of diffusers

LINEAR = DiscreteSchedule(linear_betas(1000))
SCHEDULES = [LINEAR, DiscreteSchedule(cosine_betas(100)), CosineSchedule(), FlowSchedule()]


def ratios(schedule: Schedule, times: torch.Tensor) -> torch.Tensor:
    alpha, sigma = schedule.level(times)
    return sigma / alpha


@pytest.mark.parametrize("spacing", [uniform_times, log_snr_times, karras_times])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 20])
def test_times_fall_from_the_end_to_zero(spacing, schedule, steps) -> None:
    times = spacing(schedule, steps)
    assert times.dtype == torch.float64
    assert len(times) == steps + 1
    assert times[0] == schedule.end
    assert times[-1] == 0
    assert bool((times.diff() < 0).all())


@pytest.mark.parametrize("steps", [7, 20, 150])
def test_trailing_times_are_those_of_diffusers(steps: int) -> None:
    schedulers = pytest.importorskip("diffusers.schedulers")
    scheduler = schedulers.DDPMScheduler(1000, timestep_spacing="trailing")
    scheduler.set_timesteps(steps)
    times = trailing_times(LINEAR, steps)
    assert times[:-1].tolist() == (scheduler.timesteps + 1).tolist()


def test_more_steps_than_were_trained_are_refused() -> None:
    assert trailing_times(LINEAR, 1000).tolist() == list(range(1000, -1, -1))
    with pytest.raises(ValueError, match="1001"):
        trailing_times(LINEAR, 1001)


@pytest.mark.parametrize("spacing", [uniform_times, log_snr_times, karras_times])
@pytest.mark.parametrize("steps", [0, -3])
def test_no_steps_are_refused(spacing, steps: int) -> None:
    with pytest.raises(ValueError, match="one step"):
        spacing(FlowSchedule(), steps)


def test_uniform_times_of_a_flow_are_equal_steps() -> None:
    times = uniform_times(FlowSchedule(), 8)
    torch.testing.assert_close(times.diff(), torch.full((8,), -1 / 8, dtype=torch.float64))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_log_snr_times_are_even_in_log_snr(schedule: Schedule) -> None:
    found = schedule.level(log_snr_times(schedule, 12)[1:-1]).half_log_snr
    torch.testing.assert_close(found.diff(), found.diff()[:1].expand(10), rtol=1e-6, atol=0)
    assert found[-1] == pytest.approx(-math.log(ratios(schedule, torch.tensor(schedule.first))))


def test_karras_times_have_the_noise_levels_of_diffusers() -> None:
    schedulers = pytest.importorskip("diffusers.schedulers")
    scheduler = schedulers.EulerDiscreteScheduler(
        1000, 1e-4, 0.02, timestep_spacing="linspace", use_karras_sigmas=True
    )
    scheduler.set_timesteps(15)
    found = ratios(LINEAR, karras_times(LINEAR, 15))
    torch.testing.assert_close(found.float(), scheduler.sigmas, rtol=1e-4, atol=0)


def test_karras_times_of_a_flow_are_spaced_as_from_eighty() -> None:
    found = ratios(FlowSchedule(), karras_times(FlowSchedule(), 10)[1:-1]) ** (1 / 7)
    wanted = np.linspace(80 ** (1 / 7), 0.002 ** (1 / 7), 10)[1:]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_hand_set_betas_lie_where_diffwave_puts_them() -> None:
    """Kong et al. (2021, appendix B), whose steps count from 0."""
    trained = np.cumprod(1 - np.linspace(1e-4, 0.02, 200)) ** 0.5
    wanted = []
    for level in np.cumprod(1 - np.array(SIX_BETAS)) ** 0.5:
        step = max(k for k in range(199) if trained[k] >= level * (1 - 1e-12))
        wanted.append(step + (trained[step] - level) / (trained[step] - trained[step + 1]))
    times = aligned_times(DiscreteSchedule(linear_betas(200)))
    np.testing.assert_allclose(times[:-1].flip(0) - 1, wanted, rtol=0, atol=1e-8)
    assert times[-1] == 0


def test_hand_set_betas_keep_their_noise_levels() -> None:
    schedule = DiscreteSchedule(linear_betas(200))
    found = schedule.level(aligned_times(schedule)).alpha.square()
    wanted = np.cumprod([1, *(1 - np.array(SIX_BETAS))])[::-1]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_betas_noisier_than_the_schedule_are_refused() -> None:
    with pytest.raises(ValueError, match="more noise"):
        aligned_times(DiscreteSchedule(linear_betas(200)), [0.5, 0.9])
