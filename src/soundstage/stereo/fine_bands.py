"""Narrow bands of the coder's spectrogram, in which sources are told apart.

The 34 bands of the stereo parameters are about as wide as the critical bands of hearing, wider than
the distance of the partials of two instruments. These 160 are single bins of 10.8 Hz up to 400 Hz,
and then 1/21 of an octave wide.
"""

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.stereo.encoding import SILENCE, TRANSFORM

FINE_BANDS = 160
SINGLE_BINS = 37  # the lowest bands; a geometric series of 123 more has no narrower band
_RATIO = (TRANSFORM.bins / SINGLE_BINS) ** (1 / (FINE_BANDS - SINGLE_BINS))
FINE_EDGES = np.round(
    [*range(SINGLE_BINS), *(SINGLE_BINS * _RATIO ** np.arange(FINE_BANDS - SINGLE_BINS + 1))]
).astype(int)
"""First bin of every band and, last, one past the bin of the Nyquist frequency."""
WIDTHS = torch.from_numpy(np.diff(FINE_EDGES))
"""Bins of every band."""


def fine_powers(
    spectrogram: Complex[Tensor, "*batch bins frames"],
) -> Float[Tensor, "*batch bands frames"]:
    """Power in every band of a spectrogram made by `TRANSFORM`; a full-scale sine has about 1e6."""
    power = spectrogram.real.square() + spectrogram.imag.square()
    sums = power.new_zeros(*power.shape[:-2], FINE_BANDS, power.shape[-1])
    index = torch.arange(FINE_BANDS).repeat_interleave(WIDTHS)
    return sums.index_add_(-2, index, power)


def fine_levels(powers: Float[Tensor, "*batch bands frames"]) -> Float[Tensor, "..."]:
    """Levels in dB; digital silence has −60."""
    return 10 * torch.log10(powers + SILENCE)


def to_bins(values: Float[Tensor, "*batch bands frames"]) -> Float[Tensor, "*batch bins frames"]:
    """Values of the bands at every bin; linear between the centers of wide bands."""
    left, share = _INTERPOLATION
    low = values.index_select(-2, left)
    high = values.index_select(-2, (left + 1).clamp(max=FINE_BANDS - 1))
    return torch.lerp(low, high, share[:, None].to(values.dtype))


def _interpolation() -> tuple[Tensor, Tensor]:
    """The band with the next lower center, and the share of the one above it, at every bin."""
    centers = (FINE_EDGES[:-1] + FINE_EDGES[1:] - 1) / 2
    places = np.interp(np.arange(TRANSFORM.bins), centers, np.arange(FINE_BANDS))
    left = np.floor(places).astype(int)
    return torch.from_numpy(left), torch.from_numpy(places - left).float()


_INTERPOLATION = _interpolation()
