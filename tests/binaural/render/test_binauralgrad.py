from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from soundstage.binaural.render.binauralgrad import (
    OUR_STEPS,
    OUR_TEMPERATURE,
    PAPER_STEPS,
    PAPER_TEMPERATURE,
    BinauralGradSampling,
    sample_stage,
    timed,
    warped_ears,
)
from soundstage.binaural.render.neural_weights import STEPS, GradShape
from soundstage.diffusion import DiscreteSchedule, aligned_times
from soundstage.errors import OptionError
from soundstage.networks.backbones.neural_warp import warped

FRAMES = GradShape(
    view=1, blocks=1, layers=2, channels=4, kernel=3, stage=2, frame=16, separable=1, condition=4,
    taps=5, rank=2, step=8, flow=1,
)  # fmt: skip
PAPER = replace(FRAMES, view=0, frame=0, separable=0, taps=0, rank=0, flow=0)
SHAPES = [FRAMES, PAPER]
SAMPLES = 500


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Knowing(nn.Module):
    """A network that knows the clean sound, and tells what a shape asks for."""

    def __init__(self, shape: GradShape, clean: Tensor) -> None:
        super().__init__()
        self.shape, self.clean = shape, clean
        self.times: list[float] = []
        self.states: list[Tensor] = []

    def forward(self, states: Tensor, times: Tensor, signals: Tensor, view: Tensor) -> Tensor:
        self.times.append(times[0].item())
        self.states.append(states.clone())
        if self.shape.flow:
            return self.clean
        level = self.shape.schedule().level(times)
        alpha, sigma = (each.float()[:, None, None] for each in level)
        return (states - alpha * self.clean) / sigma


