"""From one value a band to one value a bin, without steps at the borders.

A gain that jumps at a band's border rings in time; one that is interpolated over whole bands no
longer has the band's value anywhere. Between the two, each border is a straight ramp half as wide
as the narrower of its two bands. The row `coder` of `make benchmark` says how well the parameters
survive that.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo.parameters import BAND_EDGES, BANDS, TRANSFORM

RAMP = 0.5  # of the narrower of two neighboring bands


def _spreading_matrix() -> Float[Tensor, "bins bands"]:
    bins = torch.arange(TRANSFORM.bins).float()
    edges = torch.as_tensor(BAND_EDGES).float()
    widths = edges.diff()
    ramps = RAMP * torch.minimum(widths[1:], widths[:-1])
    # passed[k]: how far each bin lies past the border below band k, from 0 to 1
    passed = torch.ones(BANDS + 1, TRANSFORM.bins)
    passed[1:-1] = ((bins - (edges[1:-1, None] - 0.5)) / ramps[:, None] + 0.5).clamp(0, 1)
    passed[-1] = 0
    return (passed[:-1] - passed[1:]).T.contiguous()


SPREADING = _spreading_matrix()  # rows sum to 1


def spread(values: Float[Tensor, "*batch bands frames"]) -> Float[Tensor, "*batch bins frames"]:
    """A value for every bin from a value for every band."""
    return SPREADING @ values
