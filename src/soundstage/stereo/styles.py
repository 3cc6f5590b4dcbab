"""The numbers by which a style is told to a network, near zero mean and unit deviation.

First those of the descriptors, which can be asked for. Widths and the offset go through a
logarithm, since twice as wide is one step wherever one starts.

Descriptors weigh a tile by its energy, as ears do, and so hardly tell how coherent the many soft
tiles of a mix are, in which records differ as much. `MEANS` therefore follow, in which all tiles
count alike: the coherence and the level difference of low, mid and high bands. They are never asked
for; they are measured in training, and drawn for a take (`style_prior.py`).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.stereo.descriptors import DESCRIPTORS, REGIONS, descriptors
from soundstage.stereo.features import IID_LIMIT_DB
from soundstage.stereo.parameters import Parameters

MEANS = (
    "coherence_low",
    "coherence_mid",
    "coherence_high",
    "difference_low",
    "difference_mid",
    "difference_high",
)
STYLE = (*DESCRIPTORS, *MEANS)
_LOGARITHMIC = torch.tensor([name.startswith("width") or name == "offset" for name in DESCRIPTORS])
_REGION_MEANS = (REGIONS / REGIONS.sum(dim=1, keepdim=True)).T  # of bands
_SMALLEST, _SMALLEST_DB = 0.02, 0.1
# Of stretches of 12 s of real music
_MEAN = torch.tensor([0.0, -0.2, 0.35, -0.4, 0.0, 0.68, -1.6])
_DEVIATION = torch.tensor([0.75, 1.0, 0.6, 0.8, 1.5, 0.12, 0.7])
_MEAN_OF_MEANS = torch.tensor([0.69, 0.74, 0.39, 1.66, 1.47, 0.53])
_DEVIATION_OF_MEANS = torch.tensor([0.18, 0.16, 0.18, 0.61, 0.45, 0.73])


def style_numbers(
    values: Float[Tensor, "*batch descriptors"],
) -> Float[Tensor, "*batch style"]:
    """What asks for descriptors, in the order of `STYLE`; NaN asks for nothing, as `MEANS` do."""
    return F.pad(_of_descriptors(values), (0, len(MEANS)), value=torch.nan)


def style_descriptors(
    numbers: Float[Tensor, "*batch style"],
) -> Float[Tensor, "*batch descriptors"]:
    """The descriptors that numbers ask for, which is the way back; NaN where they do not."""
    told = numbers[..., : len(DESCRIPTORS)] * _DEVIATION + _MEAN
    return torch.where(_LOGARITHMIC, told.exp2(), told)


def measured_style(
    parameters: Parameters, energy: Float[Tensor, "*batch bands frames"]
) -> Float[Tensor, "*batch style"]:
    """All numbers of `STYLE`, of stereo that there is.

    Args:
        parameters: (bands, frames) each.
        energy: of the mid in the same bands and frames, in any unit.
    """
    coherence = parameters.coherence.mean(dim=-1) @ _REGION_MEANS
    difference = (
        parameters.iid.clamp(-IID_LIMIT_DB, IID_LIMIT_DB).abs().mean(dim=-1) @ _REGION_MEANS
    )
    means = torch.cat(
        [
            (1 - coherence).clamp(min=0).sqrt(),  # a root, since many records are near 1
            difference.clamp(min=_SMALLEST_DB).log2(),
        ],
        dim=-1,
    )
    means = (means - _MEAN_OF_MEANS) / _DEVIATION_OF_MEANS
    return torch.cat([_of_descriptors(descriptors(parameters, energy)), means], dim=-1)


def _of_descriptors(values: Tensor) -> Tensor:
    logarithms = values.clamp(min=_SMALLEST).log2()
    return (torch.where(_LOGARITHMIC, logarithms, values) - _MEAN) / _DEVIATION
