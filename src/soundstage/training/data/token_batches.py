"""Batches for the models of tokens: examples with their tokens, some of them hidden."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from soundstage.seeding import seeded_generator
from soundstage.stereo import BANDS, dequantize, quantize
from soundstage.stereo.features import IID_LIMIT_DB, IID_WEIGHT
from soundstage.training.data.stereo_examples import StereoExamples

DrawMask = Callable[[int, torch.Generator], Bool[Tensor, "patch bands"]]
"""Which tokens of an example of so many positions are hidden."""


class TokenBatch(NamedTuple):
    """Examples; the tensors a task's `loss` is given, in this order."""

    levels: Float[Tensor, "batch patch levels"]
    """What is heard, in dB."""
    tokens: Integer[Tensor, "batch patch bands"]
    """The true ones."""
    style: Float[Tensor, "batch style"]
    """NaN where it is not told."""
    memory: Float[Tensor, "batch stretches numbers"]
    """NaN where there is none."""
    deaf: Bool[Tensor, " batch"]
    """Examples whose sound and style are withheld."""
    weights: Float[Tensor, " batch"]
    """Eq. 3 of the paper: 1 + λ·σ(IID) + σ(IC), larger for wide stages."""
    mask: Bool[Tensor, "batch patch bands"]
    """Tokens that are hidden from the network, which it has to tell."""


class TokenBatches:
    """Examples with their tokens.

    Args:
        examples: what is learned from.
        size: examples a batch.
        deaf: share of the examples that go without the sound.
        mask: draws which tokens are hidden.
        seed: of the draws.
    """

    def __init__(
        self, examples: StereoExamples, *, size: int, deaf: float, mask: DrawMask, seed: int
    ) -> None:
        self._examples, self._size, self._deaf = examples, size, deaf
        self._mask, self._seed = mask, seed
        self.per_epoch = examples.batches(size)
        self.tokens_per_example = examples.patch * BANDS

    def draw(self, step: int) -> TokenBatch:
        """The batch of a step, the same whenever it is asked for."""
        generator = seeded_generator(self._seed, step)
        examples = [self._examples.draw(generator) for _ in range(self._size)]
        levels, style, memory = (
            torch.stack([getattr(each, name) for each in examples])
            for name in ("levels", "style", "memory")
        )
        tokens = torch.stack([quantize(each.parameters).T for each in examples])
        parameters = dequantize(tokens)
        return TokenBatch(
            levels,
            tokens,
            style,
            memory,
            torch.rand(self._size, generator=generator) < self._deaf,
            width_weights(parameters.iid, parameters.coherence),
            torch.stack([self._mask(self._examples.patch, generator) for _ in range(self._size)]),
        )


def width_weights(
    iid: Float[Tensor, "batch frames bands"], coherence: Float[Tensor, "batch frames bands"]
) -> Float[Tensor, " batch"]:
    """The weight w of every example (Serrà et al. 2023, Eq. 3)."""
    spread = iid.clamp(-IID_LIMIT_DB, IID_LIMIT_DB).flatten(1).std(dim=1)
    return 1 + IID_WEIGHT * spread + coherence.flatten(1).std(dim=1)
