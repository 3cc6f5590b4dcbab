"""How wide every band is: the energy of the side over that of the mid.

    balance = 10·lg(SS / MM),    SS and MM summed over a band of the coder and over the whole signal

Ours. One number for the width of a whole signal is mostly that of its bass; this one also sees a
method that puts all of its side into the treble, as plain decorrelators do.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from soundstage.stereo import TRANSFORM, band_sums, to_mid_side

LOWEST_DB, HIGHEST_DB = -40.0, 20.0  # narrower is heard as mono, wider as opposite channels
EMPTY_SHARE = 1e-9  # of the energy of mid and side; 90 dB under the whole a band has no width


def side_balance(stereo: Float[Tensor, "*batch 2 frames"]) -> Float[Tensor, "*batch bands"]:
    """Side over mid in dB in each of the 34 bands; `stereo` is left and right at 44.1 kHz.

    Limited to −40 (mono) … +20 dB (opposite channels); 0 dB is what independent channels of any
    level have. NaN in bands that hold less than a 1e-9 share of the energy, all of them in silence.
    """
    balance, held = _measured(stereo)
    return balance.where(held, torch.nan)


def side_balance_error(
    stereo: Float[Tensor, "*batch 2 frames"], truth: Float[Tensor, "*batch 2 frames"]
) -> Float[Tensor, "*batch"]:
    """Mean absolute difference of the side balance in dB, 0 to 60, over the bands of the truth.

    A band counts where the truth has energy; a result that has none there counts as mono. Bands
    count alike: weighted by energy the bass would decide nearly alone, and it is the middle and
    the treble that place things for the ear. NaN for a silent truth.
    """
    made, _ = _measured(stereo)
    wanted, held = _measured(truth)
    return (made - wanted).abs().where(held, torch.nan).nanmean(dim=-1)


def _measured(
    stereo: Float[Tensor, "*batch 2 frames"],
) -> tuple[Float[Tensor, "*batch bands"], Bool[Tensor, "*batch bands"]]:
    """Limited balance of every band, and whether the band holds energy; 0/0 counts as mono."""
    mid, side = (_band_energies(x) for x in to_mid_side(*stereo.unbind(dim=-2)))
    balance = 10 * torch.log10(side / mid)
    balance = balance.where(side > 0, LOWEST_DB).clamp(LOWEST_DB, HIGHEST_DB)
    both = mid + side
    return balance, (both > 0) & (both >= EMPTY_SHARE * both.sum(dim=-1, keepdim=True))


def _band_energies(signal: Float[Tensor, "*batch frames"]) -> Float[Tensor, "*batch bands"]:
    spectrum = TRANSFORM.analyze(signal.float())
    power = spectrum.real.square() + spectrum.imag.square()
    return band_sums(power.double().sum(dim=-1, keepdim=True).float()).squeeze(-1).double()
