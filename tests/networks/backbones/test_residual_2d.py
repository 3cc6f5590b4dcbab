import pytest
import torch

from network_checks import fill_zeros, noise, without_gradient
from soundstage.networks.backbones.residual_2d import (
    ChannelNorm,
    Downsample2d,
    ResidualBlock2d,
    Upsample2d,
)


@pytest.mark.parametrize("cond_dim", [0, 5])
def test_a_block_starts_as_the_identity(cond_dim):
    block, x = ResidualBlock2d(6, 6, cond_dim), noise(2, 6, 5, 7)
    block.conv_out.bias.data.zero_()
    assert torch.equal(block(x, noise(2, cond_dim) if cond_dim else None), x)


def test_every_parameter_of_a_block_matters():
    block = fill_zeros(ResidualBlock2d(4, 6, cond_dim=3))
    assert not without_gradient(block, block(noise(2, 4, 5, 7), noise(2, 3)))


def test_the_conditioning_of_an_example_is_its_own():
    block = fill_zeros(ResidualBlock2d(4, 4, cond_dim=3))
    x, cond = noise(1, 4, 5, 7).expand(2, -1, -1, -1), noise(2, 3)
    both = block(x, cond)
    assert torch.allclose(both[1:], block(x[1:], cond[1:]), atol=1e-6)
    assert not torch.allclose(both[0], both[1], atol=1e-3)


def test_sound_far_away_changes_nothing():
    block, x = fill_zeros(ResidualBlock2d(4, 4)), noise(1, 4, 8, 40)
    longer = torch.cat([x, noise(1, 4, 8, 20, seed=1)], dim=-1)
    assert torch.allclose(block(longer)[..., :30], block(x)[..., :30], atol=1e-6)


def test_the_norm_is_over_channels_alone():
    y = ChannelNorm(16)(3 + 5 * noise(2, 16, 4, 4))
    assert torch.allclose(y.mean(dim=1), torch.zeros(2, 4, 4), atol=1e-5)
    assert torch.allclose(y.var(dim=1, unbiased=False), torch.ones(2, 4, 4), atol=1e-3)


def test_changes_of_resolution_lose_nothing():
    x, factor = noise(2, 3, 8, 6), (4, 2)
    down, up = Downsample2d(3, 24, factor), Upsample2d(24, 3, factor)
    with torch.no_grad():
        matrix = torch.linalg.qr(noise(24, 24))[0]
        down.conv.weight.copy_(matrix.view(24, 3, *factor))
        up.conv.weight.copy_(matrix.T[..., None, None])
        down.conv.bias.zero_()
        up.conv.bias.zero_()
        small = down(x)
        assert small.shape == (2, 24, 2, 3)
        assert torch.allclose(up(small), x, atol=1e-5)
