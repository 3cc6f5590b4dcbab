"""Parametric stereo: the level difference and coherence of two channels, a band and a frame.

    IID = 10·log10(⟨L, L⟩ / ⟨R, R⟩)        IC = Re⟨L, R⟩ / √(⟨L, L⟩·⟨R, R⟩)

where ⟨X, Y⟩ sums X·Y* over the bins of a band (Breebaart et al. 2005; Serrà et al. 2023, §2.1). IC
keeps the sign that the absolute value would lose: out-of-phase channels have a negative one.
"""

from typing import NamedTuple

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.spectra import STFT, erb_band_edges

RATE = 44_100  # Hz; the coder works at this rate whatever that of the file
BANDS = 34
TRANSFORM = STFT(frame=4096, hop=1024)
FRAME_RATE = RATE / TRANSFORM.hop  # 43.1 frames a second
BAND_EDGES = erb_band_edges(BANDS, TRANSFORM.frame, RATE)

# Added to every energy, so that silence has IID 0 and IC 1. A sine at full scale has 1e6.
SILENCE = 1e-6


class Parameters(NamedTuple):
    """What parametric stereo transmits beside the mid."""

    iid: Float[Tensor, "*batch bands frames"]
    """Level of left over right, in dB."""
    coherence: Float[Tensor, "*batch bands frames"]
    """Real part of the normalized cross-spectrum, from −1 to 1."""


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
    """⟨X, X⟩ a band, never quite zero."""
    return band_sums(spectrogram.real.square() + spectrogram.imag.square()) + SILENCE


def cross_energy(
    one: Complex[Tensor, "*batch bins frames"], other: Complex[Tensor, "*batch bins frames"]
) -> Float[Tensor, "*batch bands frames"]:
    """Re⟨X, Y⟩ a band."""
    return band_sums(one.real * other.real + one.imag * other.imag)


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
