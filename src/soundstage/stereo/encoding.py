"""Parametric stereo encoding: level difference and coherence per band and frame, and their tokens.

    IID = 10·log10(⟨L, L⟩ / ⟨R, R⟩)        IC = Re⟨L, R⟩ / √(⟨L, L⟩·⟨R, R⟩)

where ⟨X, Y⟩ sums X·Y* over the bins of a band (Breebaart et al. 2005; Serrà et al. 2023, §2.1). IC
keeps the sign that the absolute value would lose: out-of-phase channels have a negative one.

Tokens are the nearest of 31 level differences and 8 coherences (Breebaart et al. 2005, Tables 2 and
3), which are finest where hearing is: near the center, and near full coherence. A token is
8·q_IID + q_IC, below 248 and so one byte (Serrà et al. 2023, §2.1).
"""

from typing import NamedTuple

import torch
from jaxtyping import Complex, Float, Integer, UInt8
from torch import Tensor

from soundstage.spectra import STFT, erb_band_edges

RATE = 44_100  # Hz; of the coder, whatever the rate of the file
BANDS = 34
TRANSFORM = STFT(frame=4096, hop=1024)
FRAME_RATE = RATE / TRANSFORM.hop  # 43.1 frames a second
BAND_EDGES = erb_band_edges(BANDS, TRANSFORM.frame, RATE)

# Added to every energy, so that silence has IID 0 and IC 1. A sine at full scale has 1e6.
SILENCE = 1e-6

RAMP = 0.5  # of the narrower of two neighboring bands

_POSITIVE_IID = [2, 4, 6, 8, 10, 13, 16, 19, 22, 25, 30, 35, 40, 45, 50]  # dB
IID_STEPS = torch.tensor([-s for s in reversed(_POSITIVE_IID)] + [0] + _POSITIVE_IID).float()
IC_STEPS = torch.tensor([1, 0.937, 0.84118, 0.60092, 0.36764, 0, -0.589, -1]).float()
TOKENS = len(IID_STEPS) * len(IC_STEPS)


class Parameters(NamedTuple):
    """The parameters that parametric stereo transmits beside the mid."""

    iid: Float[Tensor, "*batch bands frames"]
    """Level of left over right, in dB."""
    coherence: Float[Tensor, "*batch bands frames"]
    """Real part of the normalized cross-spectrum, from −1 to 1."""


def encode(
    left: Complex[Tensor, "*batch bins frames"], right: Complex[Tensor, "*batch bins frames"]
) -> Parameters:
    """Parameters of a stereo spectrogram made by `TRANSFORM` at `RATE`.

    >>> left = torch.ones(2049, 1, dtype=torch.complex64)
    >>> iid, coherence = encode(left, -0.5 * left)
    >>> round(iid[0, 0].item(), 2), round(coherence[0, 0].item(), 3)
    (6.02, -1.0)
    """
    left_energy, right_energy = band_energy(left), band_energy(right)
    iid = 10 * torch.log10(left_energy / right_energy)
    both = torch.sqrt(left_energy * right_energy)
    return Parameters(iid, ((cross_energy(left, right) + SILENCE) / both).clamp(-1, 1))


def encode_signal(stereo: Float[Tensor, "2 length"]) -> Parameters:
    """Parameters of left and right samples at `RATE`."""
    left, right = TRANSFORM.analyze(stereo)
    return encode(left, right)


def quantize(parameters: Parameters) -> UInt8[Tensor, "*batch bands frames"]:
    """Tokens of the nearest steps."""
    iid = nearest_step(parameters.iid, IID_STEPS)
    coherence = nearest_step(parameters.coherence, IC_STEPS)
    return (len(IC_STEPS) * iid + coherence).to(torch.uint8)


def dequantize(tokens: Integer[Tensor, "*batch bands frames"]) -> Parameters:
    """Parameters of tokens.

    >>> dequantize(torch.tensor([[8 * 15 + 0, 8 * 16 + 5]]))[0].tolist()    # the center, then 2 dB
    [[0.0, 2.0]]
    """
    whole = tokens.long()
    return Parameters(IID_STEPS[whole // len(IC_STEPS)], IC_STEPS[whole % len(IC_STEPS)])


def nearest_step(
    values: Float[Tensor, "*shape"], steps: Float[Tensor, " count"]
) -> Integer[Tensor, "*shape"]:
    """Index of the step nearest to each value; a tie goes to the lower step."""
    ordered, order = steps.sort()
    return order[torch.bucketize(values.contiguous(), (ordered[1:] + ordered[:-1]) / 2)]


def _membership() -> Float[Tensor, "bands bins"]:
    bins = torch.arange(TRANSFORM.bins)
    edges = torch.as_tensor(BAND_EDGES)
    return ((bins >= edges[:-1, None]) & (bins < edges[1:, None])).float()


BAND_OF_BIN = _membership()  # B of the paper: ones where a bin belongs to a band


def band_sums(values: Float[Tensor, "*batch bins frames"]) -> Float[Tensor, "*batch bands frames"]:
    """Sum of `values` over the bins of every band."""
    return BAND_OF_BIN @ values


def band_energy(
    spectrogram: Complex[Tensor, "*batch bins frames"],
) -> Float[Tensor, "*batch bands frames"]:
    """⟨X, X⟩ per band, never quite zero."""
    return band_sums(spectrogram.real.square() + spectrogram.imag.square()) + SILENCE


def cross_energy(
    one: Complex[Tensor, "*batch bins frames"], other: Complex[Tensor, "*batch bins frames"]
) -> Float[Tensor, "*batch bands frames"]:
    """Re⟨X, Y⟩ per band."""
    return band_sums(one.real * other.real + one.imag * other.imag)


def _spreading_matrix() -> Float[Tensor, "bins bands"]:
    bins = torch.arange(TRANSFORM.bins).float()
    edges = torch.as_tensor(BAND_EDGES).float()
    widths = edges.diff()
    ramps = RAMP * torch.minimum(widths[1:], widths[:-1])
    # passed[k]: how far each bin lies past the border below band k, from 0 to 1
    passed = torch.ones(BANDS + 1, TRANSFORM.bins, dtype=bins.dtype)
    passed[1:-1] = ((bins - (edges[1:-1, None] - 0.5)) / ramps[:, None] + 0.5).clamp(0, 1)
    passed[-1] = 0
    return (passed[:-1] - passed[1:]).T.contiguous()


SPREADING = _spreading_matrix()  # rows sum to 1


def spread(values: Float[Tensor, "*batch bands frames"]) -> Float[Tensor, "*batch bins frames"]:
    """A gain for every bin from a gain for every band.

    A gain that jumps at a band's border rings in time; one that is interpolated over whole bands
    no longer has the band's value anywhere. In between, each border is a linear ramp half as wide
    as the narrower of its two bands (the row `coder` of `make benchmark` measures the loss).
    """
    return SPREADING @ values
