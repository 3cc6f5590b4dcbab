"""Stereo parameters as the 68 numbers a frame that models learn and D_F compares.

34 level differences, clipped to ε = ±20 dB and times λ = 0.15, then 34 coherences (Serrà et al.
2023, Eq. 3 and §4.2).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo.parameters import BANDS, Parameters

IID_LIMIT_DB = 20.0  # ε: beyond this the ear hears one side only
IID_WEIGHT = 0.15  # λ: makes decibels comparable with coherence
FEATURES = 2 * BANDS  # numbers in a frame


def parameter_features(
    parameters: Parameters,
) -> Float[Tensor, "*batch features frames"]:
    """The 68 weighted numbers of every frame."""
    iid = IID_WEIGHT * parameters.iid.clamp(-IID_LIMIT_DB, IID_LIMIT_DB)
    return torch.cat([iid, parameters.coherence], dim=-2)


def feature_parameters(features: Float[Tensor, "*batch features frames"]) -> Parameters:
    """The parameters nearest to any 68 numbers a frame: within ±20 dB, and from −1 to 1."""
    iid, coherence = features.split(BANDS, dim=-2)
    limited = (iid / IID_WEIGHT).clamp(-IID_LIMIT_DB, IID_LIMIT_DB)
    return Parameters(limited, coherence.clamp(-1, 1))
