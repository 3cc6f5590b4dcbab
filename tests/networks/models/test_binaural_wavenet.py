import numpy as np
import pytest
import torch

from network_checks import (
    DELAYS,
    GAINS,
    HOP,
    affected_range,
    delayed,
    fill_zeros,
    loss_ratio,
    noise,
    poses,
    two_static_poses,
    without_gradient,
)
from soundstage.networks.backbones.dilated import DilatedStackConfig
from soundstage.networks.models.binaural_wavenet import (
    BinauralWaveNet,
    BinauralWaveNetConfig,
    Calibration,
    WarpNet,
    WarpNetConfig,
)

SAMPLES, DELAY = 260, 3.0
POSES = {
    "pose_encoding": "published",
    "pose_dim": 7,
    "pose_hop": HOP,
    "calibration": Calibration(scale=1, loudness=1, nearest=0.3, farthest=2.5),
}
STACK = DilatedStackConfig(blocks=1, layers=4, channels=8)
CONFIGS = {
    "wavenet": BinauralWaveNetConfig(**POSES, stack=STACK),
    "warpnet": WarpNetConfig(**POSES, stack=STACK, rank=6, warp_layers=2, warp_channels=8),
}
KINDS = list(CONFIGS)


class Wrapped(torch.nn.Module):
    """Either network as a function of mono and poses; the delays of WarpNet are constant."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = CONFIGS[kind].build()
        field = self.network.receptive_field
        self.receptive_field = field if kind == "wavenet" else field(max_delay=8)

    def forward(self, mono: torch.Tensor, pose: torch.Tensor) -> torch.Tensor:
        if isinstance(self.network, BinauralWaveNet):
            return self.network(mono, pose)
        delays = torch.full((len(mono), 2, mono.shape[-1]), DELAY)
        return self.network(mono, pose, delays)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("samples", [1, HOP, SAMPLES + 3])
def test_an_untrained_network_is_silent_at_both_ears(kind: str, samples: int) -> None:
    output = Wrapped(kind)(noise(2, samples), poses(samples))
    assert output.shape == (2, 2, samples)
    assert not output.any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_is_causal_within_its_receptive_field(kind: str) -> None:
    model = fill_zeros(Wrapped(kind))
    first, last = affected_range(lambda mono: model(mono, poses(SAMPLES)), noise(2, SAMPLES), 100)
    before, after = model.receptive_field
    assert after == 0
    assert first >= 100
    assert last <= 100 + before
    if kind == "wavenet":
        assert (first, last) == (100, 100 + before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [7, 12])
def test_windows_with_the_receptive_field_before_them_equal_the_whole(kind: str, cut: int) -> None:
    model, mono, pose = fill_zeros(Wrapped(kind)), noise(2, SAMPLES), poses(SAMPLES)
    place = cut * HOP
    start = max(0, place - model.receptive_field[0]) // HOP * HOP
    assert start > 0
    with torch.no_grad():
        whole = model(mono, pose)
        late = model(mono[:, start:], pose[..., start // HOP :])
    torch.testing.assert_close(late[..., place - start :], whole[..., place:], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_examples_are_independent(kind: str) -> None:
    model, mono, pose = fill_zeros(Wrapped(kind)), noise(2, SAMPLES), poses(SAMPLES)
    alone = torch.cat([model(mono[[each]], pose[[each]]) for each in range(2)])
    torch.testing.assert_close(model(mono, pose), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_has_an_effect(kind: str) -> None:
    model = fill_zeros(Wrapped(kind))
    assert without_gradient(model, model(noise(2, SAMPLES), poses(SAMPLES))) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_delay_and_gain_of_a_pose_are_learned(kind: str) -> None:
    model, mono = Wrapped(kind), noise(2, SAMPLES)
    target, pose = delayed(mono, 2 + DELAYS, GAINS), two_static_poses(SAMPLES)
    assert loss_ratio(model, lambda: model(mono, pose), target, steps=80, rate=0.01) < 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_near(kind: str) -> None:
    model, mono, pose = fill_zeros(Wrapped(kind)), noise(2, SAMPLES), poses(SAMPLES)
    exact = model(mono, pose).detach()
    with torch.autocast("cpu", torch.bfloat16):
        half = model(mono, pose).detach()
    assert float((half.float() - exact).square().mean()) < 1e-3 * float(exact.square().mean())


def test_the_defaults_of_warpnet_are_the_paper_s() -> None:
    warpnet = WarpNetConfig(**POSES, stack=DilatedStackConfig()).build()
    assert isinstance(warpnet, WarpNet)
    assert [layer.out_channels for layer in warpnet.warp.layers] == 4 * [64]
    assert len(warpnet.layers) == 30
    assert warpnet.layers[9].hyper.dilation == 512
    assert sum(each.numel() for each in warpnet.parameters()) == pytest.approx(8.5e6, rel=0.01)


def test_hyper_convolutions_are_not_separable() -> None:
    with pytest.raises(ValueError, match="separable"):
        WarpNetConfig(**POSES, stack=DilatedStackConfig(separable=True))


def test_distances_are_clipped_to_those_of_the_training() -> None:
    positions = np.array([[[0.1, 0, 0], [0, 0.3, 0.4]], [[0, -2.5, 0], [30, 0, 40]]])
    found = POSES["calibration"].clip_distances(positions)
    np.testing.assert_allclose(found, [[0.3, 0.5], [2.5, 2.5]])
