"""Measures over parametric stereo: the Fréchet distance D_F and wobble.

A frame is 68 numbers: 34 level differences, clipped to ±20 dB and times λ = 0.15, and 34
coherences (Serrà et al. 2023, Eq. 3 and §4.2; that D_F uses this weighting is what reproduces the
paper's scale: mono music 20.89 there, 21.0 over a mixed pool here). Frames of all excerpts are
pooled, and pools compared as Gaussians:

    D_F = ‖μ₁ − μ₂‖² + Tr(Σ₁ + Σ₂ − 2·(Σ₁Σ₂)^½)
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo import BANDS, Parameters

IID_LIMIT_DB = 20.0  # ε: beyond this the ear hears one side only
IID_WEIGHT = 0.15  # λ: makes decibels comparable with coherence


def parameter_features(parameters: Parameters) -> Float[Tensor, "features frames"]:
    """The 68 weighted numbers of every frame."""
    iid = IID_WEIGHT * parameters.iid.clamp(-IID_LIMIT_DB, IID_LIMIT_DB)
    return torch.cat([iid, parameters.coherence], dim=-2)


class FramePool:
    """Mean and covariance of the frames of many excerpts, gathered one excerpt at a time."""

    def __init__(self) -> None:
        size = 2 * BANDS
        self.frames = 0
        self._sum = torch.zeros(size, dtype=torch.float64)
        self._products = torch.zeros(size, size, dtype=torch.float64)

    def add(self, parameters: Parameters) -> None:
        """Count in the frames of an excerpt, (bands, frames)."""
        features = parameter_features(parameters).double()
        self.frames += features.shape[1]
        self._sum += features.sum(dim=1)
        self._products += features @ features.T

    def merge(self, other: "FramePool") -> None:
        """Count in all frames of another pool."""
        self.frames += other.frames
        self._sum += other._sum
        self._products += other._products

    def mean(self) -> np.ndarray:
        """(68,), once a frame was added."""
        return (self._sum / self.frames).numpy()

    def covariance(self) -> np.ndarray:
        """(68, 68), unbiased; needs two frames."""
        mean = self._sum / self.frames
        scatter = self._products - self.frames * torch.outer(mean, mean)
        return (scatter / (self.frames - 1)).numpy()


def frechet_distance(one: FramePool, other: FramePool) -> float:
    """D_F between two pools; 0 for equal ones, no unit, lower is nearer.

    Raises:
        ValueError: a pool has fewer than two frames.
    """
    if min(one.frames, other.frames) < 2:
        raise ValueError("a pool needs at least two frames")
    first, second = one.covariance(), other.covariance()
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    cross = np.linalg.eigvalsh(root @ second @ root)  # the eigenvalues of Σ₁Σ₂, real this way
    shift = one.mean() - other.mean()
    spread = np.trace(first) + np.trace(second) - 2 * np.sqrt(cross.clip(min=0)).sum()
    return float(shift @ shift + spread)


def wobble(iid: Float[Tensor, "bands frames"]) -> float:
    """Mean absolute change of the clipped level difference from frame to frame, in dB.

    Ours: a predictor that is right frame by frame and wrong in time shows up here. True stereo
    music has about 1.6 dB; 0 for one frame or none.
    """
    if iid.shape[-1] < 2:
        return 0.0
    return iid.clamp(-IID_LIMIT_DB, IID_LIMIT_DB).diff(dim=-1).abs().mean().item()
