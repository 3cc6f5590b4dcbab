"""Fréchet distances between two sets of clips: D_F and the Fréchet audio distance.

The feature frames of all clips of a set are pooled and described by a Gaussian N(μ, Σ); then

    d = ‖μ₁ − μ₂‖² + Tr(Σ₁ + Σ₂ − 2·(Σ₁Σ₂)^½)

(Dowson and Landau 1982; Heusel et al. 2017). **D_F** takes the 68 stereo parameters of a frame as
features (Serrà et al. 2023, §4.2), the **Fréchet audio distance** the embedding of a short window
(Kilgour et al. 2019), here separately for mid, side, left and right:

    D_F = frechet_distance(merged(parameter_pool(p) for p in made), merged(… for p in true))
    FAD = frechet_distance(merged(audio_pool(e, x, rate) for x in made), merged(… for x in true))

Levels are not normalized before embedding: a side that is too loud is an error. The side of a mono
signal is digital silence, which has one embedding in every window, hence Σ = 0 and the finite
distance ‖μ₁ − μ₂‖² + Tr Σ₂.

For n clips the distance is biased upwards by a term in 1/n: even two halves of one set have d > 0.
`extrapolated_frechet_distance` fits d over 1/n on random subsets and takes the limit n → ∞ (Chong
and Forsyth 2020; FAD∞, Gui et al. 2024).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.audio.resampling import resample
from soundstage.metrics.catalog import ALL_FOUR
from soundstage.stereo.encoding import Parameters
from soundstage.stereo.features import FEATURES, parameter_features
from soundstage.stereo.mid_side import to_mid_side

if TYPE_CHECKING:
    from soundstage.metrics.embeddings.embedding import Embedding

MIN_CLIPS = 8  # of an extrapolation; the smallest subset then has two
SUBSET_SIZES = 8
DRAWS = 12  # subsets of each size; the whole set counts once
SMALLEST_SUBSET = 0.25  # of the clips


class GaussianPool:
    """Mean and covariance of the feature frames of many clips, accumulated clip by clip.

    Args:
        size: features per frame.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.frames = 0
        self._sum = torch.zeros(size, dtype=torch.float64)
        self._products = torch.zeros(size, size, dtype=torch.float64)

    def add(self, features: Float[Tensor, "size frames"]) -> None:
        """Add the frames of a clip."""
        wide = features.double()
        self.frames += wide.shape[1]
        self._sum += wide.sum(dim=1)
        self._products += wide @ wide.T

    def merge(self, other: "GaussianPool") -> None:
        """Add all frames of another pool.

        Raises:
            ValueError: the pools have different numbers of features.
        """
        _check_same_size(self, other)
        self.frames += other.frames
        self._sum += other._sum
        self._products += other._products

    def mean(self) -> Float[np.ndarray, " size"]:
        """Mean over the frames; needs at least one."""
        return (self._sum / self.frames).numpy()

    def covariance(self) -> Float[np.ndarray, "size size"]:
        """Unbiased covariance; needs at least two frames."""
        mean = self._sum / self.frames
        scatter = self._products - self.frames * torch.outer(mean, mean)
        return (scatter / (self.frames - 1)).numpy()

    def tensors(self) -> dict[str, Tensor]:
        """The state for storage: "frames", "sum" and "products"."""
        return {
            "frames": torch.tensor([self.frames]),
            "sum": self._sum.clone(),
            "products": self._products.clone(),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "GaussianPool":
        """Restore a pool from `tensors()`.

        Raises:
            ValueError: a tensor is missing, or the shapes disagree.
        """
        missing = {"frames", "sum", "products"} - tensors.keys()
        if missing:
            raise ValueError(f"a stored pool lacks {', '.join(sorted(missing))}")
        frames, total, products = (tensors[name] for name in ("frames", "sum", "products"))
        size = total.numel()
        if (frames.shape, total.shape, products.shape) != ((1,), (size,), (size, size)):
            raise ValueError("the tensors of a stored pool have inconsistent shapes")
        pool = cls(size)
        pool.frames = int(frames)
        pool._sum, pool._products = total.double().clone(), products.double().clone()
        return pool


def parameter_pool(parameters: Parameters) -> GaussianPool:
    """Pool of the stereo parameters, (bands, frames), of one clip, for D_F."""
    pool = GaussianPool(FEATURES)
    pool.add(parameter_features(parameters))
    return pool


def audio_pool(embedding: "Embedding", sound: Float[Tensor, " frames"], rate: int) -> GaussianPool:
    """Pool of the embeddings of one mono signal.

    Args:
        embedding: from `load_embedding`.
        sound: samples, full scale 1; resampled to the rate of the embedding if necessary.
        rate: sample rate of the sound in Hz.
    """
    return embedding_pool(_embed(embedding, sound[None], rate)[0])


def signal_pools(
    embedding: "Embedding", stereo: Float[Tensor, "2 frames"], rate: int
) -> dict[str, GaussianPool]:
    """Pools of the embeddings of mid, side, left and right of one clip; see `embed_signals`."""
    embeddings = embed_signals(embedding, stereo, rate)
    return dict(zip(ALL_FOUR, map(embedding_pool, embeddings), strict=True))


def embed_signals(
    embedding: "Embedding", stereo: Float[Tensor, "2 frames"], rate: int
) -> Float[Tensor, "signals windows size"]:
    """Embeddings of mid, side, left and right of one clip, computed in one batch.

    M = (L+R)/2 and S = (L−R)/2. Arguments as for `audio_pool`.
    """
    left, right = stereo
    signals = torch.stack([*to_mid_side(left, right), left, right])
    return _embed(embedding, signals, rate)


def embedding_pool(embeddings: Float[Tensor, "windows size"]) -> GaussianPool:
    """Pool of the embeddings of one sound."""
    pool = GaussianPool(embeddings.shape[1])
    pool.add(embeddings.T)
    return pool


def _embed(
    embedding: "Embedding", signals: Float[Tensor, "batch frames"], rate: int
) -> Float[Tensor, "batch windows size"]:
    if rate != embedding.rate:
        signals = torch.from_numpy(resample(signals.numpy(), rate, embedding.rate))
    return embedding.embed(signals)


def merged(pools: Iterable[GaussianPool]) -> GaussianPool:
    """One pool of the frames of one or more others, which stay unchanged."""
    first, *rest = pools
    total = GaussianPool(first.size)
    for pool in (first, *rest):
        total.merge(pool)
    return total


def frechet_distance(one: GaussianPool, other: GaussianPool) -> float:
    """Fréchet distance of two pools: no unit, 0 for equal pools.

    With Σ = A·Aᵀ, Tr (Σ₁Σ₂)^½ is the sum of the singular values of A₁ᵀA₂. No square root of
    rounding noise is taken, so the result also holds for singular covariances (fewer frames than
    features).

    Raises:
        ValueError: a pool has fewer than two frames, or the numbers of features differ.
    """
    _check_same_size(one, other)
    if min(one.frames, other.frames) < 2:
        raise ValueError("a pool needs at least two frames")
    first, second = _factor(one.covariance()), _factor(other.covariance())
    shift = one.mean() - other.mean()
    spread = first.square().sum() + second.square().sum()
    common = torch.linalg.svdvals(first.T @ second).sum()
    return max(float(shift @ shift) + float(spread - 2 * common), 0.0)  # rounding may go below


def _check_same_size(one: GaussianPool, other: GaussianPool) -> None:
    if one.size != other.size:
        raise ValueError(f"one pool has {one.size} features and the other {other.size}")


def _factor(covariance: Float[np.ndarray, "size size"]) -> Float[Tensor, "size rank"]:
    """A with A·Aᵀ = Σ, one column per eigenvalue above rounding."""
    # not numpy: its BLAS would start threads of its own, a hundred times slower on a busy machine
    values, vectors = torch.linalg.eigh(torch.from_numpy(covariance))
    kept = values > len(values) * torch.finfo(values.dtype).eps * values[-1]
    return vectors[:, kept] * values[kept].sqrt()


def extrapolated_frechet_distance(
    first: Sequence[GaussianPool],
    second: Sequence[GaussianPool],
    *,
    paired: bool,
    seed: int = 0,
) -> float:
    """Fréchet distance of two sets, extrapolated to infinitely many clips.

    Subsets of a quarter of the clips up to all of them, in equal steps of 1/n, are drawn without
    replacement (with replacement, the limit would be the plain distance). Both sets are subsampled
    by the same fraction, since each of them adds a bias in 1/n.

    Args:
        first: one pool per clip.
        second: one pool per clip of the other set, in the order of `first` if `paired`.
        paired: both sets are renderings of the same clips: a subset then has the same clips on both
            sides, as the whole set has. Otherwise the two are drawn independently.
        seed: of the draws.

    Returns:
        The limit, without unit; it may be slightly negative for almost equal sets. On 33 + 33 clips
        from one body of music it is 0.16 where the plain D_F is 0.80; paired sets change little.

    Raises:
        ValueError: a set has fewer than 8 clips; the smallest subset has no more frames than
            features (its bias is not linear in 1/n); or paired sets differ in length.
    """
    if paired and len(first) != len(second):
        raise ValueError("paired sets need equal numbers of clips")
    for pools in (first, second):
        _check_enough(pools)
    generator = np.random.default_rng(seed)
    inverses, distances = [], []
    for fraction in 1 / np.linspace(1, 1 / SMALLEST_SUBSET, SUBSET_SIZES):
        counts = [max(math.ceil(fraction * len(pools)), 2) for pools in (first, second)]
        whole = counts == [len(first), len(second)]
        for _ in range(1 if whole else DRAWS):
            ours = generator.permutation(len(first))[: counts[0]]
            theirs = ours if paired else generator.permutation(len(second))[: counts[1]]
            sample = merged(first[i] for i in ours), merged(second[i] for i in theirs)
            inverses.append((len(first) / counts[0] + len(second) / counts[1]) / 2)
            distances.append(frechet_distance(*sample))
    _, limit = np.polyfit(inverses, distances, 1)
    return float(limit)


def _check_enough(pools: Sequence[GaussianPool]) -> None:
    if len(pools) < MIN_CLIPS:
        raise ValueError(f"extrapolation needs at least {MIN_CLIPS} clips, not {len(pools)}")
    fewest = sorted(pool.frames for pool in pools)[: math.ceil(SMALLEST_SUBSET * len(pools))]
    if sum(fewest) <= pools[0].size:
        raise ValueError(
            f"the smallest subset has {sum(fewest)} frames, too few for {pools[0].size} features"
        )
