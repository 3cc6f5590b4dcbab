import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from network_checks import affected_range, noise, without_gradient
from soundstage.networks.models.hifi_gan import HiFiGANConfig, fold_weight_norm

SMALL = {
    "num_mels": 6,
    "upsample_rates": (4, 2),
    "upsample_kernel_sizes": (8, 4),
    "upsample_initial_channel": 8,
    "resblock_kernel_sizes": (3, 5),
    "resblock_dilation_sizes": ((1, 3), (1, 2)),
}


def generator(**changes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return HiFiGANConfig(**{**SMALL, **changes}).build().eval()


@pytest.mark.parametrize("resblock", ["1", "2"])
@pytest.mark.parametrize("kernels", [(8, 4), (7, 4)])  # the second as in AudioLDM: 5, 16
def test_a_frame_becomes_as_many_samples_as_the_rates_multiply_to(resblock, kernels):
    network = generator(resblock=resblock, upsample_kernel_sizes=kernels)
    sound = network(noise(2, 6, 11))
    assert sound.shape == (2, 11 * 8)
    assert sound.abs().max() <= 1


def test_the_published_sizes_have_as_many_parameters_as_published():
    config = HiFiGANConfig()
    assert config.hop == 256
    count = sum(parameter.numel() for parameter in config.build().parameters())
    assert count == 13_926_017  # V1: 13.92 million (Kong et al. 2020, table 1)


def test_samples_depend_on_the_frames_around_them():
    network = generator()

    def output(mels):
        return network(mels)

    first, last = affected_range(output, noise(1, 6, 40), 20)
    assert first < 20 * 8
    assert 20 * 8 + 7 < last < 40 * 8


def test_every_parameter_is_used():
    network = generator().train()
    assert not without_gradient(network, network(noise(1, 6, 12)))


@pytest.mark.parametrize("names", [("weight_g", "weight_v"), ("original0", "original1")])
def test_folded_weights_are_those_that_weight_normalization_gives(names):
    layer = nn.ConvTranspose1d(4, 3, 5)
    plain = {"up.weight": layer.weight.detach().clone(), "up.bias": layer.bias.detach().clone()}
    normalized = parametrizations.weight_norm(layer)
    prefix = "up." if names[0] == "weight_g" else "up.parametrizations.weight."
    original = normalized.parametrizations.weight
    stored = {
        f"{prefix}{names[0]}": original.original0.detach(),
        f"{prefix}{names[1]}": original.original1.detach(),
        "up.bias": plain["up.bias"],
    }
    folded = fold_weight_norm(stored)
    assert folded.keys() == plain.keys()
    assert torch.allclose(folded["up.weight"], plain["up.weight"], atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"resblock": "3"},
        {"upsample_rates": (4,)},
        {"upsample_kernel_sizes": (2, 4)},
        {"upsample_initial_channel": 6},
        {"resblock_kernel_sizes": (3,)},
        {"resblock_kernel_sizes": (3, 4)},
        {"resblock_dilation_sizes": ((1,), ())},
    ],
)
def test_configs_that_do_not_fit_are_refused(change):
    with pytest.raises(ValueError, match=r"."):
        HiFiGANConfig(**{**SMALL, **change})
