"""Counter-based noise: its value depends on the seed and the position alone.

A long signal is generated in windows, steps and batches, and its noise must not change with them.
So the sequence is divided into pages of `PAGE` frames, and every page has a generator seeded with
four numbers: the seed, the take, the stream (one for the first state, one for every step of a
stochastic sampler) and the page. Nothing is kept between two calls.

Where examples differ as a whole more than their parts do, white noise determines the whole only at
the very noisiest times, which a few sampling steps pass over: its mean over n positions has a
deviation of 1/√n. Offset noise, with a component that is constant along the sequence, determines
it together with the parts (Guttenberg 2023; the mixed noise of Ge et al. 2023, §3.2).
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

PAGE = 256  # frames; a window computes at most two pages more than it needs
_OFFSET_PAGE = 2**64 - 1  # a page beyond all frames, for the offsets


@dataclass(frozen=True)
class NoiseOffsets:
    """Offset noise: shares of the variance that are constant along the sequence.

    Frames are (channels, rows); the remaining variance is white. A *temperature* is a factor on the
    deviation: below 1 the samples are closer to the mode.

    Raises:
        ValueError: a share or temperature is below 0, the shares of a channel leave nothing, or
            the numbers of channels differ.
    """

    rows: tuple[float, ...]
    """Share of each channel that is drawn for every row."""
    channels: tuple[float, ...]
    """Share of each channel that is common to its rows."""
    temperature: tuple[float, ...] = ()
    """Of the white part of each channel; 1 by default."""
    whole: float = 1.0
    """Temperature of the constant part."""

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.channels) or min(*self.rows, *self.channels) < 0:
            raise ValueError("shares are 0 or more, as many for rows as for channels")
        if (
            len(self.temperature) not in (0, len(self.rows))
            or min((self.whole, *self.temperature)) < 0
        ):
            raise ValueError("temperatures are 0 or more, one for each channel")
        if any(row + channel >= 1 for row, channel in zip(self.rows, self.channels, strict=True)):
            raise ValueError("the shares of a channel leave nothing to the white noise")

    def applied(
        self,
        white: Float[Tensor, "*batch channels rows frames"],
        rows: Float[Tensor, "*batch channels rows"],
        channels: Float[Tensor, "*batch channels"],
    ) -> Float[Tensor, "*batch channels rows frames"]:
        """Offset noise from standard normal numbers; of unit variance at temperatures of 1."""
        own, common = (white.new_tensor(each)[:, None] for each in (self.rows, self.channels))
        same = self.whole * (own.sqrt() * rows + common.sqrt() * channels[..., None])
        left = (1 - own - common).sqrt()
        if self.temperature:
            left = left * white.new_tensor(self.temperature)[:, None]
        return left[..., None] * white + same[..., None]

    def like(
        self, clean: Float[Tensor, "batch channels rows frames"], generator: torch.Generator
    ) -> Float[Tensor, "batch channels rows frames"]:
        """Noise for a training batch, drawn on the device of the generator."""
        white, rows, channels = (
            torch.randn(shape, generator=generator, device=generator.device, dtype=clean.dtype)
            for shape in (clean.shape, clean.shape[:3], clean.shape[:2])
        )
        return self.applied(white, rows, channels).to(clean.device)


@dataclass(frozen=True)
class CounterNoise:
    """Standard Gaussian noise over the frames from 0 on; white, or with offsets.

    Raises:
        ValueError: the seed, the take or the stream is below 0, or needs more than 64 bits.
    """

    shape: tuple[int, ...]
    """Of one frame."""
    seed: int
    take: int = 0
    stream_index: int = 0
    offsets: NoiseOffsets | None = None
    """For frames of (channels, rows)."""

    def __post_init__(self) -> None:
        if not all(0 <= each < 2**64 for each in (self.seed, self.take, self.stream_index)):
            raise ValueError("a seed, a take and a stream are whole numbers from 0 to below 2^64")

    def stream(self, index: int) -> "CounterNoise":
        """Independent noise of the same take."""
        return replace(self, stream_index=index)

    def window(self, first: int, length: int) -> Float32[Tensor, "*shape length"]:
        """Frames from `first` on, on the CPU.

        Raises:
            ValueError: the window begins before frame 0, or has a negative length.
        """
        if first < 0 or length < 0:
            raise ValueError(f"there is no noise of {length} frames from frame {first} on")
        pages = range(first // PAGE, -(-(first + length) // PAGE))
        if not pages:
            return torch.empty(*self.shape, 0)
        whole = torch.cat([self._normal(page, (*self.shape, PAGE)) for page in pages], dim=-1)
        begin = first - pages.start * PAGE
        white = whole[..., begin : begin + length].contiguous()
        if self.offsets is None:
            return white
        same = self._normal(_OFFSET_PAGE, (1 + self.shape[1], self.shape[0]))
        return self.offsets.applied(white, same[1:].T, same[0])

    def _normal(self, page: int, shape: tuple[int, ...]) -> Float32[Tensor, "*shape"]:
        # Two words of 32 bits for every number: numpy would drop zero words and run them together
        words = np.array([self.seed, self.take, self.stream_index, page], np.uint64).view(np.uint32)
        generator = np.random.default_rng(words)
        return torch.from_numpy(generator.standard_normal(shape, np.float32))
