import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gaussians import GaussianData, drawn
from soundstage.diffusion import (
    CosineSchedule,
    DiscreteSchedule,
    FlowSchedule,
    Objective,
    Parametrization,
    linear_betas,
    logit_normal,
)
from soundstage.diffusion.objectives import spread_uniform

EVERY = list(Parametrization)
SCHEDULES = [DiscreteSchedule(linear_betas(200)), CosineSchedule(), FlowSchedule()]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def levels(schedule, noised):
    return [each.float()[:, None] for each in schedule.level(noised.times)]


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_target_and_the_state_tell_the_data(kind: Parametrization, schedule) -> None:
    clean = drawn(64, 5)
    noised = Objective(schedule, kind).noised(clean, seeded())
    for example, time in enumerate(noised.times):
        alpha, sigma = (each.item() for each in schedule.level(time))
        if alpha > 0.01:
            found = kind.clean(noised.state[example], noised.target[example], alpha, sigma)
            torch.testing.assert_close(found, clean[example], rtol=0, atol=1e-3)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_what_is_not_data_is_standard_gaussian_noise(schedule) -> None:
    clean = drawn(500, 40)
    noised = Objective(schedule, Parametrization.NOISE).noised(clean, seeded(1))
    alpha, sigma = levels(schedule, noised)
    torch.testing.assert_close(noised.state, alpha * clean + sigma * noised.target)
    assert stats.kstest(noised.target.flatten(), "norm").pvalue > 0.01
    assert abs(torch.corrcoef(torch.stack([clean.flatten(), noised.target.flatten()]))[0, 1]) < 0.03


