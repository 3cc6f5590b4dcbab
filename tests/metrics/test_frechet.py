import time

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.metrics.frechet import (
    GaussianPool,
    extrapolated_frechet_distance,
    frechet_distance,
    merged,
)

SIZE = 68


def drawn(frames: int, *, seed: int = 0, size: int = SIZE, shift: float = 0.0) -> torch.Tensor:
    """Frames correlated from number to number, (size, frames)."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(size, size, generator=generator) / size**0.5
    return mixing @ torch.randn(size, frames, generator=generator) + shift


def pool(*clips: torch.Tensor) -> GaussianPool:
    pooled = GaussianPool(clips[0].shape[0])
    for clip in clips:
        pooled.add(clip)
    return pooled


def pool_of(mean: torch.Tensor, covariance: torch.Tensor, frames: int = 1_000) -> GaussianPool:
    """A pool with exactly these moments."""
    mean, covariance = mean.double(), covariance.double()
    products = (frames - 1) * covariance + frames * torch.outer(mean, mean)
    return GaussianPool.from_tensors(
        {"frames": torch.tensor([frames]), "sum": frames * mean, "products": products}
    )


def clips_of(
    count: int, *, seed: int, spread: float = 1.0, size: int = 8, frames: int = 40
) -> list[GaussianPool]:
    """Clips whose places are Gaussian, of standard deviation `spread`, and frames round them."""
    generator = torch.Generator().manual_seed(seed)
    places = spread * torch.randn(count, size, 1, generator=generator)
    return [pool(place + torch.randn(size, frames, generator=generator)) for place in places]


def test_mean_and_covariance_agree_with_numpy() -> None:
    frames = drawn(200)
    np.testing.assert_allclose(pool(frames).mean(), frames.double().numpy().mean(1), atol=1e-9)
    np.testing.assert_allclose(pool(frames).covariance(), np.cov(frames.double()), atol=1e-9)


@given(places=st.lists(st.integers(0, 211), max_size=4))
def test_the_order_and_the_cut_of_clips_do_not_matter(places: list[int]) -> None:
    frames = drawn(211, size=5)
    clips = torch.tensor_split(frames, sorted(places), dim=1)
    for other in (pool(*clips), merged(pool(clip) for clip in reversed(clips))):
        assert other.frames == 211
        np.testing.assert_allclose(other.covariance(), pool(frames).covariance(), atol=1e-9)
        np.testing.assert_allclose(other.mean(), pool(frames).mean(), atol=1e-9)


def test_merging_leaves_the_merged_pools_as_they_were() -> None:
    clips = [pool(drawn(10, seed=seed)) for seed in range(3)]
    merged(clips)
    assert [clip.frames for clip in clips] == [10, 10, 10]


def test_a_stored_pool_comes_back_the_same() -> None:
    before = pool(drawn(30))
    stored = before.tensors()
    assert {name: x.shape for name, x in stored.items()} == {
        "frames": (1,),
        "sum": (SIZE,),
        "products": (SIZE, SIZE),
    }
    assert stored["frames"].dtype == torch.int64
    assert stored["sum"].dtype == stored["products"].dtype == torch.float64
    after = GaussianPool.from_tensors(stored)
    after.add(drawn(5))  # and what is stored is a copy
    before.add(drawn(5))
    assert (after.size, after.frames) == (SIZE, 35)
    assert np.array_equal(after.covariance(), before.covariance())
    assert stored["frames"] == 30
    assert torch.equal(stored["sum"], pool(drawn(30)).tensors()["sum"])


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("frames", None),
        ("products", None),
        ("frames", torch.tensor(3)),
        ("products", torch.zeros(SIZE, SIZE - 1)),
        ("sum", torch.zeros(SIZE - 1)),
        ("sum", torch.zeros(SIZE, 1)),
    ],
)
def test_a_damaged_pool_is_refused(name: str, damaged: torch.Tensor | None) -> None:
    stored = {**pool(drawn(30)).tensors(), name: damaged}
    kept = {key: value for key, value in stored.items() if value is not None}
    with pytest.raises(ValueError, match="stored pool"):
        GaussianPool.from_tensors(kept)


def test_the_distance_agrees_with_scipy_sqrtm() -> None:
    one, other = pool(drawn(300)), pool(drawn(400, seed=1, shift=2.0))
    first, second = one.covariance(), other.covariance()
    root = scipy.linalg.sqrtm(first @ second).real
    shift = one.mean() - other.mean()
    wanted = shift @ shift + np.trace(first + second - 2 * root)
    assert frechet_distance(one, other) == pytest.approx(wanted, rel=1e-9)


def test_the_distance_agrees_with_torchmetrics() -> None:
    image = pytest.importorskip("torchmetrics.image.fid")
    one, other = pool(drawn(300)), pool(drawn(400, seed=1, shift=0.5))
    moments = [torch.from_numpy(x) for p in (one, other) for x in (p.mean(), p.covariance())]
    wanted = image._compute_fid(*moments).item()
    assert frechet_distance(one, other) == pytest.approx(wanted, rel=1e-6)


@given(
    st.lists(
        st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(0, 9), st.floats(0, 9)),
        min_size=1,
        max_size=12,
    )
)
def test_diagonal_gaussians_have_the_closed_form(rows: list[tuple[float, ...]]) -> None:
    means, other_means, variances, other_variances = torch.tensor(rows, dtype=torch.float64).T
    wanted = (means - other_means).square() + (variances.sqrt() - other_variances.sqrt()).square()
    one = pool_of(means, torch.diag(variances))
    other = pool_of(other_means, torch.diag(other_variances))
    assert frechet_distance(one, other) == pytest.approx(wanted.sum().item(), abs=1e-5)


def test_equal_pools_have_no_distance() -> None:
    for frames in (2, 20, 300):
        assert 0 <= frechet_distance(pool(drawn(frames)), pool(drawn(frames))) < 1e-10


def test_the_distance_is_symmetric_and_positive() -> None:
    one, other = pool(drawn(300)), pool(drawn(300, seed=1))
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one), rel=1e-9)
    assert frechet_distance(one, other) > 0.1


def test_a_shift_costs_its_square_whatever_the_rank() -> None:
    for frames in (2, 10, 500):
        one, other = pool(drawn(frames)), pool(drawn(frames, shift=0.25))
        assert frechet_distance(one, other) == pytest.approx(SIZE / 16, rel=1e-5)


def test_covariances_without_a_common_direction_have_all_of_their_traces() -> None:
    first, second = torch.zeros(SIZE), torch.zeros(SIZE)
    first[:3], second[3:6] = 2.0, 5.0
    basis, _ = torch.linalg.qr(drawn(SIZE).double())  # so that no zero is a plain one
    one, other = (
        pool_of(torch.zeros(SIZE), basis @ torch.diag(x.double()) @ basis.T)
        for x in (first, second)
    )
    assert frechet_distance(one, other) == pytest.approx(21, abs=1e-10)


@pytest.mark.parametrize("frames", [0, 1])
def test_a_pool_of_one_frame_is_refused(frames: int) -> None:
    with pytest.raises(ValueError, match="two frames"):
        frechet_distance(pool(drawn(frames)), pool(drawn(10)))


def test_pools_of_different_sizes_neither_mix_nor_have_a_distance() -> None:
    with pytest.raises(ValueError, match="68 and of 5"):
        pool(drawn(10)).merge(pool(drawn(10, size=5)))
    with pytest.raises(ValueError, match="68 and of 5"):
        frechet_distance(pool(drawn(10)), pool(drawn(10, size=5)))


@pytest.mark.parametrize("spread", [1.0, 1.5])
def test_the_extrapolated_distance_is_nearer_to_the_true_one(spread: float) -> None:
    # frames of the whole population have the covariance 1 + spread² in every direction
    wanted = 8 * ((1 + spread**2) ** 0.5 - 2**0.5) ** 2
    plain, extrapolated = [], []
    for seed in range(10):
        sets = clips_of(33, seed=seed), clips_of(40, seed=100 + seed, spread=spread)
        plain.append(frechet_distance(*map(merged, sets)))
        extrapolated.append(extrapolated_frechet_distance(*sets, paired=False, seed=seed))
    bias = np.mean(plain) - wanted
    assert bias > 0.5
    assert abs(np.mean(extrapolated) - wanted) < 0.45 * bias  # measured: a third
    assert np.abs(np.subtract(extrapolated, wanted)).mean() < 0.7 * bias


def test_paired_sets_are_sampled_together() -> None:
    truth = clips_of(20, seed=0, frames=400)
    assert abs(extrapolated_frechet_distance(truth, truth, paired=True)) < 1e-9
    narrow = [pool_of(*half(clip)) for clip in truth]
    # halving every frame takes a quarter of the trace: the same share in every subset
    whole = frechet_distance(merged(truth), merged(narrow))
    paired = extrapolated_frechet_distance(truth, narrow, paired=True)
    loose = extrapolated_frechet_distance(truth, narrow, paired=False)
    assert abs(paired - whole) < 0.3 * abs(loose - whole)


def half(clip: GaussianPool) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Moments of a clip at half the level."""
    return (
        torch.from_numpy(clip.mean()) / 2,
        torch.from_numpy(clip.covariance()) / 4,
        clip.frames,
    )


