import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gaussians import GaussianData, drawn
from soundstage.diffusion import (
    CosineSchedule,
    Denoiser,
    DiscreteSchedule,
    FlowSchedule,
    Parametrization,
    ancestral,
    ddim,
    dpm_solver_2m,
    heun,
    linear_betas,
    uniform_times,
)

EVERY = list(Parametrization)
CLEAN, NOISE = drawn(2, 3, 4, dtype=torch.float64), drawn(2, 3, 4, seed=1, dtype=torch.float64)


def trained(kind: Parametrization, data: GaussianData) -> Denoiser:
    """A model that says what the best denoiser implies."""

    def model(state: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        alpha, sigma = data.level(times[0].item())
        clean = data(state, times[0].item())
        return kind.target(clean, (state - alpha * clean) / sigma, alpha, sigma)

    return Denoiser(model, kind, data.schedule)


@given(alpha=st.floats(0.01, 1), sigma=st.floats(0.01, 1))
def test_data_and_noise_are_found_again_in_every_target(alpha: float, sigma: float) -> None:
    state = alpha * CLEAN + sigma * NOISE
    for kind in EVERY:
        said = kind.target(CLEAN, NOISE, alpha, sigma)
        torch.testing.assert_close(kind.clean(state, said, alpha, sigma), CLEAN)
        torch.testing.assert_close(kind.noise(state, said, alpha, sigma), NOISE)


def test_the_targets_are_those_of_the_papers() -> None:
    alpha, sigma = 0.8, 0.6
    wanted = [NOISE, CLEAN, alpha * NOISE - sigma * CLEAN, NOISE - CLEAN]
    for kind, each in zip(EVERY, wanted, strict=True):
        torch.testing.assert_close(kind.target(CLEAN, NOISE, alpha, sigma), each)


def test_v_is_the_velocity_of_diffusers() -> None:
    schedulers = pytest.importorskip("diffusers.schedulers")
    scheduler = schedulers.DDPMScheduler(200)
    wanted = scheduler.get_velocity(CLEAN, NOISE, torch.tensor([9, 150]))
    level = DiscreteSchedule(linear_betas(200)).level(torch.tensor([10, 151]))
    alpha, sigma = (each[:, None, None] for each in level)
    said = Parametrization.V.target(CLEAN, NOISE, alpha, sigma)
    torch.testing.assert_close(said, wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", EVERY)
def test_one_target_for_every_example_of_a_batch(kind: Parametrization) -> None:
    levels = [(0.9, 0.2), (0.3, 0.7)]
    alpha, sigma = (torch.tensor(each)[:, None, None] for each in zip(*levels, strict=True))
    said = kind.target(CLEAN, NOISE, alpha, sigma)
    for example, level in enumerate(levels):
        alone = kind.target(CLEAN[example], NOISE[example], *level)
        torch.testing.assert_close(said[example], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize(("alpha", "sigma"), [(1.0, 0.0), (0.0, 1.0)])
def test_the_ends_are_exact_or_refused(kind: Parametrization, alpha: float, sigma: float) -> None:
    state, said = alpha * CLEAN + sigma * NOISE, kind.target(CLEAN, NOISE, alpha, sigma)
    if kind is Parametrization.NOISE and not alpha:
        with pytest.raises(ValueError, match="no signal is left"):
            kind.clean(state, said, alpha, sigma)
    else:
        torch.testing.assert_close(kind.clean(state, said, alpha, sigma), CLEAN)
    if kind is Parametrization.CLEAN and not sigma:
        with pytest.raises(ValueError, match="cannot tell the noise"):
            kind.noise(state, said, alpha, sigma)
    else:
        torch.testing.assert_close(kind.noise(state, said, alpha, sigma), NOISE)


@pytest.mark.parametrize("schedule", [DiscreteSchedule(linear_betas(200)), FlowSchedule()])
@pytest.mark.parametrize("sampler", [ddim, ancestral, dpm_solver_2m, heun])
def test_every_parametrization_gives_the_same_sample(schedule, sampler) -> None:
    data = GaussianData(schedule, mean=0.7, deviation=0.4)
    times = 0.99 * uniform_times(schedule, 12)
    more = {"step_noise": lambda step: drawn(3, 5, seed=2 + step)} if sampler is ancestral else {}
    wanted = sampler(data, drawn(3, 5), times, **more)
    for kind in EVERY:
        made = sampler(trained(kind, data), drawn(3, 5), times, **more)
        torch.testing.assert_close(made, wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("schedule", [CosineSchedule(), FlowSchedule()])
def test_all_but_noise_can_begin_where_no_signal_is_left(schedule) -> None:
    data = GaussianData(schedule, mean=0.7, deviation=0.4)
    times = uniform_times(schedule, 12)
    for kind in set(EVERY) - {Parametrization.NOISE}:
        made = dpm_solver_2m(trained(kind, data), drawn(3, 5), times)
        torch.testing.assert_close(made, dpm_solver_2m(data, drawn(3, 5), times), rtol=0, atol=1e-4)
    with pytest.raises(ValueError, match="begin a little earlier"):
        ddim(trained(Parametrization.NOISE, data), drawn(3, 5), times)


def test_a_model_is_told_its_state_the_time_and_the_condition() -> None:
    told = {}

    def model(state, times, *, text, mask):
        told.update(state=state, times=times, text=text, mask=mask)
        return state

    condition = {"text": drawn(4, 2), "mask": drawn(4, 1)}
    schedule = DiscreteSchedule(linear_betas(200))
    state = drawn(4, 3)
    Denoiser(model, Parametrization.V, schedule, condition)(state, 17.0)
    assert told["state"] is state
    assert told["times"].tolist() == [17.0] * 4
    assert told["text"] is condition["text"]
    assert told["mask"] is condition["mask"]


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 8])
def test_a_limit_on_examples_at_once_changes_nothing(at_once: int) -> None:
    asked = []

    def model(state, times, *, text):
        asked.append(len(state))
        return state * text + times[:, None]

    state, condition = drawn(5, 3), {"text": drawn(5, 1, seed=1)}
    parts = (model, Parametrization.FLOW, FlowSchedule(), condition)
    whole = Denoiser(*parts)(state, 0.4)
    asked.clear()
    assert torch.equal(Denoiser(*parts, at_once)(state, 0.4), whole)
    assert max(asked) <= at_once
    assert sum(asked) == 5


def test_a_model_of_half_precision_leaves_states_in_single() -> None:
    def model(state, times):
        return state.to(torch.bfloat16)

    for kind in EVERY:
        estimate = Denoiser(model, kind, FlowSchedule())(drawn(2, 3), 0.5)
        assert estimate.dtype == torch.float32
