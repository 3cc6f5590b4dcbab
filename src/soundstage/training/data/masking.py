"""Which tokens a generative model does not see while it learns.

Masked token modeling hides a share cos(π/2·u) of the tokens, u uniform, so that every stage of
iterative decoding is learned, all hidden among them (Chang et al. 2022; Serrà et al. 2023, §3.3).
The paper hides them uniformly at random. Decoding here goes frame by frame as much as tile by tile
(`upmixing/generative/decoding_order.py`) and begins with the first half known, so that patterns between the
two are learned as well.
"""

import math

import torch
from jaxtyping import Bool
from torch import Tensor

from soundstage.stereo import BANDS


def uniform_mask(patch: int, generator: torch.Generator) -> Bool[Tensor, "patch bands"]:
    """The paper's: any tile as likely as any other."""
    hidden = _share(generator)
    return _most(torch.rand(patch, BANDS, generator=generator), hidden)


def patterned_mask(patch: int, generator: torch.Generator) -> Bool[Tensor, "patch bands"]:
    """Tiles, whole frames, or between; in half of the cases after a beginning that is known."""
    hidden = _share(generator)
    of_tile = torch.rand(patch, BANDS, generator=generator)
    of_frame = torch.rand(patch, 1, generator=generator)
    together, continued, length = torch.rand(3, generator=generator).tolist()
    mixture = min(max(1.5 * together - 0.25, 0.0), 1.0)  # a sixth are tiles alone, a sixth frames
    known = 0
    if continued < 0.5:
        known = patch // 2 if length < 0.5 else int(length * patch) // 2
    order = mixture * of_frame + (1 - mixture) * of_tile
    mask = torch.zeros(patch, BANDS, dtype=torch.bool)
    mask[known:] = _most(order[known:], hidden)
    return mask


def last_frame_mask(patch: int, generator: torch.Generator) -> Bool[Tensor, "patch bands"]:
    """The paper's for its autoregressive model: the upper bands of the last frame."""
    mask = torch.zeros(patch, BANDS, dtype=torch.bool)
    mask[-1, int(torch.randint(BANDS, (), generator=generator)) :] = True
    return mask


def whole_mask(patch: int, generator: torch.Generator) -> Bool[Tensor, "patch bands"]:
    """Every token is to be told; a causal network hides by itself what comes later."""
    return torch.ones(patch, BANDS, dtype=torch.bool)


def _share(generator: torch.Generator) -> float:
    return math.cos(0.5 * math.pi * float(torch.rand((), generator=generator)))


def _most(order: Tensor, share: float) -> Bool[Tensor, "patch bands"]:
    """The given share of tiles, at least one, that come last in `order`."""
    count = max(round(share * order.numel()), 1)
    chosen = order.flatten().topk(count).indices
    mask = torch.zeros(order.numel(), dtype=torch.bool)
    mask[chosen] = True
    return mask.view_as(order)
