"""Levels of known sources in the left and the right ear of a mix.

A mix is X = Σ g_k(f)·s_k in every ear. In each of `BANDS` bands of the spectrogram least squares on
all sources at once give the gains g_k, and with the energy of the source in the band its energy in
the ear. Sources that sound at once are told apart, unless they are the same signal.
"""

import math
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

BANDS = 24
SIZE, STEP = 2048, 512  # of the spectrogram
RIDGE = 1e-6  # of the loudest source, for bands in which another one is silent
SILENCE = 1e-20


def ear_levels(
    stereo: Float[Tensor, "2 frames"], sources: Float[Tensor, "sources frames"]
) -> list[float]:
    """Level of left over right of every source in dB; NaN for a silent one.

    Args:
        stereo: a mix.
        sources: its sources, at any level.
    """
    parts, ears = _spectrogram(sources), _spectrogram(stereo)
    energies = torch.zeros(len(sources), 2, dtype=torch.float64)
    edges = np.unique(np.round(np.geomspace(3, parts.shape[1], BANDS + 1)).astype(int))
    for low, high in pairwise(edges.tolist()):
        own, heard = parts[:, low:high].flatten(1), ears[:, low:high].flatten(1)
        moments = own.conj() @ own.T
        power = moments.diagonal().real
        moments += (RIDGE * power.max() + SILENCE) * torch.eye(len(sources))
        gains = torch.linalg.solve(moments, own.conj() @ heard.T).real
        energies += gains.square() * power[:, None]
    return [
        10 * math.log10(max(left, SILENCE) / max(right, SILENCE))
        if left + right > SILENCE
        else math.nan
        for left, right in energies.tolist()
    ]


def _spectrogram(signals: Float[Tensor, "signals frames"]) -> Complex[Tensor, "signals bins _"]:
    window = torch.hann_window(SIZE)
    return torch.stft(signals.float(), SIZE, STEP, window=window, return_complex=True).to(
        torch.complex128
    )
