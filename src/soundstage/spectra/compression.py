"""The compressed spectrum: magnitudes on a logarithmic scale, phases as they are.

    S' = γ·log(1 + |S|)·e^(j∠S)         (DiffStereo, Zhang et al. 2025, eq. 1)
    S  = (e^(|S'|/γ) − 1)·e^(j∠S')

Near zero S' is γ·S. The inverse stretches an error in S' by up to (1 + |S|)/γ, so that what a model
makes should be held to magnitudes that a sound can have before it.
"""

import torch
from jaxtyping import Complex
from torch import Tensor

_NOTHING = torch.finfo(torch.float32).tiny  # stands for a magnitude of 0, whose phase is open


def compress(spectrum: Complex[Tensor, "*shape"], gamma: float) -> Complex[Tensor, "*shape"]:
    """S' of a spectrum.

    Args:
        spectrum: S.
        gamma: γ, above 0.

    >>> abs(compress(torch.tensor([0j, 3 + 4j]), 0.15)).mul(100).round().tolist()
    [0.0, 27.0]
    """
    magnitude = spectrum.abs()
    return spectrum * (gamma * magnitude.log1p() / magnitude.clamp(min=_NOTHING))


def expand(compressed: Complex[Tensor, "*shape"], gamma: float) -> Complex[Tensor, "*shape"]:
    """The spectrum S that `compress` turns into this."""
    magnitude = compressed.abs()
    return compressed * ((magnitude / gamma).expm1() / magnitude.clamp(min=_NOTHING))
