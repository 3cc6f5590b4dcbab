from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import torch
from gaussians import GaussianData, Process, normal
from hypothesis import given
from hypothesis import strategies as st

from soundstage.diffusion import (
    ContinuedStream,
    CounterNoise,
    Denoiser,
    FlowSchedule,
    Parametrization,
    ancestral,
    ddim,
    dpm_solver_2m,
    heun,
    uniform_times,
)

SIZE, OVERLAP = 80, 40
HOP = SIZE - OVERLAP
SCHEDULE = FlowSchedule()
TIMES = uniform_times(SCHEDULE, 8)
SAMPLERS = {
    "ddim": lambda denoiser, noise, steps: ddim(denoiser, noise, TIMES),
    "dpm": lambda denoiser, noise, steps: dpm_solver_2m(denoiser, noise, TIMES),
    "heun": lambda denoiser, noise, steps: heun(denoiser, noise, TIMES),
    "ancestral": lambda denoiser, noise, steps: ancestral(denoiser, noise, TIMES, step_noise=steps),
}
every_sampler = pytest.mark.parametrize("name", SAMPLERS)


def conditioned(mid: torch.Tensor) -> Denoiser:
    """A model with a receptive field of a few frames."""

    def model(state, times, *, mid):
        around = state + state.roll(1, -1) + state.roll(-1, -1)
        return torch.tanh(around + mid.roll(3, -1)) - times[:, None, None]

    return Denoiser(model, Parametrization.V, SCHEDULE, {"mid": mid.expand(2, -1, -1)})


def stream(make_denoiser=conditioned, name: str = "ancestral", takes=(0, 5)) -> ContinuedStream:
    noises = [CounterNoise((1,), seed=3, take=take) for take in takes]
    return ContinuedStream(make_denoiser, SAMPLERS[name], noises, size=SIZE, overlap=OVERLAP)


def through(flow: ContinuedStream, condition: torch.Tensor, ends=()) -> torch.Tensor:
    places = pairwise([0, *sorted(ends), condition.shape[-1]])
    parts = [flow.push(condition[..., start:stop]) for start, stop in places]
    return torch.cat([*parts, flow.finish()], dim=-1)


@given(
    length=st.integers(0, 300),
    ends=st.lists(st.integers(0, 300), max_size=6),
    name=st.sampled_from(sorted(SAMPLERS)),
)
def test_the_result_does_not_depend_on_how_the_input_was_cut(length, ends, name) -> None:
    condition = normal(1, length)
    made = through(stream(name=name), condition, [min(end, length) for end in ends])
    assert made.shape == (2, 1, length)
    assert torch.equal(made, through(stream(name=name), condition))


@every_sampler
def test_a_take_does_not_depend_on_the_others(name: str) -> None:
    condition = normal(1, 200)
    both = through(stream(name=name), condition)
    for take, number in enumerate((0, 5)):
        pair = through(stream(name=name, takes=(number, 9)), condition)
        assert torch.equal(pair[0], both[take])


@every_sampler
def test_one_window_is_the_plain_sampler(name: str) -> None:
    def noise(stream: int) -> torch.Tensor:
        takes = [CounterNoise((1,), seed=3, take=take).stream(stream) for take in (0, 5)]
        return torch.stack([each.window(0, SIZE) for each in takes])

    condition = normal(1, SIZE)
    expected = SAMPLERS[name](
        conditioned(condition),
        noise(0),
        lambda step: noise(1 + step),
    )
    assert torch.equal(through(stream(name=name), condition), expected)


def test_the_delay_is_less_than_a_window_and_memory_stays_bounded() -> None:
    flow, condition = stream(), normal(1, 500)
    made = flow.push(condition).shape[-1]
    assert made == 500 - 500 % HOP - HOP
    assert flow._condition.untyped_storage().nbytes() < 4 * SIZE
    assert flow._tail.untyped_storage().nbytes() == 4 * 2 * OVERLAP
    assert all(each.untyped_storage().nbytes() == 4 * 2 * OVERLAP for each in flow._trajectory)
    assert len(flow._trajectory) == len(TIMES) - 1


