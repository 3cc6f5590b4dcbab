import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from soundstage.separation.clustering import (
    clusters_in_time,
    nearest_center,
    spherical_clusters,
)

SETTINGS = {"most": 6, "min_share": 0.05, "min_distance": 0.5}


def blobs(counts, *, spread=0.1, seed=0, dim=8):
    """Vectors around the first axes, and the axis of each."""
    generator = torch.Generator().manual_seed(seed)
    vectors, axes = [], []
    for axis, count in enumerate(counts):
        center = torch.eye(dim)[axis]
        vectors.append(center + spread * torch.randn(count, dim, generator=generator))
        axes += [axis] * count
    return F.normalize(torch.cat(vectors), dim=1), torch.tensor(axes)


@given(st.lists(st.integers(60, 200), min_size=1, max_size=5), st.integers(0, 99))
def test_separate_groups_are_found_from_the_largest_on(counts, seed):
    vectors, axes = blobs(counts, seed=seed)
    centers = spherical_clusters(vectors, torch.ones(len(vectors)), **SETTINGS)
    assert len(centers) == len(counts)
    clusters = nearest_center(vectors, centers)
    for axis in range(len(counts)):
        assert len(clusters[axes == axis].unique()) == 1
    sizes = [int((clusters == k).sum()) for k in range(len(centers))]
    assert sizes == sorted(sizes, reverse=True)
    assert torch.allclose(centers.norm(dim=1), torch.ones(len(centers)), atol=1e-5)


def test_small_groups_join_others():
    vectors, _ = blobs([400, 300, 12])
    centers = spherical_clusters(vectors, torch.ones(len(vectors)), **SETTINGS)
    assert len(centers) == 2


def test_weights_count_not_numbers():
    vectors, axes = blobs([400, 20])
    weights = torch.where(axes == 1, 100.0, 1.0)
    centers = spherical_clusters(vectors, weights, **SETTINGS)
    assert len(centers) == 2
    assert centers[0, 1] > 0.9


def test_near_groups_are_one():
    generator = torch.Generator().manual_seed(0)
    axis = torch.eye(8)[0] + 0.4 * torch.eye(8)[1]
    two = torch.cat([torch.eye(8)[0].expand(200, -1), axis.expand(200, -1)])
    vectors = F.normalize(two + 0.05 * torch.randn(400, 8, generator=generator), dim=1)
    assert len(spherical_clusters(vectors, torch.ones(400), **SETTINGS)) == 1


def test_one_vector_is_its_own_center():
    vector = F.normalize(torch.tensor([[1.0, 2.0, 3.0]]), dim=1)
    assert torch.allclose(spherical_clusters(vector, torch.ones(1), **SETTINGS), vector)


TIMED = {"most": 4, "min_share": 0.05, "join_above": 0.7}


def test_what_sounds_together_is_one_source():
    """Four groups of vectors, of which the first two and the last two sound in turns."""
    vectors, axes = blobs([300] * 4)
    generator = torch.Generator().manual_seed(0)
    phrase = torch.randint(20, (len(vectors),), generator=generator)
    moments = 2 * phrase + (axes >= 2)
    centers = clusters_in_time(vectors, torch.ones(len(vectors)), moments, **{**TIMED, "most": 2})
    clusters = nearest_center(vectors, centers)
    assert len(centers) == 2
    assert len(clusters[axes < 2].unique()) == 1
    assert len(clusters[axes >= 2].unique()) == 1


def test_vectors_decide_where_time_tells_nothing():
    vectors, axes = blobs([300, 200])
    moments = torch.arange(len(vectors)) % 7
    centers = clusters_in_time(vectors, torch.ones(len(vectors)), moments, **TIMED)
    assert len(centers) == 2
    assert (nearest_center(vectors, centers) == axes).all()


def test_one_moment_and_one_vector_are_enough():
    vectors, _ = blobs([50])
    assert len(clusters_in_time(vectors, torch.ones(50), torch.zeros(50).long(), **TIMED)) == 1
    assert len(clusters_in_time(vectors[:1], torch.ones(1), torch.zeros(1).long(), **TIMED)) == 1
