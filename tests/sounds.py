"""Sounds that tests make for themselves; every one is the same each time."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from soundstage.spectra import StreamingConvolver

RATE = 44_100  # Hz, the default of every sound here


def noise(length: int, *, seed: int = 0, level: float = 0.1) -> Tensor:
    """White Gaussian noise, (length,), of that rms."""
    generator = torch.Generator().manual_seed(seed)
    return level * torch.randn(length, generator=generator)


def tone(length: int, *, hz: float = 440.0, level: float = 0.1, rate: int = RATE) -> Tensor:
    """A sine of that amplitude, (length,)."""
    time = torch.arange(length, dtype=torch.float64) / rate
    return (level * torch.sin(2 * torch.pi * hz * time)).float()


def chord(length: int, *, level: float = 0.05, rate: int = RATE) -> Tensor:
    """Six steady partials between 110 and 3960 Hz, (length,)."""
    partials = (110.0, 220.0, 330.0, 660.0, 1320.0, 3960.0)
    return torch.stack([tone(length, hz=hz, level=level, rate=rate) for hz in partials]).sum(dim=0)


def drums(length: int, *, every: int = 22_050, seed: int = 0, level: float = 0.3) -> Tensor:
    """Bursts of noise with instant attacks, one each `every` samples, and decays of 50 ms."""
    age = torch.arange(length) % every
    return noise(length, seed=seed, level=level) * torch.exp(-age / (0.05 * RATE))


def song(length: int, *, seed: int = 0, rate: int = RATE) -> Tensor:
    """Partials, soft noise and drums, (length,)."""
    return (
        chord(length, rate=rate)
        + noise(length, seed=seed, level=0.02)
        + drums(length, every=rate // 2, seed=seed + 1)
    )


def stereo_scene(length: int, *, seed: int = 0) -> Tensor:
    """A centered chord with noise, a panned tone, and independent noise on both sides."""
    center = chord(length) + noise(length, seed=seed, level=0.05)
    one, other = noise(length, seed=seed + 1, level=0.03), noise(length, seed=seed + 2, level=0.02)
    panned = tone(length, hz=523.25, level=0.1) + noise(length, seed=seed + 3, level=0.03)
    return torch.stack([center + one + panned, center + other + 0.4 * panned])


def cut(samples: Tensor | np.ndarray, places: Sequence[int]) -> list:
    """The signal in blocks that end at `places` (any order, repeats give empty blocks)."""
    ends = sorted(min(place, samples.shape[-1]) for place in places)
    starts, stops = [0, *ends], [*ends, samples.shape[-1]]
    return [samples[..., start:stop] for start, stop in zip(starts, stops, strict=True)]


def decibels(error: Tensor | np.ndarray, reference: Tensor | np.ndarray) -> float:
    """Power of an error against that of a reference, in dB; −400 for none."""
    power = float((np.asarray(error, np.float64) ** 2).sum())
    against = float((np.asarray(reference, np.float64) ** 2).sum())
    return 10 * np.log10(max(power / against, 1e-40))


def convolve(samples: Tensor, response: Tensor, *, advance: int = 0) -> Tensor:
    """`StreamingConvolver` over a whole signal."""
    convolver = StreamingConvolver(response, advance=advance)
    return torch.cat([convolver.push(samples), convolver.finish()])
