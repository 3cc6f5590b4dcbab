"""Side parameters: level and direction of the side per tile, as the diffusion model's data.

With the gains S = α·M + β·D of `prediction.py`, where D has the energy of M and is uncorrelated
with it, a tile (a band in a frame) is described by the level of its side relative to its mid and by
the share of the mid in that side, positive to the left of the center and negative to the right:

    level = ln √(α² + β²),    direction = α/√(α² + β²)

The two are perceived separately, as width and as position. Both are normalized to near unit
deviation, and to near zero mean in every band, so that the noise carries no information on the
side. Swapping left and right negates the direction and keeps the level.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo.encoding import Parameters
from soundstage.stereo.prediction import MAX_SIDE_GAIN, parameters_from_gains, prediction_gains

SIDE_PARAMETERS = ("level", "direction")
MIN_SIDE_GAIN = 0.018  # amplitude relative to the mid: below −35 dB a side is inaudible
# Mean level of music by bands, including low-passed sides of lossy recordings
MEAN_LEVEL = (
    -0.89, -1.12, -0.90, -0.73, -0.66, -0.59, -0.55, -0.49, -0.48,
    -0.48, -0.47, -0.48, -0.52, -0.58, -0.64, -0.67, -0.71, -0.72,
    -0.74, -0.74, -0.77, -0.80, -0.84, -0.98, -1.25, -1.49, -1.69,
    -1.78, -1.86, -1.95, -2.15, -2.54, -3.04, -3.53,
)  # fmt: skip
_MEAN = torch.tensor([MEAN_LEVEL, (0.0,) * len(MEAN_LEVEL)]).float()[:, :, None]
_DEVIATION = torch.tensor([1.0, 0.5]).float()[:, None, None]


def to_side_parameters(parameters: Parameters) -> Float[Tensor, "*batch 2 bands frames"]:
    """Normalized level and direction of every tile."""
    alpha, beta = prediction_gains(*parameters)
    side = (alpha.square() + beta.square()).sqrt()
    audible = side.clamp(min=MIN_SIDE_GAIN)
    return (torch.stack([audible.log(), alpha / audible], dim=-3) - _MEAN) / _DEVIATION


def from_side_parameters(values: Float[Tensor, "*batch 2 bands frames"]) -> Parameters:
    """The inverse of `to_side_parameters`; values beyond the possible range are clipped."""
    level, direction = (values * _DEVIATION + _MEAN).unbind(dim=-3)
    side = level.exp().clamp(MIN_SIDE_GAIN, MAX_SIDE_GAIN)
    direction = direction.clamp(-1, 1)
    return parameters_from_gains(side * direction, side * (1 - direction.square()).sqrt())


def add_side_gain(
    values: Float[Tensor, "*batch 2 bands frames"], decibels: float
) -> Float[Tensor, "*batch 2 bands frames"]:
    """The same side with a gain in dB."""
    level = math.log(10) / 20 * decibels
    return values + torch.tensor([level, 0.0])[:, None, None] / _DEVIATION
