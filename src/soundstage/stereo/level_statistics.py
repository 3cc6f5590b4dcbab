"""A summary of what a stretch sounds like, from which a little can be told of how it is mixed.

Bright, dense, noisy or percussive music is not mixed like a voice with a guitar. Over groups of
four levels: their mean over time, less that of all (so that no gain matters), their deviation over
time, their mean change from one position to the next, and the mean step to the level above.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.stereo.levels import LEVELS

_GROUP = 4
SUMMARY = 4 * LEVELS // _GROUP


def sound_summary(levels: Float[Tensor, "positions levels"]) -> Float[Tensor, " summary"]:
    """`SUMMARY` numbers in dB; a single position has no deviation and no change.

    Args:
        levels: of the mid, in dB, a position every other frame or so.
    """
    count = len(levels)
    means = levels.mean(dim=0)
    changes = levels.diff(dim=0).abs().sum(dim=0) / max(count - 1, 1)
    steps = F.pad(levels.diff(dim=1).abs().mean(dim=0), (0, 1))
    parts = torch.stack([means - means.mean(), levels.std(dim=0, correction=0), changes, steps])
    return parts.unflatten(1, (-1, _GROUP)).mean(dim=2).flatten()
