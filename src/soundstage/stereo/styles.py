"""The numbers by which a style is told to a network: descriptors near zero mean and unit deviation.

Widths and the offset go through a logarithm, since twice as wide is one step wherever one starts.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo.descriptors import DESCRIPTORS

_LOGARITHMIC = torch.tensor([name.startswith("width") or name == "offset" for name in DESCRIPTORS])
_SMALLEST = 0.02
# Of stretches of 12 s of real music
_MEAN = torch.tensor([0.0, -0.2, 0.35, -0.4, 0.0, 0.68, -1.6])
_DEVIATION = torch.tensor([0.75, 1.0, 0.6, 0.8, 1.5, 0.12, 0.7])


def style_numbers(
    values: Float[Tensor, "*batch descriptors"],
) -> Float[Tensor, "*batch descriptors"]:
    """Of descriptors in the order of `DESCRIPTORS`; NaN, which asks for nothing, stays."""
    logarithms = values.clamp(min=_SMALLEST).log2()
    return (torch.where(_LOGARITHMIC, logarithms, values) - _MEAN) / _DEVIATION