def test_one_generator_gives_one_draw() -> None:
    objective = Objective(FlowSchedule(), Parametrization.FLOW)
    one, same, other = (objective.noised(drawn(8, 3), seeded(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(*pair) for pair in zip(one, same, strict=True))
    assert not torch.equal(one.state, other.state)
    assert not torch.equal(one.times, other.times)


def test_the_loss_is_the_mean_squared_error_of_each_example() -> None:
    noised = Objective(FlowSchedule(), Parametrization.FLOW).noised(drawn(4, 3, 2), seeded())
    said = drawn(4, 3, 2, seed=5)
    loss = Objective(FlowSchedule(), Parametrization.FLOW).loss(said, noised)
    torch.testing.assert_close(loss, (said - noised.target).square().mean(dim=(1, 2)))
    assert torch.equal(Objective.loss(None, noised.target, noised), torch.zeros(4))


@pytest.mark.parametrize("schedule", SCHEDULES[:2])
def test_the_min_snr_weights_are_those_of_the_paper(schedule) -> None:
    """Hang et al. (2023, §3.4): min(SNR, γ) for data, over SNR for noise, over SNR + 1 for v."""
    clean = drawn(200, 1)
    for kind, divisor in [
        (Parametrization.CLEAN, lambda snr: 1),
        (Parametrization.NOISE, lambda snr: snr),
        (Parametrization.V, lambda snr: snr + 1),
    ]:
        noised = Objective(schedule, kind, min_snr=5.0).noised(clean, seeded())
        snr = (2 * schedule.level(noised.times.double()).half_log_snr).exp()
        wanted = (snr.clamp(max=5.0) / divisor(snr)).float()
        torch.testing.assert_close(noised.weight, wanted, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("kind", EVERY)
def test_a_min_snr_loss_is_the_same_error_of_the_data_for_every_target(kind) -> None:
    schedule, clean = FlowSchedule(), drawn(64, 5)
    objective = Objective(schedule, kind, min_snr=5.0)
    noised = objective.noised(clean, seeded())
    alpha, sigma = levels(schedule, noised)
    error = drawn(64, 5, seed=3)
    guess = clean + error
    said = kind.target(guess, (noised.state - alpha * guess) / sigma, alpha, sigma)
    snr = (alpha / sigma).square()[:, 0]
    wanted = snr.clamp(max=5.0) * error.square().mean(dim=1)
    torch.testing.assert_close(objective.loss(said, noised), wanted, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("end", [0.0, 1.0])
def test_min_snr_weights_are_finite_at_the_ends(kind: Parametrization, end: float) -> None:
    objective = Objective(FlowSchedule(), kind, lambda u: torch.full_like(u, end), min_snr=5.0)
    weight = objective.noised(drawn(3, 2), seeded()).weight
    snr_is_infinite = end == 0.0
    wanted = {
        Parametrization.NOISE: 0.0 if snr_is_infinite else 1.0,
        Parametrization.CLEAN: 5.0 if snr_is_infinite else 0.0,
        Parametrization.V: 0.0,
        Parametrization.FLOW: 0.0,
    }[kind]
    torch.testing.assert_close(weight, torch.full((3,), wanted), rtol=0, atol=1e-6)


@given(count=st.integers(1, 40), seed=st.integers(0, 1000))
def test_drawn_numbers_are_spread_evenly(count: int, seed: int) -> None:
    ordered = spread_uniform(count, seeded(seed)).sort().values
    assert bool(((ordered >= 0) & (ordered < 1)).all())
    torch.testing.assert_close(ordered.diff(), torch.full((count - 1,), 1 / count).double())


def test_each_drawn_number_is_uniform() -> None:
    draws = torch.stack([spread_uniform(7, seeded(seed)) for seed in range(400)])
    for place in range(7):
        assert stats.kstest(draws[:, place], "uniform").pvalue > 0.01


def test_spread_times_steady_the_loss() -> None:
    batches = [spread_uniform(16, seeded(seed)).square().mean().item() for seed in range(100)]
    independent = [
        torch.rand(16, generator=seeded(seed)).square().mean().item() for seed in range(100)
    ]
    assert stats.tstd(batches) < stats.tstd(independent) / 3


def test_logit_normal_times_have_a_gaussian_logit() -> None:
    warp = logit_normal(0.5, 0.8)
    times = FlowSchedule().training_times(warp(spread_uniform(2000, seeded())))
    assert stats.kstest(times.logit(), "norm", args=(0.5, 0.8)).statistic < 0.002
    assert bool(warp(torch.tensor([0.0, 1.0])).logit().isfinite().all())


def test_the_objective_draws_its_times_through_the_warp() -> None:
    objective = Objective(FlowSchedule(), Parametrization.FLOW, logit_normal(2.0, 0.1))
    times = objective.noised(drawn(100, 1), seeded()).times
    assert 0.8 < times.min() < times.max() < 0.95


def test_discrete_schedules_are_trained_at_whole_steps() -> None:
    objective = Objective(SCHEDULES[0], Parametrization.NOISE)
    times = objective.noised(drawn(200, 1), seeded()).times
    assert times.sort().values.tolist() == list(range(1, 201))


@pytest.mark.parametrize("kind", EVERY)
def test_the_least_loss_is_that_of_the_best_denoiser(kind: Parametrization) -> None:
    schedule, time = FlowSchedule(), 0.4
    objective = Objective(schedule, kind, lambda u: torch.full_like(u, time))
    data = GaussianData(schedule, deviation=0.5)
    noised = objective.noised(0.5 * drawn(1, 200_000), seeded(7))
    slope = (noised.state * noised.target).sum() / noised.state.square().sum()
    state = torch.ones(1, 1)
    said = kind.clean(state, slope * state, 1 - time, time)
    torch.testing.assert_close(said, data(state, time), rtol=0, atol=0.01)


def test_a_model_of_half_precision_has_its_loss_in_single() -> None:
    objective = Objective(FlowSchedule(), Parametrization.FLOW)
    noised = objective.noised(drawn(4, 3), seeded())
    assert objective.loss(noised.target.to(torch.bfloat16), noised).dtype == torch.float32


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_batch_is_noised_on_its_device_by_a_generator_on_another(schedule) -> None:
    objective = Objective(schedule, Parametrization.V, logit_normal(), min_snr=5.0)
    noised = objective.noised(torch.empty(4, 3, device="meta"), seeded())
    assert {each.device.type for each in noised} == {"meta"}
    assert objective.loss(noised.state, noised).device.type == "meta"


@pytest.mark.parametrize("gamma", [0.0, -1.0])
def test_a_min_snr_that_is_not_above_zero_is_refused(gamma: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Objective(FlowSchedule(), Parametrization.FLOW, min_snr=gamma)
