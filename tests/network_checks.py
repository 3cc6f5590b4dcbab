"""Inputs and properties that tests of several networks share."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

HOP = 20  # samples from pose to pose in these tests


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def poses(samples: int, *, batch: int = 2, seed: int = 1) -> Tensor:
    """Poses of a moving source, one more than there are hops."""
    steps = noise(batch, 7, -(-samples // HOP) + 1, seed=seed)
    return 0.3 * steps.cumsum(dim=-1)


def fill_zeros(model: nn.Module) -> nn.Module:
    """The same network with random values in parameters that are zero before training."""
    for number, parameter in enumerate(model.parameters()):
        if not parameter.any():
            parameter.data.copy_(0.1 * noise(*parameter.shape, seed=number))
    return model.eval()


def delayed(mono: Tensor, delays: Tensor, gains: Tensor) -> Tensor:
    """Two ears of every example, with delays in whole samples and gains of their own."""
    ears = [
        [gain * sound.roll(int(delay)) for delay, gain in zip(*each, strict=True)]
        for sound, each in zip(mono, zip(delays, gains, strict=True), strict=True)
    ]
    result = torch.stack([torch.stack(each) for each in ears])
    for example, each in enumerate(delays):
        for ear, delay in enumerate(each):
            result[example, ear, : int(delay)] = 0
    return result


DELAYS, GAINS = torch.tensor([[3, 1], [1, 4]]), torch.tensor([[0.4, 1.0], [0.9, 0.2]])


def two_static_poses(samples: int) -> Tensor:
    """Poses of two sources at rest."""
    places = torch.tensor([[1.0, 0.5, 0, 0, 0, 0, 1], [-0.5, -1.0, 0, 0, 0.6, 0, 0.8]])
    return places[..., None].expand(-1, -1, -(-samples // HOP) + 1)


def loss_ratio(
    model: nn.Module, output: Callable[[], Tensor], target: Tensor, *, steps: int, rate: float
) -> float:
    """Squared error after a short training, over that before it."""
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (output() - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[-1] / losses[0]


def without_gradient(model: nn.Module, output: Tensor) -> list[str]:
    """Parameters without effect on an output."""
    output.square().sum().backward()
    return [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]


def affected_range(
    output: Callable[[Tensor], Tensor], sound: Tensor, sample: int
) -> tuple[int, int]:
    """First and last sample of an output that depend on one sample of a sound."""
    other = sound.clone()
    other[..., sample] += 1
    with torch.no_grad():
        changed = (output(other) - output(sound)).abs().flatten(0, -2).amax(dim=0)
    samples = changed.nonzero().flatten()
    return int(samples.min()), int(samples.max())
