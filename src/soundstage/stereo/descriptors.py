"""Descriptors of a stereo stage: a few numbers that say how wide, how even, how diffuse it is.

With S = α·M + β·D in every band (`prediction.py`), D being a decorrelated M of equal energy, and e
the energy of the mid in a band and frame:

    width          2·√(Σ e·(α² + β²) / Σ e), which is 2·rms(S)/rms(M): 0 is mono, 2 is two
                   unrelated channels
    width_low      the same over the bands below 250 Hz
    width_mid      over 250 Hz to 4 kHz
    width_high     over those above
    balance        10·log10(Σ e·((1 + α)² + β²) / Σ e·((1 − α)² + β²)) dB, left over right
    diffuseness    Σ e·β² / Σ e·(α² + β²): the share of the side that has no direction, 0 to 1
    offset         √(Σ e·α² / Σ e) over 250 Hz to 4 kHz, where voices and leads lie: how far off
                   the center things are, 0 to 1 for one source hard at a side

They are measured from any stereo, and asked of the generative methods (`upmixing/generative/style.py`).
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo.parameters import BAND_EDGES, BANDS, RATE, TRANSFORM, Parameters
from soundstage.stereo.prediction import gains_parameters, prediction_gains

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
LARGEST_BALANCE = 20.0  # dB
_NOTHING = 1e-9
_CENTERS = [(low + high) / 2 * RATE / TRANSFORM.frame for low, high in pairwise(BAND_EDGES)]
REGIONS = torch.tensor(
    [
        [center < LOW_HZ for center in _CENTERS],
        [LOW_HZ <= center <= HIGH_HZ for center in _CENTERS],
        [center > HIGH_HZ for center in _CENTERS],
    ]
).float()  # which bands belong to low, mid and high


def descriptors(
    parameters: Parameters, energy: Float[Tensor, "*batch bands frames"]
) -> Float[Tensor, "*batch descriptors"]:
    """The numbers of `DESCRIPTORS`, in their order, over all frames.

    Args:
        parameters: of the stereo.
        energy: of its mid in the same bands and frames, in any unit.

    A stage without a side has a diffuseness of 0; a silent one has 0 everywhere.
    """
    alpha, beta = prediction_gains(*parameters)
    sums = (energy, energy * alpha, energy * alpha.square(), energy * beta.square())
    return descriptors_of_sums(*(each.sum(dim=-1) for each in sums))


def descriptors_of_sums(
    mid: Float[Tensor, "*batch bands"],
    turned: Float[Tensor, "*batch bands"],
    direct: Float[Tensor, "*batch bands"],
    diffuse: Float[Tensor, "*batch bands"],
) -> Float[Tensor, "*batch descriptors"]:
    """The same from sums over time of e, e·α, e·α² and e·β² in every band."""
    regions = torch.cat([torch.ones(1, BANDS), REGIONS]).to(mid)
    of_mid, of_side = mid @ regions.T, (direct + diffuse) @ regions.T
    widths = 2 * (of_side / of_mid.clamp(min=_NOTHING)).sqrt()
    both, apart = of_mid[..., 0] + of_side[..., 0], 2 * turned.sum(dim=-1)
    levels = ((both + apart).clamp(min=0) + _NOTHING) / ((both - apart).clamp(min=0) + _NOTHING)
    balance = (10 * levels.log10()).clamp(-LARGEST_BALANCE, LARGEST_BALANCE)
    diffuseness = diffuse.sum(dim=-1) / of_side[..., 0].clamp(min=_NOTHING)
    offset = (direct @ REGIONS[1].to(mid) / of_mid[..., 2].clamp(min=_NOTHING)).sqrt()
    return torch.cat([widths, torch.stack([balance, diffuseness, offset], dim=-1)], dim=-1)


def restage(
    parameters: Parameters,
    *,
    direct: Float[Tensor, "*batch bands 1"],
    diffuse: Float[Tensor, "*batch bands 1"],
    turn: Float[Tensor, "*batch bands 1"],
) -> Parameters:
    """Parameters of the same mid with another side, α' = `direct`·α + `turn`, β' = `diffuse`·β.

    >>> one = torch.ones(1, 1)
    >>> restage(Parameters(6 * one, one), direct=0 * one, diffuse=one, turn=0 * one)[0].tolist()
    [[0.0]]
    """
    alpha, beta = prediction_gains(*parameters)
    alpha, beta = direct * alpha + turn, diffuse * beta
    return gains_parameters(alpha, beta)