def draw(
    network: nn.Module,
    shape: GradShape,
    steps: int | None,
    seed: int = 1,
    temperature: float | None = 1.0,
) -> Tensor:
    return sample_stage(
        network,
        shape,
        noise(1, 3, SAMPLES, seed=7),
        noise(1, shape.numbers, 3, seed=8),
        noise(1, 2, SAMPLES, seed=seed),
        lambda step: noise(1, 2, SAMPLES, seed=100 + 10 * seed + step),
        BinauralGradSampling(steps, temperature),
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("steps", [None, 1, 3, 6, STEPS])
def test_a_network_that_knows_the_sound_draws_it(shape: GradShape, steps: int | None) -> None:
    network = Knowing(shape, noise(1, 2, SAMPLES, seed=3))
    made = draw(network, shape, steps)
    torch.testing.assert_close(made, network.clean, rtol=0, atol=1e-3)
    asked = steps or (OUR_STEPS if shape.flow else PAPER_STEPS)
    assert len(network.times) == asked == BinauralGradSampling(steps).steps_of(shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("steps", [1, 2, 5, 6])
def test_a_network_is_told_falling_times_of_its_training(shape: GradShape, steps: int) -> None:
    network = Knowing(shape, noise(1, 2, SAMPLES, seed=3))
    draw(network, shape, steps)
    assert network.times == sorted(network.times, reverse=True)
    assert 0 < network.times[-1] <= network.times[0] <= STEPS
    if shape.flow or steps != PAPER_STEPS:
        assert network.times[0] == STEPS


def test_six_steps_of_the_paper_s_network_are_where_the_paper_has_them() -> None:
    network = Knowing(PAPER, noise(1, 2, SAMPLES, seed=3))
    draw(network, PAPER, None)
    schedule = PAPER.schedule()
    assert isinstance(schedule, DiscreteSchedule)
    wanted = aligned_times(schedule)[:-1].float()
    torch.testing.assert_close(torch.tensor(network.times), wanted)


def test_the_first_step_of_a_flow_is_out_of_nothing_but_noise() -> None:
    network = Knowing(FRAMES, noise(1, 2, SAMPLES, seed=3))
    draw(network, FRAMES, 2, seed=4)
    assert torch.equal(network.states[0], noise(1, 2, SAMPLES, seed=4))
    half = (network.states[0] + network.clean) / 2
    torch.testing.assert_close(network.states[1], half)


def test_the_paper_s_sampler_adds_noise_of_every_step_and_a_flow_none() -> None:
    for shape in SHAPES:
        network = Knowing(shape, torch.zeros(1, 2, SAMPLES))
        draw(network, shape, 3)
        first, *later = (state.flatten() for state in network.states)
        alike = [float(torch.corrcoef(torch.stack([first, each]))[0, 1]) for each in later]
        assert all((each > 0.999) == bool(shape.flow) for each in alike)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_noise_draws_the_same_sound(shape: GradShape) -> None:
    torch.manual_seed(0)
    network = shape.network().eval()
    for parameter in network.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    one, again, other = (draw(network, shape, 3, seed) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("temperature", [0.0, 0.3, 1.0])
def test_a_temperature_is_a_factor_on_all_noise(shape: GradShape, temperature: float) -> None:
    """With silence for the clean sound, a state is nothing but noise."""
    states = []
    for factor in (temperature, 1.0):
        network = Knowing(shape, torch.zeros(1, 2, SAMPLES))
        draw(network, shape, 4, temperature=factor)
        states.append(torch.stack(network.states))
    torch.testing.assert_close(states[0], temperature * states[1], rtol=1e-4, atol=1e-5)


def test_our_network_tells_the_mean_in_one_step_and_the_paper_s_draws_in_six() -> None:
    sampling = BinauralGradSampling()
    found = [(sampling.steps_of(shape), sampling.temperature_of(shape)) for shape in SHAPES]
    assert found == [(OUR_STEPS, OUR_TEMPERATURE), (PAPER_STEPS, PAPER_TEMPERATURE)]
    asked = BinauralGradSampling(3, 0.0)
    assert {(asked.steps_of(shape), asked.temperature_of(shape)) for shape in SHAPES} == {(3, 0.0)}
    network = Knowing(FRAMES, noise(1, 2, SAMPLES, seed=3))
    draw(network, FRAMES, None, temperature=None)
    assert len(network.states) == 1
    assert not network.states[0].any()


@pytest.mark.parametrize("temperature", [-0.1, 1.1, float("nan")])
def test_temperatures_that_cannot_be_are_refused(temperature: float) -> None:
    with pytest.raises(OptionError, match="A temperature is from 0 to 1"):
        BinauralGradSampling(1, temperature)


@pytest.mark.parametrize("steps", [0, -1, STEPS + 1])
def test_steps_that_were_not_trained_are_refused(steps: int) -> None:
    with pytest.raises(OptionError, match=f"1 to {STEPS}, not {steps}"):
        BinauralGradSampling(steps)


def test_a_flow_is_told_its_times_on_the_scale_of_the_paper() -> None:
    network = nn.Module()
    network.forward = lambda states, times: states * times
    states = torch.ones(2)
    for shape, end in ((FRAMES, 1.0), (PAPER, 200.0)):
        made = timed(network, shape)(states, torch.tensor([end, end / 2]))
        assert made.tolist() == [200, 100]


@pytest.mark.parametrize("shape", SHAPES)
def test_sound_is_warped_to_the_ears_as_the_network_has_learned_it(shape: GradShape) -> None:
    mono, delays = noise(1, SAMPLES), 20 + noise(1, 2, SAMPLES, seed=1).cumsum(-1).clamp(-9, 9)
    times = torch.arange(SAMPLES, dtype=torch.float64)
    straight, cubic = (warped(mono, times - delays, cubic=each) for each in (False, True))
    wanted, other = (cubic, straight) if shape.frame else (straight, cubic)
    made = warped_ears(mono, delays.double(), shape)
    torch.testing.assert_close(made, wanted, rtol=0, atol=1e-4)
    assert float((made - other).abs().max()) > 0.05