@every_sampler
def test_a_sequence_is_sampled_on_the_device_of_its_condition(name: str) -> None:
    flow, condition = stream(name=name), torch.empty(1, 200, device="meta")
    assert flow.push(condition[:, :10]).device.type == "meta"
    assert flow.push(condition[:, 10:]).device.type == "meta"
    assert flow.finish().device.type == "meta"


def test_the_last_window_is_as_short_as_the_remaining_condition() -> None:
    lengths = []

    def counted(mid: torch.Tensor) -> Denoiser:
        lengths.append(mid.shape[-1])
        return conditioned(mid)

    through(stream(counted), normal(1, SIZE + HOP + 10))
    assert lengths == [SIZE, SIZE, OVERLAP + 10]


@every_sampler
def test_every_frame_has_its_own_condition(name: str) -> None:
    def repeating(mid: torch.Tensor) -> Denoiser:
        condition = {"mid": mid.expand(2, -1, -1)}
        return Denoiser(lambda state, times, mid: mid, Parametrization.CLEAN, SCHEDULE, condition)

    condition = normal(1, 300)
    made = through(stream(repeating, name), condition)
    torch.testing.assert_close(made, condition.expand(2, -1, -1), rtol=0, atol=1e-5)


@dataclass(frozen=True)
class OneImpulse:
    """Noise that is 1 in one frame of one stream, and 0 elsewhere."""

    frame: int
    of: int
    shape: tuple[int, ...] = ()
    number: int = 0

    def stream(self, number: int) -> "OneImpulse":
        return replace(self, number=number)

    def window(self, first: int, length: int) -> torch.Tensor:
        window = torch.zeros(length)
        if self.number == self.of and first <= self.frame < first + length:
            window[self.frame - first] = 1
        return window


def covariance(name: str, process: Process, length: int, size: int) -> torch.Tensor:
    """Of a sequence from independent noise; exact, since on Gaussian data samplers are linear."""
    streams = range(len(TIMES) - 1) if name == "ancestral" else range(1)
    units = [OneImpulse(frame, of) for of in streams for frame in range(length)]
    flow = ContinuedStream(
        lambda mid: process, SAMPLERS[name], units, size=size, overlap=min(OVERLAP, size // 2)
    )
    made = through(flow, torch.zeros(1, length))
    return made.T @ made


def correlation(covariance: torch.Tensor, frame: int) -> float:
    """Of a frame with the next."""
    energy = covariance.diagonal()
    return (covariance.diagonal(1)[frame] / (energy[frame] * energy[frame + 1]).sqrt()).item()


@every_sampler
def test_there_are_no_seams(name: str) -> None:
    process, length = Process(SCHEDULE, correlation=0.8), 4 * HOP + OVERLAP
    made = covariance(name, process, length, SIZE)
    whole = covariance(name, process, length, length)
    for lag in range(4):
        torch.testing.assert_close(made.diagonal(lag), whole.diagonal(lag), rtol=0, atol=1e-4)


def test_a_tail_held_to_its_final_values_would_leave_a_seam() -> None:
    """Which is why it is held to its trajectory."""
    process, length = Process(SCHEDULE, correlation=0.9), SIZE + HOP
    units = torch.eye(length)
    first = ddim(process, units[:, :SIZE], TIMES)

    class Replaced(Process):
        def __call__(self, state: torch.Tensor, time: float) -> torch.Tensor:
            clean = super().__call__(state, time)
            return torch.cat([first[:, HOP:], clean[:, OVERLAP:]], dim=1)

    second = ddim(Replaced(SCHEDULE, 0.9), units[:, HOP:], TIMES)
    made = torch.cat([first, second[:, OVERLAP:]], dim=1)
    whole = covariance("ddim", process, length, SIZE)
    assert correlation(made.T @ made, SIZE - 1) < 0.8
    assert abs(correlation(whole, SIZE - 1) - correlation(whole, 10)) < 0.01


@pytest.mark.parametrize(("size", "overlap"), [(8, 0), (8, 5), (1, 1)])
def test_impossible_overlaps_are_refused(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="up to half"):
        ContinuedStream(
            lambda mid: GaussianData(SCHEDULE),
            SAMPLERS["ddim"],
            [CounterNoise((), 0)],
            size=size,
            overlap=overlap,
        )


def test_no_takes_are_refused() -> None:
    with pytest.raises(ValueError, match="one take"):
        stream(takes=())
