"""In which order, and how many at a time, masked decoding settles the tokens of a window.

Tokens that are settled in one step do not hear each other. How far apart they lie, and how few they
are at first, decides how well a result holds together:

    confidence   the paper's (Chang et al. 2022; Serrà et al. 2023, §3.3): all are drawn, and those
                 stay whose score, with Gaussian noise, is highest. It prefers what is likely
                 everywhere, so that a stage shrinks towards the center.
    certainty    likewise by the entropy of the place, whatever is drawn there
    random       keeps what a model has learned of each token, and wobbles where neighbors are drawn
                 at once
    spread       every step takes tiles that lie as far as can be from each other, in time and over
                 bands, between those that are settled: a low-discrepancy order (after the Halton
                 order of Besnier et al. 2025)
"""

import math
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

Order = Literal["confidence", "certainty", "random", "spread"]
_PLASTIC = 1.32471795724474602596  # x³ = x + 1: its powers make the R2 sequence of two dimensions


def mask_schedule(steps: int, total: int, *, slow_start: float = 1.0) -> list[int]:
    """How many tokens are settled after each step.

    Args:
        steps: in all.
        total: tokens of the window that are not known.
        slow_start: exponent on the part of the steps done; 1 is the paper's cosine, more settles
            fewer at first, when nothing is there to go by.

    >>> mask_schedule(3, 100)
    [13, 50, 100]
    """
    parts = [((step + 1) / steps) ** slow_start for step in range(steps)]
    counts = [total - math.floor(total * math.cos(0.5 * math.pi * part) + 1e-6) for part in parts]
    return [max(count, min(step + 1, total)) for step, count in enumerate(counts)]


def spread_ranks(
    positions: int, bands: int, shift: Float[Tensor, "2"]
) -> Int64[Tensor, "positions bands"]:
    """Rank of every tile in an order that fills the plane evenly at every moment.

    Points of the R2 sequence (Roberts 2018) fall one by one on the plane; a tile is settled when
    the first one meets it.

    Args:
        positions: in time.
        bands: of each.
        shift: of the whole sequence, from 0 to 1: another order for another take.
    """
    total = positions * bands
    points = torch.arange(1, 8 * total + 1, dtype=torch.float64)
    times = ((points / _PLASTIC + shift[0]) % 1 * positions).long().clamp(max=positions - 1)
    places = ((points / _PLASTIC**2 + shift[1]) % 1 * bands).long().clamp(max=bands - 1)
    tiles = times * bands + places
    first = torch.full((total,), 8 * total, dtype=torch.long)
    first.scatter_reduce_(0, tiles, torch.arange(8 * total), reduce="amin")
    ranks = torch.empty(total, dtype=torch.long)
    ranks[first.argsort(stable=True)] = torch.arange(total)
    return ranks.view(positions, bands)