def test_one_seed_gives_one_result() -> None:
    sets = clips_of(12, seed=0), clips_of(10, seed=1)
    first, again, other = (
        extrapolated_frechet_distance(*sets, paired=False, seed=seed) for seed in (3, 3, 4)
    )
    assert first == again != other


def test_too_few_clips_or_frames_are_refused() -> None:
    enough = clips_of(8, seed=0)
    extrapolated_frechet_distance(enough, enough, paired=False)
    with pytest.raises(ValueError, match="8 clips, and there are 7"):
        extrapolated_frechet_distance(enough, enough[:7], paired=False)
    with pytest.raises(ValueError, match="too few"):
        extrapolated_frechet_distance(enough, clips_of(8, seed=1, frames=4), paired=True)
    with pytest.raises(ValueError, match="as many clips"):
        extrapolated_frechet_distance(enough, clips_of(9, seed=1), paired=True)


def test_thirty_three_clips_take_less_than_two_seconds() -> None:
    sets = [clips_of(33, seed=seed, size=SIZE, frames=100) for seed in (0, 1)]
    taken = []
    for paired in (True, False):
        start = time.process_time()
        extrapolated_frechet_distance(*sets, paired=paired)
        taken.append(time.process_time() - start)
    assert min(taken) < 2 * torch.get_num_threads()
