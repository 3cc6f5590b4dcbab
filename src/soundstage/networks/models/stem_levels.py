"""The input of `StemUNet`: band levels of a segment relative to its mean power."""

import torch
from jaxtyping import Float
from torch import Tensor

RANGE_DB = 80.0  # below the mean power of the segment; what is weaker counts as silence
LEVEL_DB, SPREAD_DB = -35.0, 20.0  # about mean and deviation of a band of music
SILENCE = 1e-6
SILENT_LEVEL = (-RANGE_DB - LEVEL_DB) / SPREAD_DB
"""The normalized level of silence."""


def normalized_levels(
    powers: Float[Tensor, "*batch bands frames"],
) -> Float[Tensor, "*batch bands frames"]:
    """Levels of about zero mean and unit deviation, the same for any gain.

    Args:
        powers: of the bands.
    """
    mean = powers.sum(dim=-2).mean(dim=-1)[..., None, None] + SILENCE
    levels = 10 * torch.log10((powers + SILENCE) / mean)
    return (levels.clamp(min=-RANGE_DB) - LEVEL_DB) / SPREAD_DB
