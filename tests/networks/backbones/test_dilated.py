import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from network_checks import affected_range, noise, without_gradient
from soundstage.networks.backbones.dilated import DilatedStack, DilatedStackConfig

SAMPLES, COND, TIME, HOP = 160, 5, 6, 8
CONFIGS = [
    DilatedStackConfig(blocks=2, layers=3, channels=4, kernel_size=3),
    DilatedStackConfig(blocks=1, layers=4, channels=4, kernel_size=3, separable=True),
]


def stack(config=CONFIGS[0], *, causal=False, hop=HOP):
    torch.manual_seed(0)
    return DilatedStack(config, causal=causal, cond_channels=COND, time_dim=TIME, hop=hop).eval()


def inputs(samples=SAMPLES):
    cond = noise(2, COND, samples // HOP + 1, seed=1)
    return noise(2, 4, samples), cond, noise(2, TIME, seed=2)


def by_equations(model, hidden, cond, time):
    """The stack tap by tap, for a condition at every sample."""
    state, total = model.state_dict(), 0
    for index, dilation in enumerate(model.config.dilations):

        def part(name, index=index):
            return state[f"layers.{index}.{name}"]

        x = hidden + (time @ part("time_proj.weight").T + part("time_proj.bias"))[..., None]
        both = part("conv.bias")[:, None] + torch.zeros(2, 8, hidden.shape[-1])
        for tap in range(3):
            shift = (tap - 1) * dilation
            moved = x.roll(-shift, dims=-1)
            if shift > 0:
                moved[..., -shift:] = 0
            elif shift < 0:
                moved[..., :-shift] = 0
            both = both + part("conv.weight")[..., tap] @ moved
        both = both + part("cond_proj.weight")[..., 0] @ cond + part("cond_proj.bias")[:, None]
        unit = both[:, :4].tanh() * both[:, 4:].sigmoid()
        output = part("proj.weight")[..., 0] @ unit + part("proj.bias")[:, None]
        total = total + output[:, -4:]
        hidden = (hidden + output[:, :4]) / math.sqrt(2)
    return total / math.sqrt(len(model.config.dilations))


def test_the_stack_follows_the_equations_of_the_module():
    model, hidden, time = stack(hop=1), noise(2, 4, 40), noise(2, TIME)
    cond = noise(2, COND, 40, seed=3)
    expected = by_equations(model, hidden, cond, time)
    torch.testing.assert_close(model(hidden, cond, time), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("causal", [False, True])
def test_the_receptive_field_is_exact(config, causal):
    model = stack(config, causal=causal)
    hidden, cond, time = inputs()
    before, after = model.receptive_field
    found = affected_range(lambda sound: model(sound, cond, time), hidden, 80)
    assert found == (80 - after, 80 + before)
    assert not causal or after == 0


@pytest.mark.parametrize("causal", [False, True])
@given(cut=st.integers(1, SAMPLES // HOP - 1))
def test_windows_with_the_receptive_field_on_both_sides_equal_the_whole(causal, cut):
    model = stack(causal=causal)
    hidden, cond, time = inputs()
    place = HOP * cut
    before, after = model.receptive_field
    start = max(0, place - before) // HOP * HOP
    with torch.no_grad():
        whole = model(hidden, cond, time)
        first = model(hidden[..., : place + after], cond, time)[..., :place]
        second = model(hidden[..., start:], cond[..., start // HOP :], time)[..., place - start :]
    torch.testing.assert_close(torch.cat([first, second], dim=-1), whole, rtol=0, atol=1e-5)


def test_condition_and_time_affect_their_own_example_only():
    model = stack()
    hidden, cond, time = inputs()
    plain = model(hidden, cond, time)
    for changed in (
        model(hidden, cond + torch.tensor([1.0, 0])[:, None, None], time),
        model(hidden, cond, time + torch.tensor([1.0, 0])[:, None]),
    ):
        assert torch.equal(changed[1], plain[1])
        assert bool(((changed[0] - plain[0]).abs().amax(dim=0) > 1e-6).all())


@pytest.mark.parametrize("config", CONFIGS)
def test_every_parameter_has_an_effect(config):
    model = stack(config)
    assert without_gradient(model, model(*inputs())) == []


def test_the_variance_is_kept_through_thirty_layers():
    model = stack(DilatedStackConfig(channels=32, kernel_size=3))
    output = model(noise(1, 32, 4000), torch.zeros(1, COND, 1), torch.zeros(1, TIME))
    assert 0.2 < output.std().item() < 3


def test_a_centered_stack_needs_an_odd_kernel_size():
    with pytest.raises(ValueError, match="odd kernel size, not 2"):
        DilatedStack(DilatedStackConfig(layers=2, channels=4, kernel_size=2), causal=False)
