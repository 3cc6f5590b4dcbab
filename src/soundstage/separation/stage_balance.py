"""Balance of a stage: neither the mix nor a band of it may be clearly louder on one side.

Source k with energy E and pan p has energy E·(1 + a)² in the left channel and E·(1 − a)² in the
right one, a = tanh(p·ln 10/40). The sums over all sources may differ by 1.4 dB, and in each of
seven bands (after Perez-Gonzalez & Reiss 2010) by 3.1 dB. Where they differ by more, the sources of
the louder side move towards the center, never further out: p is multiplied by t^w, with w the
energy of the source in the band over the largest on that side, and the largest t from 0 to 1 that
is enough.

The paper has 1.4 dB for every band. In real music the worst band leans by 3 dB and more in one
recording of four, and the whole by 1.6 dB in one of ten (docs/placement.md); a limit of 1.4 dB for
every band costs a fifth of the spread of a stage.
"""

import math

import numpy as np
from jaxtyping import Float

BALANCE_EDGES = (0.0, 180.0, 360.0, 750.0, 1_650.0, 3_650.0, 7_750.0, 16_000.0)
"""Borders of the bands in Hz: those of the paper, and the lowest in three, about octaves, since the
bass would outweigh all else in it."""
MAX_IMBALANCE_DB = 1.4  # level of left over right of the mix
MAX_BAND_IMBALANCE_DB = 3.1  # of a band
TOLERANCE_DB = 0.01  # where the search ends, so that rounding starts no further round
MAX_ROUNDS = 40  # over all bands; a correction of one band can unbalance another
HALVINGS = 20  # of an interval in a search

Array = np.ndarray


def pan_gain(pan_db: float) -> float:
    """Gain a of a source in the side, for a level of left over right in dB.

    Linear law: L = (1 + a)·s, R = (1 − a)·s. The mono sum is exact, which sin/cos panning loses.

    >>> round(pan_gain(12.0), 2), pan_gain(0.0)
    (0.6, 0.0)
    """
    return math.tanh(pan_db * math.log(10) / 40)


def band_energies(
    power: Float[Array, "sources bins"], frequencies: Float[Array, " bins"]
) -> Float[Array, "sources bands"]:
    """Energy of each source in the bands of `BALANCE_EDGES`, for `balanced`.

    Args:
        power: of each bin, summed over the song.
        frequencies: of the bins, in Hz.
    """
    band = np.searchsorted(BALANCE_EDGES, frequencies, side="right") - 1
    count = len(BALANCE_EDGES) - 1
    is_member = band[:, None] == np.arange(count)
    return np.asarray(power, dtype=float) @ is_member


def imbalance(
    pans_db: Float[Array, " sources"], energies: Float[Array, "sources bands"]
) -> Float[Array, " bands"]:
    """Level of left over right in each band, in dB; 0 in a silent band."""
    gains = np.tanh(pans_db * math.log(10) / 40)[:, None]
    left = ((1 + gains) ** 2 * energies).sum(axis=0)
    right = ((1 - gains) ** 2 * energies).sum(axis=0)
    is_silent = left + right <= 0
    return np.asarray(
        10 * np.log10(np.where(is_silent, 1, left) / np.where(is_silent, 1, right)), dtype=float
    )


def balanced(
    pans_db: Float[Array, " sources"], energies: Float[Array, "sources bands"]
) -> Float[Array, " sources"]:
    """The pans moved inwards until the mix and every band are balanced.

    Args:
        pans_db: level of left over right, in dB.
        energies: of all sources of the song, in any unit; a single band is the whole mix.
    """
    pans = np.asarray(pans_db, dtype=float)
    whole = np.asarray(energies, dtype=float).sum(axis=1, keepdims=True)
    energies = np.concatenate([whole, energies], axis=1)
    limits = np.full(energies.shape[1], MAX_BAND_IMBALANCE_DB)
    limits[0] = MAX_IMBALANCE_DB
    is_audible = energies.sum(axis=0) > 1e-9 * whole.sum()  # rounding is no sound
    energies, limits = energies[:, is_audible], limits[is_audible]
    for _ in range(MAX_ROUNDS):
        excess = imbalance(pans, energies)
        excess = np.sign(excess) * (np.abs(excess) - limits).clip(min=0)
        if not (np.abs(excess) > TOLERANCE_DB).any():
            return pans
        worst = int(np.abs(excess).argmax())
        pans = _corrected(pans, energies[:, worst], math.copysign(1, excess[worst]), limits[worst])
    return _scaled(pans, energies, limits)


def _corrected(
    pans: Float[Array, " sources"], energy: Float[Array, " sources"], sign: float, limit: float
) -> Float[Array, " sources"]:
    """One band balanced, by the sources of its louder side (+1 left, −1 right)."""
    is_outer = (sign * pans > 0) & (energy > 0)
    weights = np.where(is_outer, energy, 0) / energy[is_outer].max()

    def moved(t: float) -> Float[Array, " sources"]:
        return np.where(is_outer, pans * t**weights, pans)

    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        level = sign * float(imbalance(moved(middle), energy[:, None])[0])
        low, high = (middle, high) if level <= limit else (low, middle)
    return moved(low)


def _scaled(
    pans: Float[Array, " sources"],
    energies: Float[Array, "sources bands"],
    limits: Float[Array, " bands"],
) -> Float[Array, " sources"]:
    """All pans multiplied by one factor that balances all bands."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if (np.abs(imbalance(middle * pans, energies)) > limits).any():
            high = middle
        else:
            low = middle
    return low * pans
