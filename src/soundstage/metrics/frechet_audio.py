"""The Fréchet audio distance, of mid, side, left and right.

Kilgour et al., "Fréchet audio distance: a reference-free metric for evaluating music enhancement
algorithms" (2019): embed the sound of two sets in short windows, take each set's points for a
Gaussian, and give the Fréchet distance of the two. It compares sets, not clips, so the pools of
many clips are merged before `frechet_distance` is asked.

The level is left as it is: a side that is too loud is an error to be heard, and normalizing would
hide it. The side of mono is digital silence, whose embedding is one and the same point for every
window: its covariance is zero, and its distance to real sides is large but finite,
‖μ₁ − μ₂‖² + Tr Σ₂.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.audio.resampling import resample
from soundstage.metrics.catalog import ALL_FOUR
from soundstage.metrics.embeddings.embedding import Embedding
from soundstage.metrics.frechet import GaussianPool
from soundstage.stereo.midside import to_mid_side


def audio_pool(embedding: Embedding, sound: Float[Tensor, " frames"], rate: int) -> GaussianPool:
    """The pooled points of one mono sound.

    Args:
        embedding: as `load_embedding` gives it.
        sound: full scale is 1; resampled to the embedding's rate where need be.
        rate: of the sound, in Hz.
    """
    return point_pool(_points(embedding, sound[None], rate)[0])


def embed_signals(
    embedding: Embedding, stereo: Float[Tensor, "2 frames"], rate: int
) -> Float[Tensor, "signals windows size"]:
    """The points of mid, side, left and right of one clip, embedded in one batch.

    M = (L+R)/2 and S = (L−R)/2, so the mid of a mono clip is that clip. Arguments as in
    `audio_pool`.
    """
    left, right = stereo
    signals = torch.stack([*to_mid_side(left, right), left, right])
    return _points(embedding, signals, rate)


def signal_pools(
    embedding: Embedding, stereo: Float[Tensor, "2 frames"], rate: int
) -> dict[str, GaussianPool]:
    """The pooled points of mid, side, left and right of one clip; see `embed_signals`."""
    points = embed_signals(embedding, stereo, rate)
    return dict(zip(ALL_FOUR, map(point_pool, points), strict=True))


def point_pool(points: Float[Tensor, "windows size"]) -> GaussianPool:
    """Mean and covariance of the points of one sound."""
    pool = GaussianPool(points.shape[1])
    pool.add(points.T)
    return pool


def _points(
    embedding: Embedding, signals: Float[Tensor, "batch frames"], rate: int
) -> Float[Tensor, "batch windows size"]:
    if rate != embedding.rate:
        signals = torch.from_numpy(resample(signals.numpy(), rate, embedding.rate))
    return embedding.embed(signals)
