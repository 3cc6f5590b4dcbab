"""The side as a picture: two real numbers for each tile of a band and a frame, for diffusion.

With the gains S = α·M + β·D of `prediction.py`, where D has the energy of M and nothing else in
common with it, a tile is told by how loud its side is beside its mid, and by how much of that side
is the mid's own, left of the centre above 0 and right of it below:

    level = ln √(α² + β²),    direction = α/√(α² + β²)

The two are what one hears apart, as width and as place. Both are brought near zero mean and unit
deviation. Mirrored, left for right, direction changes its sign and level stays.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo.parameters import Parameters
from soundstage.stereo.prediction import MAX_SIDE_GAIN, gains_parameters, prediction_gains

PICTURES = ("level", "direction")
QUIETEST_SIDE = 0.018  # of the mid, in amplitude: below −35 dB a side is not heard
_MEAN = torch.tensor([-0.8, 0.0])[:, None, None]
_DEVIATION = torch.tensor([1.0, 0.5])[:, None, None]


def side_picture(parameters: Parameters) -> Float[Tensor, "*batch 2 bands frames"]:
    """Level and direction of every tile, near zero mean and unit deviation."""
    alpha, beta = prediction_gains(*parameters)
    side = (alpha.square() + beta.square()).sqrt()
    heard = side.clamp(min=QUIETEST_SIDE)
    return (torch.stack([heard.log(), alpha / heard], dim=-3) - _MEAN) / _DEVIATION


def picture_parameters(picture: Float[Tensor, "*batch 2 bands frames"]) -> Parameters:
    """The way back; what no side can have is brought to the nearest that one can."""
    level, direction = (picture * _DEVIATION + _MEAN).unbind(dim=-3)
    side = level.exp().clamp(QUIETEST_SIDE, MAX_SIDE_GAIN)
    direction = direction.clamp(-1, 1)
    return gains_parameters(side * direction, side * (1 - direction.square()).sqrt())
