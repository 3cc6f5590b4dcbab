import pytest
import torch
from gaussians import GaussianData, normal
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from soundstage.diffusion import (
    DiscreteSchedule,
    FlowSchedule,
    Objective,
    Parametrization,
    linear_betas,
    logit_normal,
)
from soundstage.diffusion.objectives import stratified_uniform

EVERY = list(Parametrization)
SCHEDULES = [DiscreteSchedule(linear_betas(200)), FlowSchedule()]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("target", EVERY)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_data_are_recovered_from_state_and_target(target: Parametrization, schedule) -> None:
    clean = normal(64, 5)
    noised = Objective(schedule, target).noised(clean, seeded())
    for example, time in enumerate(noised.times):
        alpha, sigma = (each.item() for each in schedule.level(time))
        if alpha > 0.01:
            found = target.clean(noised.state[example], noised.target[example], alpha, sigma)
            torch.testing.assert_close(found, clean[example], rtol=0, atol=1e-3)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_noise_is_standard_gaussian_and_independent_of_the_data(schedule) -> None:
    clean = normal(500, 40)
    noised = Objective(schedule, Parametrization.NOISE).noised(clean, seeded(1))
    alpha, sigma = (each.float()[:, None] for each in schedule.level(noised.times))
    torch.testing.assert_close(noised.state, alpha * clean + sigma * noised.target)
    assert stats.kstest(noised.target.flatten(), "norm").pvalue > 0.01
    assert abs(torch.corrcoef(torch.stack([clean.flatten(), noised.target.flatten()]))[0, 1]) < 0.03


def test_one_generator_gives_one_batch() -> None:
    objective = Objective(FlowSchedule(), Parametrization.FLOW)
    one, same, other = (objective.noised(normal(8, 3), seeded(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(*pair) for pair in zip(one, same, strict=True))
    assert not torch.equal(one.state, other.state)
    assert not torch.equal(one.times, other.times)


def test_the_loss_is_the_mean_squared_error_of_each_example() -> None:
    objective = Objective(FlowSchedule(), Parametrization.FLOW)
    noised, output = objective.noised(normal(4, 3, 2), seeded()), normal(4, 3, 2, seed=5)
    expected = (output - noised.target).square().mean(dim=(1, 2))
    torch.testing.assert_close(objective.loss(output, noised), expected)
    assert objective.loss(output.to(torch.bfloat16), noised).dtype == torch.float32


@given(count=st.integers(1, 40), seed=st.integers(0, 1000))
def test_stratified_numbers_are_evenly_spaced(count: int, seed: int) -> None:
    ordered = stratified_uniform(count, seeded(seed)).sort().values
    assert bool(((ordered >= 0) & (ordered < 1)).all())
    torch.testing.assert_close(ordered.diff(), torch.full((count - 1,), 1 / count).double())


def test_each_stratified_number_is_uniform() -> None:
    draws = torch.stack([stratified_uniform(7, seeded(seed)) for seed in range(400)])
    for place in range(7):
        assert stats.kstest(draws[:, place], "uniform").pvalue > 0.01


def test_logit_normal_times_have_a_gaussian_logit() -> None:
    warp = logit_normal(0.5, 0.8)
    times = FlowSchedule().training_times(warp(stratified_uniform(2000, seeded())))
    assert stats.kstest(times.logit(), "norm", args=(0.5, 0.8)).statistic < 0.002
    assert bool(warp(torch.tensor([0.0, 1.0])).logit().isfinite().all())


def test_times_are_drawn_through_the_warp() -> None:
    objective = Objective(FlowSchedule(), Parametrization.FLOW, logit_normal(2.0, 0.1))
    times = objective.noised(normal(100, 1), seeded()).times
    assert 0.8 < times.min() < times.max() < 0.95


def test_discrete_schedules_are_trained_at_whole_steps() -> None:
    objective = Objective(SCHEDULES[0], Parametrization.NOISE)
    times = objective.noised(normal(200, 1), seeded()).times
    assert times.sort().values.tolist() == list(range(1, 201))


@pytest.mark.parametrize("target", EVERY)
def test_the_best_denoiser_minimizes_the_loss(target: Parametrization) -> None:
    schedule, time = FlowSchedule(), 0.4
    objective = Objective(schedule, target, lambda u: torch.full_like(u, time))
    data = GaussianData(schedule, deviation=0.5)
    noised = objective.noised(0.5 * normal(1, 200_000), seeded(7))
    slope = (noised.state * noised.target).sum() / noised.state.square().sum()
    state = torch.ones(1, 1)
    estimate = target.clean(state, slope * state, 1 - time, time)
    torch.testing.assert_close(estimate, data(state, time), rtol=0, atol=0.01)


def test_a_batch_is_noised_on_its_device_by_a_generator_on_another() -> None:
    objective = Objective(FlowSchedule(), Parametrization.V, logit_normal())
    noised = objective.noised(torch.empty(4, 3, device="meta"), seeded())
    assert {each.device.type for each in noised} == {"meta"}
    assert objective.loss(noised.state, noised).device.type == "meta"
