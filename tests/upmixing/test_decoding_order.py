import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo import BANDS
from soundstage.upmixing.generative.decoding_order import mask_schedule, spread_ranks


@given(
    steps=st.integers(1, 60),
    total=st.integers(0, 9000),
    slow_start=st.floats(0.25, 4),
)
def test_counts_never_fall_and_end_with_all(steps: int, total: int, slow_start: float) -> None:
    counts = mask_schedule(steps, total, slow_start=slow_start)
    assert len(counts) == steps
    assert counts[-1] == total
    assert counts == sorted(counts)


@given(steps=st.integers(1, 60), more=st.integers(0, 5000), slow_start=st.floats(1, 4))
def test_every_step_settles_something_while_there_is_enough(
    steps: int, more: int, slow_start: float
) -> None:
    counts = mask_schedule(steps, steps + more, slow_start=slow_start)
    assert all(later > earlier for earlier, later in zip([0, *counts], counts, strict=False))


def test_the_plain_schedule_is_the_cosine_of_the_paper() -> None:
    counts = mask_schedule(16, 100_000)
    hidden = 1 - torch.tensor(counts) / 100_000
    cosine = torch.cos(torch.pi / 2 * torch.arange(1, 17) / 16)
    torch.testing.assert_close(hidden, cosine, rtol=0, atol=2e-5)


def test_a_slow_start_settles_fewer_at_first() -> None:
    plain, slow = mask_schedule(12, 4000), mask_schedule(12, 4000, slow_start=2.0)
    assert all(b < a for a, b in zip(plain[:-1], slow[:-1], strict=True))


def shift_of(seed: int) -> torch.Tensor:
    return torch.rand(2, generator=torch.Generator().manual_seed(seed))


@given(positions=st.integers(1, 80), bands=st.integers(1, 40), seed=st.integers(0, 99))
def test_ranks_are_an_order_of_all_tiles(positions: int, bands: int, seed: int) -> None:
    ranks = spread_ranks(positions, bands, shift_of(seed))
    assert ranks.shape == (positions, bands)
    assert torch.equal(ranks.flatten().sort().values, torch.arange(positions * bands))


def nearest(ranks: torch.Tensor, count: int) -> torch.Tensor:
    """Distance of each of the first tiles to its nearest neighbor, in sides of the window."""
    places = (ranks < count).nonzero() / torch.tensor(ranks.shape)
    distances = torch.cdist(places, places) + torch.eye(count)
    return distances.min(dim=1).values


@pytest.mark.parametrize("count", [20, 40, 150, 400])
def test_the_first_tiles_lie_farther_apart_than_by_chance(count: int) -> None:
    chance = torch.randperm(128 * BANDS, generator=torch.Generator().manual_seed(1))
    random = nearest(chance.view(128, BANDS), count)
    for seed in range(5):
        spread = nearest(spread_ranks(128, BANDS, shift_of(seed)), count)
        assert float(spread.mean()) > 1.2 * float(random.mean())
        assert float(spread.min()) > 1.5 * float(random.min())


@pytest.mark.parametrize("count", [64, 300, 1000, 2500])
def test_every_moment_covers_time_and_bands_evenly(count: int) -> None:
    for seed in range(5):
        settled = (spread_ranks(128, BANDS, shift_of(seed)) < count).float()
        blocks = settled.reshape(4, 32, 2, BANDS // 2).sum(dim=(1, 3))
        assert float((blocks - count / 8).abs().max()) <= max(0.15 * count / 8, 3)


def test_tiles_of_one_step_are_spread_too() -> None:
    ranks = spread_ranks(128, BANDS, shift_of(3))
    begin, end = 600, 900
    among = torch.where((ranks >= begin) & (ranks < end), ranks - begin, 1 << 30)
    chance = torch.randperm(ranks.numel(), generator=torch.Generator().manual_seed(2))
    random = nearest(chance.view_as(ranks), end - begin)
    assert float(nearest(among, end - begin).mean()) > 1.2 * float(random.mean())


def test_another_shift_is_another_order() -> None:
    one, same, other = (spread_ranks(64, BANDS, shift_of(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert float((one - other).abs().float().mean()) > 0.1 * one.numel()
