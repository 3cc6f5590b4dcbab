import pytest
import torch

from soundstage.networks.backbones.adaptive_norm import AdaptiveBlock, AdaptiveOutput
from soundstage.networks.backbones.grid_attention import Span

WIDTH = 8


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def block():
    torch.manual_seed(0)
    return AdaptiveBlock(WIDTH, 2, 4, Span(None))


def awake(module):
    """The same with numbers in its zero layers."""
    torch.manual_seed(1)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module


def norm(x):
    centered = x - x.mean(-1, keepdim=True)
    return centered / (centered.square().mean(-1, keepdim=True) + 1e-6).sqrt()


def test_a_block_begins_as_the_identity():
    x = noise(2, 5, 3, WIDTH)
    assert torch.equal(block()(x, noise(2, 5, 3, WIDTH, seed=1)), x)


def test_the_last_layer_begins_as_zero():
    last = AdaptiveOutput(WIDTH, 6)
    assert not last(noise(2, 5, 3, WIDTH), noise(2, 1, 1, WIDTH, seed=1)).any()


def test_at_first_only_gates_learn_and_then_all_does():
    model, x, steering = block(), noise(2, 5, 3, WIDTH), noise(2, 1, 1, WIDTH, seed=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(x, steering).square().sum().backward()
    gates = model.modulation.bias.grad.unflatten(0, (6, WIDTH)).abs().sum(1) > 0
    assert gates.tolist() == [False, False, True, False, False, True]
    assert not model.attention.out.weight.grad.any()
    optimizer.step()
    optimizer.zero_grad()
    model(x, steering).square().sum().backward()
    assert all(parameter.grad.any() for parameter in model.parameters())


@pytest.mark.parametrize("places", [(1, 1), (5, 3)])
def test_a_block_is_its_equations(places):
    model, x, steering = awake(block()), noise(2, 5, 3, WIDTH), noise(2, *places, WIDTH, seed=1)
    made = steering @ model.modulation.weight.T + model.modulation.bias
    b1, g1, a1, b2, g2, a2 = (made[..., k * WIDTH : (k + 1) * WIDTH] for k in range(6))
    hidden = x + a1 * model.attention((1 + g1) * norm(x) + b1)
    hidden = hidden + a2 * model.mixing((1 + g2) * norm(hidden) + b2)
    torch.testing.assert_close(model(x, steering), hidden, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("places", [(1, 1), (5, 3)])
def test_the_last_layer_is_its_equation(places):
    model, x = awake(AdaptiveOutput(WIDTH, 6)), noise(2, 5, 3, WIDTH)
    steering = noise(2, *places, WIDTH, seed=1)
    beta, gamma = (steering @ model.modulation.weight.T + model.modulation.bias).split(WIDTH, -1)
    wanted = ((1 + gamma) * norm(x) + beta) @ model.out.weight.T + model.out.bias
    torch.testing.assert_close(model(x, steering), wanted, rtol=1e-4, atol=1e-5)
