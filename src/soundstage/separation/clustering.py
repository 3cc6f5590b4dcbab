"""Spherical k-means with a number of clusters that follows from the vectors.

Vectors on the unit sphere are clustered by cosine (Dhillon & Modha 2001), from centers that are
chosen one by one among the vectors farthest from those before; then clusters that are too small or
too near to another are joined.

Vectors of a sound have moments too. What sounds at the same moments is one instrument more likely
than what does not, so `clusters_in_time` makes more clusters than are wanted and joins those with
the largest

    cosine of the centers + WITNESS·correlation of the activities over time

(for parts of a factorization the second alone, as in Fitzgerald 2011). The result is the same for
the same vectors.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

ROUNDS = 25
START_SHARE = 0.02  # of the weight that must lie near a first center, which is then no outlier
START_COSINE = 0.7
PARTS, PART_SHARE, PART_DISTANCE = 10, 0.02, 0.05  # of the clusters that are joined
WITNESS = 0.25  # weight of the activity


def spherical_clusters(
    vectors: Float[Tensor, "vectors dim"],
    weights: Float[Tensor, " vectors"],
    *,
    most: int,
    min_share: float,
    min_distance: float,
) -> Float[Tensor, "clusters dim"]:
    """Unit centers, from the cluster with most weight to the one with least.

    Args:
        vectors: of unit length, at least one.
        weights: not negative, of positive sum.
        most: largest number of clusters.
        min_share: of the weight in a cluster.
        min_distance: 1 − cosine between two centers.
    """
    centers = _first_centers(vectors, weights, most)
    centers, shares = _converged(vectors, weights, centers)
    while len(centers) > 1:
        near = centers @ centers.T - 2 * torch.eye(len(centers))
        nearest = int(near.argmax())
        first, second = divmod(nearest, len(centers))
        if 1 - float(near.max()) < min_distance:
            kept = [k for k in range(len(centers)) if k not in (first, second)]
            joined = shares[first] * centers[first] + shares[second] * centers[second]
            centers = torch.cat([centers[kept], F.normalize(joined[None], dim=1)])
        elif float(shares.min()) < min_share:
            centers = centers[torch.arange(len(centers)) != shares.argmin()]
        else:
            break
        centers, shares = _converged(vectors, weights, centers)
    return centers[shares.argsort(descending=True, stable=True)]


def clusters_in_time(
    vectors: Float[Tensor, "vectors dim"],
    weights: Float[Tensor, " vectors"],
    moments: Int64[Tensor, " vectors"],
    *,
    most: int,
    min_share: float,
    join_above: float,
) -> Float[Tensor, "clusters dim"]:
    """Unit centers of clusters that are alike in vectors and in time, from the largest.

    Args:
        vectors: of unit length, at least one.
        weights: not negative, of positive sum.
        moments: number of the moment of each vector.
        most: largest number of clusters.
        min_share: of the weight in a cluster; a smaller one joins the most similar.
        join_above: similarity from which on two clusters are one.
    """
    centers = spherical_clusters(
        vectors, weights, most=PARTS, min_share=PART_SHARE, min_distance=PART_DISTANCE
    )
    parts, count = nearest_center(vectors, centers), int(moments.max()) + 1
    activity = weights.new_zeros(len(centers) * count)
    activity = activity.index_add_(0, parts * count + moments, weights).view(-1, count)
    deviation = F.normalize(activity - activity.mean(dim=1, keepdim=True), dim=1)
    similarity = centers @ centers.T + WITNESS * deviation @ deviation.T
    shares = activity.sum(dim=1) / weights.sum()
    member = torch.eye(len(centers))  # (clusters, parts)
    while len(member) > 1:
        weighted = member * shares
        means = weighted / weighted.sum(dim=1, keepdim=True)
        between = (means @ similarity @ means.T).fill_diagonal_(-torch.inf)
        sizes = weighted.sum(dim=1)
        if len(member) > most or float(between.max()) > join_above:
            first, second = divmod(int(between.argmax()), len(member))
        elif float(sizes.min()) < min_share:
            first = int(sizes.argmin())
            second = int(between[first].argmax())
        else:
            break
        kept = [k for k in range(len(member)) if k not in (first, second)]
        member = torch.cat([member[kept], (member[first] + member[second])[None]])
    centers = F.normalize((member * shares) @ centers, dim=1)
    return centers[(member @ shares).argsort(descending=True, stable=True)]


def nearest_center(
    vectors: Float[Tensor, "vectors dim"], centers: Float[Tensor, "clusters dim"]
) -> Int64[Tensor, " vectors"]:
    """The cluster of each vector."""
    return (vectors @ centers.T).argmax(dim=1)


def _first_centers(vectors: Tensor, weights: Tensor, most: int) -> Tensor:
    """The mean, and vectors far from the centers before that have company."""
    some = vectors[:: max(len(vectors) // 2_000, 1)]
    some_weights = weights[:: max(len(vectors) // 2_000, 1)]
    company = ((some @ some.T) > START_COSINE).float() @ (some_weights / some_weights.sum())
    usable = company >= min(START_SHARE, float(company.max()))
    centers = some[(company * usable).argmax()][None]
    while len(centers) < most:
        distance = 1 - (some @ centers.T).amax(dim=1)
        merit = distance * company.sqrt() * usable
        if float(merit.max()) <= 0:
            break
        centers = torch.cat([centers, some[merit.argmax()][None]])
    return centers


def _converged(vectors: Tensor, weights: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Centers after `ROUNDS` at most, without empty clusters, and their shares of the weight."""
    shares = centers.new_ones(len(centers))
    for _ in range(ROUNDS):
        nearest = nearest_center(vectors, centers)
        sums = torch.zeros_like(centers).index_add_(0, nearest, weights[:, None] * vectors)
        shares = weights.new_zeros(len(centers)).index_add_(0, nearest, weights)
        filled = (shares > 0) & (sums.norm(dim=1) > 0)
        moved = F.normalize(sums[filled], dim=1)
        shares = shares[filled] / weights.sum()
        if len(moved) == len(centers) and torch.equal(moved, centers):
            break
        centers = moved
    return centers, shares
