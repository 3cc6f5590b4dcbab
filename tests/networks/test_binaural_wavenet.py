import pytest
import torch

from ears import (
    DELAYS,
    GAINS,
    HOP,
    awake,
    delayed,
    fall_of_loss,
    heard_from,
    multiply_adds,
    noise,
    two_places,
    view,
    without_gradient,
)
from soundstage.networks.backbones.dilated import DilatedStackConfig
from soundstage.networks.models.binaural_wavenet import BinauralWaveNet, WarpNet, WarpNetConfig

SAMPLES, DELAY = 260, 3.0
STACK = DilatedStackConfig(1, 4, 8)
KINDS = ["wavenet", "warpnet"]


class Told(torch.nn.Module):
    """Either network, told mono and poses; WarpNet's delays are the same all the time."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = (
            BinauralWaveNet(STACK, hop=HOP)
            if kind == "wavenet"
            else WarpNet(WarpNetConfig(2, 8, STACK, rank=6), hop=HOP)
        )
        self.reach = self.network.reach
        if isinstance(self.network, WarpNet):
            self.reach = self.network.reach(longest=8)

    def forward(self, mono: torch.Tensor, poses: torch.Tensor) -> torch.Tensor:
        if isinstance(self.network, BinauralWaveNet):
            return self.network(mono, poses)
        delays = torch.full((len(mono), 2, mono.shape[-1]), DELAY)
        return self.network(mono, poses, delays)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("samples", [1, HOP, SAMPLES + 3])
def test_two_ears_hear_as_long_as_the_source_sounds(kind: str, samples: int) -> None:
    assert Told(kind)(noise(2, samples), view(samples)).shape == (2, 2, samples)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_before_training_is_silent(kind: str) -> None:
    assert not Told(kind)(noise(2, SAMPLES), view(SAMPLES)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_no_sample_is_heard_before_it_is_sent_nor_beyond_the_reach(kind: str) -> None:
    model = awake(Told(kind))
    first, last = heard_from(lambda mono: model(mono, view(SAMPLES)), noise(2, SAMPLES), 100)
    before, after = model.reach
    assert first >= 100
    assert after == 0
    assert last <= 100 + before
    if kind == "wavenet":
        assert (first, last) == (100, 100 + before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [7, 8, 12])
def test_windows_that_overlap_by_the_reach_give_the_same_as_the_whole(kind: str, cut: int) -> None:
    model, mono, poses = awake(Told(kind)), noise(2, SAMPLES), view(SAMPLES)
    place = cut * HOP
    begin = max(0, place - model.reach[0]) // HOP * HOP
    assert begin > 0
    with torch.no_grad():
        whole = model(mono, poses)
        late = model(mono[:, begin:], poses[..., begin // HOP :])
    torch.testing.assert_close(late[..., place - begin :], whole[..., place:], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_examples_do_not_hear_each_other(kind: str) -> None:
    model, mono, poses = awake(Told(kind)), noise(2, SAMPLES), view(SAMPLES)
    together = model(mono, poses)
    alone = torch.cat([model(mono[[each]], poses[[each]]) for each in range(2)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_is_trained(kind: str) -> None:
    model = awake(Told(kind))
    assert without_gradient(model, model(noise(2, SAMPLES), view(SAMPLES))) == []


@pytest.mark.parametrize("kind", KINDS)
def test_delay_and_gain_of_a_place_are_learned(kind: str) -> None:
    model, mono = Told(kind), noise(2, SAMPLES)
    wanted, poses = delayed(mono, 2 + DELAYS, GAINS), two_places(SAMPLES)
    left = fall_of_loss(model, lambda: model(mono, poses), wanted, steps=80, rate=0.01)
    assert left < 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_operations_are_those_that_torch_counts(kind: str) -> None:
    model, samples = Told(kind), 100 * HOP
    counted = multiply_adds(model, noise(1, samples), view(samples, batch=1))
    assert counted == pytest.approx(model.network.operations_per_second(samples), rel=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_near(kind: str) -> None:
    model, mono, poses = awake(Told(kind)), noise(2, SAMPLES), view(SAMPLES)
    with torch.autocast("cpu", torch.bfloat16):
        half = model(mono, poses).detach()
    whole = model(mono, poses).detach()
    assert float((half.float() - whole).square().mean()) < 1e-3 * float(whole.square().mean())


def test_the_default_sizes_are_the_paper_s() -> None:
    with torch.device("meta"):
        warpnet, wavenet = WarpNet(), BinauralWaveNet()
    assert len(warpnet.warp.layers) == 4
    assert [layer.out_channels for layer in warpnet.warp.layers] == 4 * [64]
    assert len(warpnet.layers) == len(wavenet.stack.layers) == 30
    assert warpnet.layers[9].hyper.dilation == 512
    assert wavenet.reach == (3069, 0)
    assert sum(each.numel() for each in warpnet.parameters()) == pytest.approx(8.5e6, rel=0.01)


def test_hyper_convolutions_are_not_separable() -> None:
    with pytest.raises(ValueError, match="separable"):
        WarpNetConfig(stack=DilatedStackConfig(separable=True))
