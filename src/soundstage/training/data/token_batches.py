"""Batches for the token models: examples with their tokens, some of them masked.

Masked token modeling masks a share cos(π/2·u) of the tokens, u uniform, so that every stage of
iterative decoding is trained, including all tokens masked (Chang et al. 2022; Serrà et al. 2023,
§3.3). The paper masks single tiles at random. The decoding of `upmixing/generative` proceeds by
frames as well as by tiles, and continues from a known first half; the structured masks are mixtures
of these patterns.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from soundstage.seeding import seeded_generator
from soundstage.stereo import BANDS, dequantize, quantize
from soundstage.stereo.features import IID_LIMIT_DB, IID_WEIGHT
from soundstage.training.data.stereo_examples import StereoExamples

DrawMask = Callable[[int, torch.Generator], Bool[Tensor, "positions bands"]]
"""Draws the mask of an example from its number of positions; True is masked."""


class TokenBatch(NamedTuple):
    """Examples, in the order of the arguments of a task's `loss`."""

    levels: Float[Tensor, "batch positions levels"]
    """Levels of the mid, in dB."""
    tokens: Integer[Tensor, "batch positions bands"]
    """True tokens."""
    style: Float[Tensor, "batch style"]
    """NaN where it is not given."""
    memory: Float[Tensor, "batch segments features"]
    """NaN where there is none."""
    uncond: Bool[Tensor, " batch"]
    """Examples without conditioning."""
    weights: Float[Tensor, " batch"]
    """Eq. 3 of the paper: 1 + λ·σ(IID) + σ(IC), larger for wide examples."""
    mask: Bool[Tensor, "batch positions bands"]
    """Masked tokens, which the network predicts."""


class TokenBatches:
    """Examples with their tokens.

    Args:
        examples: source of the examples.
        batch_size: examples per batch.
        cond_dropout: probability of an example without conditioning.
        mask: draws the mask of an example.
        seed: of all random choices.
    """

    def __init__(
        self,
        examples: StereoExamples,
        *,
        batch_size: int,
        cond_dropout: float,
        mask: DrawMask,
        seed: int,
    ) -> None:
        self._examples, self._batch_size = examples, batch_size
        self._cond_dropout, self._mask, self._seed = cond_dropout, mask, seed
        self.per_epoch = examples.batches_per_epoch(batch_size)
        self.tokens_per_example = examples.positions * BANDS

    def draw(self, step: int) -> TokenBatch:
        """The batch of a step, the same for every call."""
        generator = seeded_generator(self._seed, step)
        count = self._batch_size
        examples = [self._examples.draw(generator) for _ in range(count)]
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
            torch.rand(count, generator=generator) < self._cond_dropout,
            width_weights(parameters.iid, parameters.coherence),
            torch.stack([self._mask(self._examples.positions, generator) for _ in range(count)]),
        )


def width_weights(
    iid: Float[Tensor, "batch frames bands"], coherence: Float[Tensor, "batch frames bands"]
) -> Float[Tensor, " batch"]:
    """The weight w of every example (Serrà et al. 2023, Eq. 3)."""
    spread = iid.clamp(-IID_LIMIT_DB, IID_LIMIT_DB).flatten(1).std(dim=1)
    return 1 + IID_WEIGHT * spread + coherence.flatten(1).std(dim=1)


def uniform_mask(positions: int, generator: torch.Generator) -> Bool[Tensor, "positions bands"]:
    """Masked token modeling of the paper: all tiles are equally likely."""
    share = _masked_share(generator)
    return _last(torch.rand(positions, BANDS, generator=generator), share)


def structured_mask(positions: int, generator: torch.Generator) -> Bool[Tensor, "positions bands"]:
    """Tiles, whole frames, or a mixture; in half of the cases after an unmasked beginning."""
    share = _masked_share(generator)
    of_tile = torch.rand(positions, BANDS, generator=generator)
    of_frame = torch.rand(positions, 1, generator=generator)
    together, continued, length = torch.rand(3, generator=generator).tolist()
    mixture = min(max(1.5 * together - 0.25, 0.0), 1.0)  # a sixth only tiles, a sixth only frames
    known = 0
    if continued < 0.5:
        known = positions // 2 if length < 0.5 else int(length * positions) // 2
    order = mixture * of_frame + (1 - mixture) * of_tile
    mask = torch.zeros(positions, BANDS, dtype=torch.bool)
    mask[known:] = _last(order[known:], share)
    return mask


def last_frame_mask(positions: int, generator: torch.Generator) -> Bool[Tensor, "positions bands"]:
    """Autoregressive model of the paper: the upper bands of the last frame."""
    mask = torch.zeros(positions, BANDS, dtype=torch.bool)
    mask[-1, int(torch.randint(BANDS, (), generator=generator)) :] = True
    return mask


def full_mask(positions: int, generator: torch.Generator) -> Bool[Tensor, "positions bands"]:
    """All tokens, for a causal network, which masks the future itself."""
    return torch.ones(positions, BANDS, dtype=torch.bool)


def _masked_share(generator: torch.Generator) -> float:
    return math.cos(0.5 * math.pi * float(torch.rand((), generator=generator)))


def _last(order: Tensor, share: float) -> Bool[Tensor, "positions bands"]:
    """The given share of tiles, at least one, with the highest values of `order`."""
    count = max(round(share * order.numel()), 1)
    chosen = order.flatten().topk(count).indices
    mask = torch.zeros(order.numel(), dtype=torch.bool)
    mask[chosen] = True
    return mask.view_as(order)
