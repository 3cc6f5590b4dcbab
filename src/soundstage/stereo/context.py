"""The memory of what was placed: the last minute, summed up in stretches of a few frames.

Parametric stereo hears a few seconds, and an instrument that rests for longer may come back at the
other side (Serrà et al. 2023, §6). So a network is also told of stretches before what it hears: the
mean of the levels, of the level differences and of the coherences of each. Where a sound like this
one was placed can be looked up there.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.networks.models.stereo_regression import CENTER, SPREAD
from soundstage.stereo.features import FEATURES, parameter_features
from soundstage.stereo.levels import LEVELS
from soundstage.stereo.parameters import Parameters

STRETCHES = 64
STRETCH_FRAMES = 32  # 0.74 s; 64 of them are 48 s
NUMBERS = LEVELS + FEATURES  # in the vector of a stretch


def memory_vectors(
    levels: Float[Tensor, "frames levels"],
    parameters: Parameters,
    frames: int = STRETCH_FRAMES,
) -> Float[Tensor, "stretches numbers"]:
    """One vector for each of the last `STRETCHES` whole stretches, the latest last.

    Args:
        levels: of the mid, in dB, up to the present.
        parameters: (bands, frames), of the same frames.
        frames: in a stretch.

    Rows that nothing is known of, the first ones, are NaN.
    """
    count = min(len(levels) // frames, STRETCHES)
    vectors = torch.full((STRETCHES, NUMBERS), math.nan)
    if count:
        heard = (levels[-count * frames :] - CENTER) / SPREAD
        placed = parameter_features(parameters)[:, -count * frames :].T
        whole = torch.cat([heard, placed], dim=1)
        vectors[STRETCHES - count :] = whole.unflatten(0, (count, frames)).mean(dim=1)
    return vectors
