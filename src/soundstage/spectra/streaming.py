"""Streams of samples: a queue between two stages, and convolution with a long filter."""

from collections import deque

import torch
from jaxtyping import Float
from torch import Tensor


class SampleQueue:
    """A first-in, first-out queue of samples or frames along the last axis.

    Blocks are kept as they come, and only the popped ones are joined: the cost does not depend on
    the length of the queue.

    Args:
        shape: of the other axes.
    """

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        self._blocks: deque[Tensor] = deque()
        self._empty = torch.zeros(*shape, 0)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, block: Tensor) -> None:
        """Append `block` (*shape, n)."""
        if block.shape[-1]:
            self._blocks.append(block)
            self._length += block.shape[-1]

    def pop(self, count: int) -> Tensor:
        """Remove and return the `count` oldest samples, (*shape, count).

        Raises:
            ValueError: the queue holds fewer than `count`.
        """
        if count > self._length:
            raise ValueError(f"{count} samples are more than the {self._length} in the queue")
        self._length -= count
        taken: list[Tensor] = []
        while count:
            block = self._blocks.popleft()
            if block.shape[-1] > count:
                self._blocks.appendleft(block[..., count:])
                block = block[..., :count]
            taken.append(block)
            count -= block.shape[-1]
        if not taken:
            return self._empty
        return taken[0] if len(taken) == 1 else torch.cat(taken, dim=-1)


class StreamingConvolver:
    """Convolution of a stream with an impulse response that need not be causal, by overlap-save.

    The output is as long as the input: output n is Σ h[k]·x[n + advance − k], so that `advance` is
    the index of the response's time zero (half its length for a symmetric, zero-phase filter).
    """

    def __init__(self, response: Float[Tensor, " taps"], *, advance: int = 0) -> None:
        taps = response.shape[0]
        self._size = max(1 << 14, 1 << (4 * taps - 1).bit_length())  # at most 1/4 is overlap
        self._step = self._size - (taps - 1)
        # In double precision: in single, the rounding noise of a loud passage would fill a digital
        # silence in the same transform up to −140 dB, and be dithered there
        self._spectrum = torch.fft.rfft(response.double(), n=self._size)
        self._advance = advance
        self._skip = advance
        self._tail = torch.zeros(taps - 1, dtype=torch.float64)
        self._incoming = SampleQueue()
        self._owed = 0

    def push(self, samples: Float[Tensor, " length"]) -> Float[Tensor, " ready"]:
        """The output that these samples complete."""
        self._owed += samples.shape[0]
        self._incoming.push(samples)
        blocks = []
        while len(self._incoming) >= self._step:
            blocks.append(self._filter(self._incoming.pop(self._step)))
        return self._deliver(blocks)

    def finish(self) -> Float[Tensor, " rest"]:
        """The rest of the output, with zeros after the signal."""
        blocks = []
        self._incoming.push(torch.zeros(self._advance))
        while rest := len(self._incoming):
            block = self._incoming.pop(min(rest, self._step))
            padded = torch.nn.functional.pad(block, (0, self._step - block.shape[0]))
            blocks.append(self._filter(padded))
        return self._deliver(blocks)

    def _filter(self, block: Tensor) -> Tensor:
        overlap = self._tail.shape[0]
        segment = torch.cat([self._tail, block.double()])
        self._tail = segment[segment.shape[0] - overlap :]
        filtered = torch.fft.irfft(torch.fft.rfft(segment) * self._spectrum, n=self._size)
        return filtered[overlap:].float()

    def _deliver(self, blocks: list[Tensor]) -> Tensor:
        ready = torch.cat(blocks) if blocks else torch.zeros(0)
        start = min(self._skip, ready.shape[0])
        self._skip -= start
        ready = ready[start : start + self._owed]
        self._owed -= ready.shape[0]
        return ready
