"""The sampler of `binauralgrad`, with a fake network that knows the clean signal."""

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
from soundstage.binaural.render_options import (
    MAX_STEPS,
)
from soundstage.diffusion import DiscreteSchedule, aligned_times
from soundstage.networks.backbones.dilated import DilatedStackConfig
from soundstage.networks.backbones.neural_warp import warp
from soundstage.networks.models.binaural_grad import BinauralGradConfig, FramesConfig
from soundstage.networks.models.binaural_wavenet import Calibration

FLOW = BinauralGradConfig(
    pose_encoding="directions",
    pose_dim=10,
    calibration=Calibration(scale=10.0, loudness=1.0, nearest=0.5, farthest=2.5),
    stage="single",
    noise="flow",
    stack=DilatedStackConfig(blocks=1, layers=2, channels=4, kernel_size=3, separable=True),
    cond_channels=4,
    time_features=8,
    frames=FramesConfig(hop=16, taps=5, rank=2),
)
PAPER = replace(
    FLOW,
    noise="ddpm",
    frames=None,
    stack=replace(FLOW.stack, separable=False),
    pose_encoding="published",
    pose_dim=7,
)
CONFIGS = [FLOW, PAPER]
by_config = pytest.mark.parametrize("config", CONFIGS, ids=["flow", "paper"])
SAMPLES = 500


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Oracle(nn.Module):
    """A network that predicts the target for a known clean signal."""

    def __init__(self, config: BinauralGradConfig, clean: Tensor) -> None:
        super().__init__()
        self.config, self.clean = config, clean
        self.times: list[float] = []
        self.states: list[Tensor] = []

    def forward(self, states: Tensor, times: Tensor, signals: Tensor, pose: Tensor) -> Tensor:
        self.times.append(times[0].item())
        self.states.append(states.clone())
        if self.config.noise == "flow":
            return self.clean
        level = self.config.schedule().level(times)
        alpha, sigma = (each.float()[:, None, None] for each in level)
        return (states - alpha * self.clean) / sigma


def sample(
    network: nn.Module,
    config: BinauralGradConfig,
    steps: int | None,
    seed: int = 1,
    temperature: float | None = 1.0,
) -> Tensor:
    return sample_stage(
        network,
        config,
        noise(1, 3, SAMPLES, seed=7),
        noise(1, config.pose_dim, 3, seed=8),
        noise(1, 2, SAMPLES, seed=seed),
        lambda step: noise(1, 2, SAMPLES, seed=100 + 10 * seed + step),
        BinauralGradSampling(steps, temperature),
    )


@by_config
@pytest.mark.parametrize("steps", [None, 1, 6, MAX_STEPS])
def test_an_oracle_is_sampled_exactly(config: BinauralGradConfig, steps: int | None) -> None:
    network = Oracle(config, noise(1, 2, SAMPLES, seed=3))
    torch.testing.assert_close(sample(network, config, steps), network.clean, rtol=0, atol=1e-3)
    expected = steps or (OUR_STEPS if config is FLOW else PAPER_STEPS)
    assert len(network.times) == expected == BinauralGradSampling(steps).steps_of(config)


@by_config
@pytest.mark.parametrize("steps", [1, 5, 6])
def test_times_decrease_within_those_of_the_training(
    config: BinauralGradConfig, steps: int
) -> None:
    network = Oracle(config, noise(1, 2, SAMPLES, seed=3))
    sample(network, config, steps)
    assert network.times == sorted(network.times, reverse=True)
    assert 0 < network.times[-1] <= network.times[0] <= MAX_STEPS
    if config is FLOW or steps != PAPER_STEPS:
        assert network.times[0] == MAX_STEPS


def test_six_steps_of_the_paper_are_at_its_times() -> None:
    network = Oracle(PAPER, noise(1, 2, SAMPLES, seed=3))
    sample(network, PAPER, None)
    schedule = PAPER.schedule()
    assert isinstance(schedule, DiscreteSchedule)
    expected = aligned_times(schedule)[:-1].float()
    torch.testing.assert_close(torch.tensor(network.times), expected)


def test_a_flow_goes_in_a_straight_line_from_noise_to_the_clean_signal() -> None:
    network = Oracle(FLOW, noise(1, 2, SAMPLES, seed=3))
    sample(network, FLOW, 2, seed=4)
    assert torch.equal(network.states[0], noise(1, 2, SAMPLES, seed=4))
    torch.testing.assert_close(network.states[1], (network.states[0] + network.clean) / 2)


@by_config
def test_only_the_papers_sampler_adds_noise_in_each_step(config: BinauralGradConfig) -> None:
    network = Oracle(config, torch.zeros(1, 2, SAMPLES))
    sample(network, config, 3)
    first, *later = (state.flatten() for state in network.states)
    correlations = [float(torch.corrcoef(torch.stack([first, each]))[0, 1]) for each in later]
    assert all((each > 0.999) == (config is FLOW) for each in correlations)


@by_config
@pytest.mark.parametrize("temperature", [0.0, 0.3])
def test_the_temperature_scales_all_noise(config: BinauralGradConfig, temperature: float) -> None:
    states = []
    for factor in (temperature, 1.0):
        network = Oracle(config, torch.zeros(1, 2, SAMPLES))  # states are noise only
        sample(network, config, 4, temperature=factor)
        states.append(torch.stack(network.states))
    torch.testing.assert_close(states[0], temperature * states[1], rtol=1e-4, atol=1e-5)


def test_the_defaults_are_the_mean_for_ours_and_six_steps_for_the_paper() -> None:
    sampling = BinauralGradSampling()
    found = [(sampling.steps_of(each), sampling.temperature_of(each)) for each in CONFIGS]
    assert found == [(OUR_STEPS, OUR_TEMPERATURE), (PAPER_STEPS, PAPER_TEMPERATURE)]
    given = BinauralGradSampling(3, 0.0)
    assert {(given.steps_of(each), given.temperature_of(each)) for each in CONFIGS} == {(3, 0.0)}
    network = Oracle(FLOW, noise(1, 2, SAMPLES, seed=3))
    sample(network, FLOW, None, temperature=None)
    assert len(network.states) == 1
    assert not network.states[0].any()


def test_the_times_of_a_flow_are_scaled_to_those_of_the_paper() -> None:
    network = nn.Module()
    network.forward = lambda states, times: states * times
    for config, end in ((FLOW, 1.0), (PAPER, 200.0)):
        found = timed(network, config)(torch.ones(2), torch.tensor([end, end / 2]))
        assert found.tolist() == [200, 100]


@by_config
def test_warping_is_cubic_for_our_networks_and_linear_for_the_papers(
    config: BinauralGradConfig,
) -> None:
    mono, delays = noise(1, SAMPLES), 20 + noise(1, 2, SAMPLES, seed=1).cumsum(-1).clamp(-9, 9)
    times = torch.arange(SAMPLES, dtype=torch.float64)
    linear, cubic = (warp(mono, times - delays, cubic=each) for each in (False, True))
    expected, other = (cubic, linear) if config is FLOW else (linear, cubic)
    found = warped_ears(mono, delays.double(), config)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    assert float((found - other).abs().max()) > 0.05
