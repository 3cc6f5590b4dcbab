"""Parametrizations, denoisers and guidance."""

import pytest
import torch
from gaussians import GaussianData, normal
from hypothesis import given
from hypothesis import strategies as st

from soundstage.diffusion import (
    CFGDenoiser,
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
every_target = pytest.mark.parametrize("target", EVERY)
CLEAN, NOISE = normal(2, 3, 4, dtype=torch.float64), normal(2, 3, 4, seed=1, dtype=torch.float64)


def ideal(target: Parametrization, data: GaussianData) -> Denoiser:
    """A model with the output that the best denoiser implies."""

    def model(state: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        alpha, sigma = data.level(times[0].item())
        clean = data(state, times[0].item())
        return target.target(clean, (state - alpha * clean) / sigma, alpha, sigma)

    return Denoiser(model, target, data.schedule)


@given(alpha=st.floats(0.01, 1), sigma=st.floats(0.01, 1))
def test_clean_data_are_recovered_from_every_target(alpha: float, sigma: float) -> None:
    state = alpha * CLEAN + sigma * NOISE
    for target in EVERY:
        output = target.target(CLEAN, NOISE, alpha, sigma)
        torch.testing.assert_close(target.clean(state, output, alpha, sigma), CLEAN)


def test_the_targets_are_those_of_the_papers() -> None:
    alpha, sigma = 0.8, 0.6
    expected = [NOISE, CLEAN, alpha * NOISE - sigma * CLEAN, NOISE - CLEAN]
    for target, each in zip(EVERY, expected, strict=True):
        torch.testing.assert_close(target.target(CLEAN, NOISE, alpha, sigma), each)


def test_v_is_the_velocity_of_diffusers() -> None:
    schedulers = pytest.importorskip("diffusers.schedulers")
    expected = schedulers.DDPMScheduler(200).get_velocity(CLEAN, NOISE, torch.tensor([9, 150]))
    level = DiscreteSchedule(linear_betas(200)).level(torch.tensor([10, 151]))
    alpha, sigma = (each[:, None, None] for each in level)
    found = Parametrization.V.target(CLEAN, NOISE, alpha, sigma)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@every_target
def test_the_ends_of_a_schedule_are_exact_or_refused(target: Parametrization) -> None:
    for alpha, sigma in ((1.0, 0.0), (0.0, 1.0)):
        state, output = alpha * CLEAN + sigma * NOISE, target.target(CLEAN, NOISE, alpha, sigma)
        if target is Parametrization.NOISE and not alpha:
            with pytest.raises(ValueError, match="there is no signal"):
                target.clean(state, output, alpha, sigma)
        else:
            torch.testing.assert_close(target.clean(state, output, alpha, sigma), CLEAN)


@pytest.mark.parametrize("schedule", [DiscreteSchedule(linear_betas(200)), FlowSchedule()])
@pytest.mark.parametrize("sampler", [ddim, ancestral, dpm_solver_2m, heun])
def test_every_parametrization_gives_the_same_sample(schedule, sampler) -> None:
    data = GaussianData(schedule, mean=0.7, deviation=0.4)
    times = 0.99 * uniform_times(schedule, 12)
    more = {"step_noise": lambda step: normal(3, 5, seed=2 + step)} if sampler is ancestral else {}
    expected = sampler(data, normal(3, 5), times, **more)
    for target in EVERY:
        out = sampler(ideal(target, data), normal(3, 5), times, **more)
        torch.testing.assert_close(out, expected, rtol=0, atol=1e-4)


def test_a_model_gets_the_state_the_time_and_the_condition() -> None:
    inputs = {}

    def model(state, times, *, text, mask):
        inputs.update(state=state, times=times, text=text, mask=mask)
        return state

    condition = {"text": normal(4, 2), "mask": normal(4, 1)}
    state = normal(4, 3)
    Denoiser(model, Parametrization.V, FlowSchedule(), condition)(state, 0.25)
    assert inputs["state"] is state
    assert inputs["times"].tolist() == [0.25] * 4
    assert inputs["text"] is condition["text"]
    assert inputs["mask"] is condition["mask"]


@pytest.mark.parametrize("max_batch", [1, 3, 8])
def test_a_limited_batch_changes_nothing(max_batch: int) -> None:
    batches = []

    def model(state, times, *, text):
        batches.append(len(state))
        return state * text + times[:, None]

    state, condition = normal(5, 3), {"text": normal(5, 1, seed=1)}
    parts = (model, Parametrization.FLOW, FlowSchedule(), condition)
    whole = Denoiser(*parts)(state, 0.4)
    batches.clear()
    assert torch.equal(Denoiser(*parts, max_batch)(state, 0.4), whole)
    assert max(batches) <= max_batch
    assert sum(batches) == 5


@every_target
def test_a_model_of_half_precision_gives_single_precision(target: Parametrization) -> None:
    denoiser = Denoiser(lambda state, times: state.to(torch.bfloat16), target, FlowSchedule())
    assert denoiser(normal(2, 3), 0.5).dtype == torch.float32


TEXT, EMPTY = normal(3, 4), normal(1, 4, seed=1)
MID = normal(3, 4, seed=2)


class Model:
    """A function of all its inputs that records its batch sizes."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, state, times, *, text, mid):
        self.batches.append(len(state))
        return torch.tanh(state * text + mid - times[:, None])


def denoiser(target=Parametrization.V, text=TEXT, max_batch=None) -> Denoiser:
    return Denoiser(Model(), target, FlowSchedule(), {"text": text, "mid": MID}, max_batch)


def guided(scale: float, rescale: float = 0.0, **more) -> CFGDenoiser:
    return CFGDenoiser(denoiser(**more), {"text": EMPTY}, scale, rescale)


def test_guidance_of_scale_1_is_none_at_half_the_cost() -> None:
    plain = denoiser()
    out = CFGDenoiser(plain, {"text": EMPTY}, 1.0)(normal(3, 4), 0.4)
    assert torch.equal(out, plain(normal(3, 4), 0.4))
    assert plain.model.batches == [3, 3]


def test_guidance_of_scale_0_ignores_the_condition() -> None:
    out = guided(0.0)(normal(3, 4), 0.4)
    torch.testing.assert_close(out, denoiser(text=EMPTY.expand(3, 4))(normal(3, 4), 0.4))


def test_guidance_takes_one_batch_within_its_limit() -> None:
    whole, limited = denoiser(), denoiser(max_batch=4)
    one, other = (
        CFGDenoiser(each, {"text": EMPTY}, 3.0)(normal(3, 4), 0.4) for each in (whole, limited)
    )
    assert whole.model.batches == [6]
    assert limited.model.batches == [4, 2]
    torch.testing.assert_close(one, other)


@every_target
def test_guidance_of_estimates_is_guidance_of_outputs(target: Parametrization) -> None:
    state, time, scale = normal(3, 4), 0.4, 2.5
    times = torch.full((3,), time)
    cond = Model()(state, times, text=TEXT, mid=MID)
    uncond = Model()(state, times, text=EMPTY, mid=MID)
    expected = target.clean(state, uncond + scale * (cond - uncond), 1 - time, time)
    torch.testing.assert_close(
        guided(scale, target=target)(state, time), expected, rtol=0, atol=1e-5
    )


def test_rescaling_restores_the_deviation_of_the_conditional_estimate() -> None:
    state = normal(3, 4)
    full, half, none = (guided(5.0, rescale)(state, 0.4) for rescale in (1.0, 0.5, 0.0))
    torch.testing.assert_close(full.std(dim=1), denoiser()(state, 0.4).std(dim=1))
    torch.testing.assert_close(full / none, (full / none)[:, :1].expand(3, 4))
    torch.testing.assert_close(half, (full + none) / 2)


def test_impossible_guidance_is_refused() -> None:
    for rescale in (-0.1, 1.1):
        with pytest.raises(ValueError, match="0 to 1"):
            guided(2.0, rescale)
    with pytest.raises(ValueError, match="no txt"):
        CFGDenoiser(denoiser(), {"txt": EMPTY}, 2.0)
