"""Descriptors of a stereo stage: width, balance, diffuseness and offset.

With S = α·M + β·D in every band (`prediction.py`), D a decorrelated M of equal energy, and e the
energy of the mid in a band and frame:

    width          2·√(Σ e·(α² + β²) / Σ e) = 2·rms(S)/rms(M): 0 is mono, 2 is two uncorrelated
                   channels
    width_low      the same over the bands below 250 Hz
    width_mid      over 250 Hz to 4 kHz
    width_high     over those above
    balance        10·log10(Σ e·((1 + α)² + β²) / Σ e·((1 − α)² + β²)) dB, left over right
    diffuseness    Σ e·β² / Σ e·(α² + β²): the share of the side without a direction, 0 to 1
    offset         √(Σ e·α² / Σ e) over 250 Hz to 4 kHz, the range of voices and leads: their
                   distance from the center, 0 to 1 for one source hard left or right

They can be measured on any stereo sound, and requested from the generative methods
(`upmixing/generative/style.py`).
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo.encoding import BAND_EDGES, BANDS, RATE, TRANSFORM, Parameters
from soundstage.stereo.prediction import prediction_gains

DESCRIPTORS = (
    "width",
    "width_low",
    "width_mid",
    "width_high",
    "balance",
    "diffuseness",
    "offset",
)
LOW_HZ, HIGH_HZ = 250.0, 4_000.0  # borders of the three regions
MAX_BALANCE_DB = 20.0
_TINY = 1e-9
_CENTERS = [(low + high) / 2 * RATE / TRANSFORM.frame for low, high in pairwise(BAND_EDGES)]
REGIONS = torch.tensor(
    [
        [center < LOW_HZ for center in _CENTERS],
        [LOW_HZ <= center <= HIGH_HZ for center in _CENTERS],
        [center > HIGH_HZ for center in _CENTERS],
    ]
).float()  # membership of the bands in the low, mid and high regions


def descriptors(
    parameters: Parameters, energy: Float[Tensor, "*batch bands frames"]
) -> Float[Tensor, "*batch descriptors"]:
    """The `DESCRIPTORS`, in their order, over all frames.

    Args:
        parameters: of the stereo sound.
        energy: of its mid in the same bands and frames, in any unit.

    Returns:
        Their values; a stage without a side has a diffuseness of 0, a silent one has 0 everywhere.
    """
    alpha, beta = prediction_gains(*parameters)
    sums = (energy, energy * alpha, energy * alpha.square(), energy * beta.square())
    return descriptors_of_sums(*(each.sum(dim=-1) for each in sums))


def descriptors_of_sums(
    mid: Float[Tensor, "*batch bands"],
    in_phase: Float[Tensor, "*batch bands"],
    direct: Float[Tensor, "*batch bands"],
    diffuse: Float[Tensor, "*batch bands"],
) -> Float[Tensor, "*batch descriptors"]:
    """The same from sums over time of e, e·α, e·α² and e·β² in every band."""
    regions = torch.cat([torch.ones(1, BANDS), REGIONS]).to(mid)
    of_mid, of_side = mid @ regions.T, (direct + diffuse) @ regions.T
    widths = 2 * (of_side / of_mid.clamp(min=_TINY)).sqrt()
    both, apart = of_mid[..., 0] + of_side[..., 0], 2 * in_phase.sum(dim=-1)
    levels = ((both + apart).clamp(min=0) + _TINY) / ((both - apart).clamp(min=0) + _TINY)
    balance = (10 * levels.log10()).clamp(-MAX_BALANCE_DB, MAX_BALANCE_DB)
    diffuseness = diffuse.sum(dim=-1) / of_side[..., 0].clamp(min=_TINY)
    offset = (direct @ REGIONS[1].to(mid) / of_mid[..., 2].clamp(min=_TINY)).sqrt()
    return torch.cat([widths, torch.stack([balance, diffuseness, offset], dim=-1)], dim=-1)
