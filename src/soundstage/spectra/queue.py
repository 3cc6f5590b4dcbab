"""A first-in, first-out store of samples (or frames) between two stages of a stream."""

import torch
from torch import Tensor


class SampleQueue:
    """Holds tensors that grow and shrink along their last axis.

    Blocks are kept as they come and joined only when taken, so that pushing costs nothing.

    Args:
        shape: of the other axes.
    """

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        self._blocks: list[Tensor] = []
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
        if not count:
            return self._empty
        joined = self._blocks[0] if len(self._blocks) == 1 else torch.cat(self._blocks, dim=-1)
        self._length -= count
        self._blocks = [joined[..., count:]] if self._length else []
        return joined[..., :count]
