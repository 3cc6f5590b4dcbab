"""Seeded noise of an endless sequence: its value depends on nothing but the seed and the place.

A long signal is made in windows, in steps, in batches, and the noise under it must not change with
how it is cut, nor with what else is made beside it. So the sequence is divided into pages of
`PAGE` frames, and every page has a generator of its own, seeded with four numbers: the seed, the
take, the stream (one for the first state, one for every step of a stochastic sampler) and the page.
Nothing is kept between two questions.

Where data differ from one another as a whole more than their parts do, white noise decides the
whole at the very noisiest times only, which few steps of a sampler pass over: its mean over n
places has a deviation of 1/√n alone. Noise with an *offset*, which is the same at every place,
decides it with the rest (Guttenberg 2023; the mixed noise of Ge et al. 2023, §3.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

PAGE = 256  # frames; a question costs at most two pages more than it asks for
_OFFSETS = 2**64 - 1  # the page, which no frame lies on, that offsets are drawn from


@dataclass(frozen=True)
class Offsets:
    """Shares of the variance of noise that are the same along the sequence.

    Frames are channels of rows. What is left to 1 is white. Noise of lower *temperature*, which is
    a factor on its deviation, draws nearer to what is likeliest, the parts or the whole.

    Raises:
        ValueError: a share or temperature is below 0, those of a channel leave nothing, or their
            numbers differ.
    """

    rows: tuple[float, ...]
    """Of each channel, what every row draws for itself."""
    channels: tuple[float, ...]
    """Of each channel, what all its rows have in common."""
    temperature: tuple[float, ...] = ()
    """Of each channel, of what is white; 1 where nothing is said."""
    whole: float = 1.0
    """Temperature of what is the same along the sequence."""

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.channels) or min(*self.rows, *self.channels) < 0:
            raise ValueError("shares are from 0, as many for rows as for channels")
        if (
            len(self.temperature) not in (0, len(self.rows))
            or min((self.whole, *self.temperature)) < 0
        ):
            raise ValueError("temperatures are from 0, one for each channel")
        if any(row + channel >= 1 for row, channel in zip(self.rows, self.channels, strict=True)):
            raise ValueError("the shares of a channel leave nothing to the white noise")

    def applied(
        self,
        white: Float[Tensor, "*batch channels rows frames"],
        rows: Float[Tensor, "*batch channels rows"],
        channels: Float[Tensor, "*batch channels"],
    ) -> Float[Tensor, "*batch channels rows frames"]:
        """Noise of unit variance, at temperatures of 1, from standard normal numbers."""
        own, common = (white.new_tensor(each)[:, None] for each in (self.rows, self.channels))
        same = self.whole * (own.sqrt() * rows + common.sqrt() * channels[..., None])
        left = (1 - own - common).sqrt()
        if self.temperature:
            left = left * white.new_tensor(self.temperature)[:, None]
        return left[..., None] * white + same[..., None]

    def like(
        self, clean: Float[Tensor, "batch channels rows frames"], generator: torch.Generator
    ) -> Float[Tensor, "batch channels rows frames"]:
        """Noise for a batch of training, drawn on the device of the generator."""
        white, rows, channels = (
            torch.randn(shape, generator=generator, device=generator.device, dtype=clean.dtype)
            for shape in (clean.shape, clean.shape[:3], clean.shape[:2])
        )
        return self.applied(white, rows, channels).to(clean.device)


@dataclass(frozen=True)
class CounterNoise:
    """Standard Gaussian noise over the frames from 0 on, white unless it is given offsets.

    Raises:
        ValueError: the seed, the take or the stream is below 0, or needs more than 64 bits.
    """

    shape: tuple[int, ...]
    """Of one frame."""
    seed: int
    take: int = 0
    number: int = 0
    """Of the stream."""
    offsets: Offsets | None = None
    """For frames of channels and rows."""

    def __post_init__(self) -> None:
        if not all(0 <= each < 2**64 for each in (self.seed, self.take, self.number)):
            raise ValueError("a seed, a take and a stream are numbers from 0 below 2^64")

    def stream(self, number: int) -> "CounterNoise":
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
        begin = first - pages.start * PAGE
        white = whole[..., begin : begin + length].contiguous()
        if self.offsets is None:
            return white
        same = self._drawn(_OFFSETS, (1 + self.shape[1], self.shape[0]))
        return self.offsets.applied(white, same[1:].T, same[0])

    def _page(self, page: int) -> Float32[Tensor, "*shape page"]:
        return self._drawn(page, (*self.shape, PAGE))

    def _drawn(self, page: int, shape: tuple[int, ...]) -> Float32[Tensor, "*shape"]:
        # Two words of 32 bits for every number: numpy would drop zero words and run them together
        words = np.array([self.seed, self.take, self.number, page], np.uint64).view(np.uint32)
        generator = np.random.default_rng(words)
        return torch.from_numpy(generator.standard_normal(shape, np.float32))


def takes_window(
    noises: Sequence[CounterNoise], first: int, length: int, *, stream: int = 0
) -> Float32[Tensor, "takes *shape length"]:
    """The same window of several takes, as a batch."""
    return torch.stack([noise.stream(stream).window(first, length) for noise in noises])
