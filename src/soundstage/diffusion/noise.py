"""Seeded noise of an endless sequence: its value depends on nothing but the seed and the place.

A long signal is made in windows, in steps, in batches, and the noise under it must not change with
how it is cut, nor with what else is made beside it. So the sequence is divided into pages of
`PAGE` frames, and every page has a generator of its own, seeded with four numbers: the seed, the
take, the stream (one for the first state, one for every step of a stochastic sampler) and the page.
Nothing is kept between two questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

PAGE = 256  # frames; a question costs at most two pages more than it asks for


@dataclass(frozen=True)
class EndlessNoise:
    """Standard Gaussian noise over the frames from 0 on.

    Raises:
        ValueError: the seed, the take or the stream is below 0, or needs more than 64 bits.
    """

    shape: tuple[int, ...]
    """Of one frame."""
    seed: int
    take: int = 0
    number: int = 0
    """Of the stream."""

    def __post_init__(self) -> None:
        if not all(0 <= each < 2**64 for each in (self.seed, self.take, self.number)):
            raise ValueError("a seed, a take and a stream are numbers from 0 below 2^64")

    def stream(self, number: int) -> "EndlessNoise":
        """Other noise of the same take, independent of that of every other number."""
        return replace(self, number=number)

    def window(self, first: int, length: int) -> Float32[Tensor, "*shape length"]:
        """Frames `first` to below `first + length`, on the CPU.

        Raises:
            ValueError: the window begins before frame 0, or ends before it begins.
        """
        if first < 0 or length < 0:
            raise ValueError(f"there is no noise of {length} frames from frame {first} on")
        pages = range(first // PAGE, -(-(first + length) // PAGE))
        if not pages:
            return torch.empty(*self.shape, 0)
        whole = torch.cat([self._page(page) for page in pages], dim=-1)
        offset = first - pages.start * PAGE
        return whole[..., offset : offset + length].contiguous()

    def _page(self, page: int) -> Float32[Tensor, "*shape page"]:
        # Two words of 32 bits for every number: numpy would drop zero words and run them together
        words = np.array([self.seed, self.take, self.number, page], np.uint64).view(np.uint32)
        generator = np.random.default_rng(words)
        return torch.from_numpy(generator.standard_normal((*self.shape, PAGE), np.float32))


def takes_window(
    noises: Sequence[EndlessNoise], first: int, length: int, *, stream: int = 0
) -> Float32[Tensor, "takes *shape length"]:
    """The same window of several takes, as a batch."""
    return torch.stack([noise.stream(stream).window(first, length) for noise in noises])
