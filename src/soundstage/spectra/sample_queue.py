"""A first-in, first-out store of samples (or frames) between two stages of a stream."""

from collections import deque

import torch
from torch import Tensor


class SampleQueue:
    """Holds tensors that grow and shrink along their last axis.

    Blocks are kept as they come, and only what is taken is joined: a queue that holds much costs no
    more than one that holds little.

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
            ValueError: fewer than `count` are held.
        """
        if count > self._length:
            raise ValueError(f"asked for {count} samples of {self._length}")
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
