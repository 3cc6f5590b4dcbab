import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ears import heard_from, multiply_adds, noise, without_gradient
from soundstage.networks.backbones.dilated import DilatedStack, DilatedStackConfig

SAMPLES, CONDITION, STEP, HOP = 160, 5, 6, 8
SIZES = [
    DilatedStackConfig(2, 3, 4, 3),
    DilatedStackConfig(1, 4, 4, 3, separable=True),
]


def stack(
    size: DilatedStackConfig = SIZES[0], *, causal: bool = False, hop: int = HOP
) -> DilatedStack:
    torch.manual_seed(0)
    return DilatedStack(size, causal=causal, condition=CONDITION, step=STEP, hop=hop).eval()


def inputs(samples: int = SAMPLES, seed: int = 0) -> tuple[torch.Tensor, ...]:
    rows = noise(2, CONDITION, samples // HOP + 1, seed=seed + 1)
    return noise(2, 4, samples, seed=seed), rows, noise(2, STEP, seed=seed + 2)


def by_hand(model: DilatedStack, hidden, condition, step):
    """The equations sample by sample, for a stack whose condition comes with every sample."""
    state, size = model.state_dict(), model.size
    total = 0
    for index, dilation in enumerate(size.dilations):
        name = f"layers.{index}"
        told = (
            hidden + (step @ state[f"{name}.step.weight"].T + state[f"{name}.step.bias"])[..., None]
        )
        weight = state[f"{name}.dilated.weight"]
        both = state[f"{name}.dilated.bias"][:, None] + torch.zeros(2, 8, hidden.shape[-1])
        for tap in range(size.kernel):
            shift = (tap - (size.kernel - 1) // 2) * dilation
            moved = told.roll(-shift, dims=-1)
            if shift > 0:
                moved[..., -shift:] = 0
            elif shift < 0:
                moved[..., :-shift] = 0
            both = both + weight[..., tap] @ moved
        both = both + state[f"{name}.condition.weight"][..., 0] @ condition
        both = both + state[f"{name}.condition.bias"][:, None]
        unit = both[:, :4].tanh() * both[:, 4:].sigmoid()
        made = state[f"{name}.out.weight"][..., 0] @ unit + state[f"{name}.out.bias"][:, None]
        total = total + made[:, -4:]
        hidden = (hidden + made[:, :4]) / math.sqrt(2)
    return total / math.sqrt(len(size.dilations))


def test_the_stack_is_the_equations_written_out() -> None:
    model, hidden, step = stack(hop=1), noise(2, 4, 40), noise(2, STEP)
    condition = noise(2, CONDITION, 40, seed=3)
    torch.testing.assert_close(
        model(hidden, condition, step),
        by_hand(model, hidden, condition, step),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("causal", [False, True])
def test_the_reach_is_as_far_as_a_sample_is_heard(size: DilatedStackConfig, causal: bool) -> None:
    model = stack(size, causal=causal)
    hidden, rows, step = inputs()
    before, after = model.reach
    assert heard_from(lambda sound: model(sound, rows, step), hidden, 80) == (
        80 - after,
        80 + before,
    )
    assert not causal or after == 0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("causal", [False, True])
@given(cut=st.integers(1, SAMPLES // HOP - 1))
def test_windows_that_overlap_by_the_reach_give_the_same_as_the_whole(
    size: DilatedStackConfig, causal: bool, cut: int
) -> None:
    model = stack(size, causal=causal)
    hidden, rows, step = inputs()
    place = HOP * cut
    before, after = model.reach
    begin = max(0, (place - before) // HOP * HOP)
    with torch.no_grad():
        whole = model(hidden, rows, step)
        first = model(hidden[..., : place + after], rows, step)[..., :place]
        second = model(hidden[..., begin:], rows[..., begin // HOP :], step)[..., place - begin :]
    torch.testing.assert_close(torch.cat([first, second], dim=-1), whole, rtol=0, atol=1e-5)


def test_condition_and_step_are_heard_by_their_own_example_alone() -> None:
    model = stack()
    hidden, rows, step = inputs()
    plain = model(hidden, rows, step)
    for changed in (
        model(hidden, rows + torch.tensor([1.0, 0])[:, None, None], step),
        model(hidden, rows, step + torch.tensor([1.0, 0])[:, None]),
    ):
        assert torch.equal(changed[1], plain[1])
        assert bool(((changed[0] - plain[0]).abs().amax(dim=0) > 1e-6).all())


@pytest.mark.parametrize("size", SIZES)
def test_every_parameter_is_trained(size: DilatedStackConfig) -> None:
    model = stack(size)
    assert without_gradient(model, model(*inputs())) == []


@pytest.mark.parametrize("size", SIZES)
def test_operations_are_those_that_torch_counts(size: DilatedStackConfig) -> None:
    model = DilatedStack(size, causal=True, condition=CONDITION, step=STEP, hop=HOP)
    hidden, rows, step = (each[:1] for each in inputs())
    steps = sum(layer.step.weight.numel() for layer in model.layers)
    held = sum(layer.condition.weight.numel() for layer in model.layers)  # of the last row
    counted = multiply_adds(model, hidden, rows, step)
    assert counted == pytest.approx(SAMPLES * model.operations + steps + held)


def test_the_signal_neither_grows_nor_fades_on_its_way() -> None:
    model = stack(DilatedStackConfig(3, 10, 32, 3))
    hidden = noise(1, 32, 4000)
    rows, step = torch.zeros(1, CONDITION, 1), torch.zeros(1, STEP)
    assert 0.2 < model(hidden, rows, step).std().item() < 3


@pytest.mark.parametrize("changes", [{"blocks": 0}, {"layers": 0}, {"channels": 0}, {"kernel": 0}])
def test_a_size_that_cannot_be_built_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="from 1 up"):
        DilatedStackConfig(**changes)


def test_a_kernel_without_a_middle_looks_back_alone() -> None:
    with pytest.raises(ValueError, match="middle"):
        DilatedStack(DilatedStackConfig(1, 2, 4, 2), causal=False)
