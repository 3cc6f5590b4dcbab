"""Mixes of separate sources at known places, as ground truth for placement metrics.

A source s at a level difference of d dB, left over right, adds s to the mid and g·s to the side:

    g = (c − 1)/(c + 1) = tanh(d·ln 10/40),    c = 10^(d/20)

This is amplitude panning with the gains 1 + g and 1 − g. The mid of the mix is the sum of the
sources for all places.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo.mid_side import to_left_right

WIDEST_DB = 10.0  # clearly on one side, but audible on the other


def place_sources(
    sources: Float[Tensor, "sources frames"], iids_db: Sequence[float]
) -> Float[Tensor, "2 frames"]:
    """Left and right of a mix with the given level differences.

    Args:
        sources: signals; the mix is not scaled, and may exceed full scale.
        iids_db: level of left over right of each source, in dB; ∞ is left only.

    Raises:
        ValueError: the numbers of sources and level differences differ.

    >>> mix = place_sources(torch.ones(1, 1), [20 * math.log10(3)])
    >>> [round(value, 6) for value in mix.flatten().tolist()]
    [1.5, 0.5]
    """
    if len(sources) != len(iids_db):
        raise ValueError(f"{len(sources)} sources, but {len(iids_db)} level differences")
    gains = sources.new_tensor([math.tanh(iid * math.log(10) / 40) for iid in iids_db])
    side = (gains[:, None] * sources).sum(dim=0)
    return torch.stack(to_left_right(sources.sum(dim=0), side))


def spread_places(count: int) -> list[float]:
    """Level differences in dB for `count` sources, evenly from +10 dB (left) to −10 dB (right).

    The first source, usually the lead or the bass, is nearest to the center, and the others follow
    outwards, left before right. A single source is in the center.

    >>> spread_places(3), spread_places(2), spread_places(1)
    ([0.0, 10.0, -10.0], [10.0, -10.0], [0.0])
    """
    if count == 1:
        return [0.0]
    steps = [count - 1 - 2 * place for place in range(count)]  # left to right, 0 in the center
    return [WIDEST_DB * step / (count - 1) for step in sorted(steps, key=lambda s: (abs(s), -s))]
