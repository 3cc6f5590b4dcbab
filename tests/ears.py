"""Sound, poses and trained toys for tests of the networks that make binaural sound."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

HOP = 20  # samples from pose to pose in these tests


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def view(samples: int, *, batch: int = 2, seed: int = 1) -> Tensor:
    """Poses of a walk, one more than there are hops."""
    steps = noise(batch, 7, -(-samples // HOP) + 1, seed=seed)
    return 0.3 * steps.cumsum(dim=-1)


def awake(model: nn.Module) -> nn.Module:
    """The same network with no layer that is silent before training."""
    for number, parameter in enumerate(model.parameters()):
        if not parameter.any():
            parameter.data.copy_(0.1 * noise(*parameter.shape, seed=number))
    return model.eval()


def delayed(mono: Tensor, delays: Tensor, gains: Tensor) -> Tensor:
    """Every example of a batch by its own whole delays and gains of two ears."""
    ears = [
        [gain * sound.roll(int(delay)) for delay, gain in zip(*each, strict=True)]
        for sound, each in zip(mono, zip(delays, gains, strict=True), strict=True)
    ]
    made = torch.stack([torch.stack(each) for each in ears])
    for example, each in enumerate(delays):
        for ear, delay in enumerate(each):
            made[example, ear, : int(delay)] = 0
    return made


DELAYS, GAINS = torch.tensor([[3, 1], [1, 4]]), torch.tensor([[0.4, 1.0], [0.9, 0.2]])


def two_places(samples: int) -> Tensor:
    """Poses of two sources that stay where they are."""
    places = torch.tensor([[1.0, 0.5, 0, 0, 0, 0, 1], [-0.5, -1.0, 0, 0, 0.6, 0, 0.8]])
    return places[..., None].expand(-1, -1, -(-samples // HOP) + 1)


def fall_of_loss(
    model: nn.Module, told: Callable[[], Tensor], wanted: Tensor, *, steps: int, rate: float
) -> float:
    """What is left of the squared error after training."""
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (told() - wanted).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[-1] / losses[0]


def without_gradient(model: nn.Module, told: Tensor) -> list[str]:
    """Parameters that no gradient of a result reaches."""
    told.square().sum().backward()
    return [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]


def multiply_adds(model: nn.Module, *inputs: Tensor) -> float:
    """Those that torch counts in one run."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*inputs)
    return counter.get_total_flops() / 2


def heard_from(told: Callable[[Tensor], Tensor], sound: Tensor, place: int) -> tuple[int, int]:
    """The first and the last sample of a result that change with one sample of a sound."""
    other = sound.clone()
    other[..., place] += 1
    with torch.no_grad():
        moved = (told(other) - told(sound)).abs().flatten(0, -2).amax(dim=0)
    places = moved.nonzero().flatten()
    return int(places.min()), int(places.max())
