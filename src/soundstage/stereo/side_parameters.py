"""The side as a picture: two real numbers for each tile of a band and a frame, for diffusion.

With the gains S = α·M + β·D of `prediction.py`, where D has the energy of M and nothing else in
common with it, a tile is told by how loud its side is beside its mid, and by how much of that side
is the mid's own, left of the center above 0 and right of it below:

    level = ln √(α² + β²),    direction = α/√(α² + β²)

The two are what one hears apart, as width and as place. Both are brought near unit deviation, and
near zero mean in every band, so that noise says nothing of the side. Mirrored, left for right,
direction changes its sign and level stays.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo.parameters import Parameters
from soundstage.stereo.prediction import MAX_SIDE_GAIN, gains_parameters, prediction_gains

PICTURES = ("level", "direction")
QUIETEST_SIDE = 0.018  # of the mid, in amplitude: below −35 dB a side is not heard
# Of the level in music, by bands; the low-passed sides of lossy records included
MEAN_LEVEL = (
    -0.89, -1.12, -0.90, -0.73, -0.66, -0.59, -0.55, -0.49, -0.48,
    -0.48, -0.47, -0.48, -0.52, -0.58, -0.64, -0.67, -0.71, -0.72,
    -0.74, -0.74, -0.77, -0.80, -0.84, -0.98, -1.25, -1.49, -1.69,
    -1.78, -1.86, -1.95, -2.15, -2.54, -3.04, -3.53,
)  # fmt: skip
_MEAN = torch.tensor([MEAN_LEVEL, (0.0,) * len(MEAN_LEVEL)])[:, :, None]
_DEVIATION = torch.tensor([1.0, 0.5])[:, None, None]


def side_picture(parameters: Parameters) -> Float[Tensor, "*batch 2 bands frames"]:
    """Level and direction of every tile, near zero mean and unit deviation."""
    alpha, beta = prediction_gains(*parameters)
    side = (alpha.square() + beta.square()).sqrt()
    heard = side.clamp(min=QUIETEST_SIDE)
    return (torch.stack([heard.log(), alpha / heard], dim=-3) - _MEAN) / _DEVIATION


def louder(
    picture: Float[Tensor, "*batch 2 bands frames"], decibels: float
) -> Float[Tensor, "*batch 2 bands frames"]:
    """The same side with another gain."""
    level = math.log(10) / 20 * decibels
    return picture + torch.tensor([level, 0.0])[:, None, None] / _DEVIATION


def picture_parameters(picture: Float[Tensor, "*batch 2 bands frames"]) -> Parameters:
    """The way back; what no side can have is brought to the nearest that one can."""
    level, direction = (picture * _DEVIATION + _MEAN).unbind(dim=-3)
    side = level.exp().clamp(QUIETEST_SIDE, MAX_SIDE_GAIN)
    direction = direction.clamp(-1, 1)
    return gains_parameters(side * direction, side * (1 - direction.square()).sqrt())
