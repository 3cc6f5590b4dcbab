import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from soundstage.diffusion import EndlessNoise, takes_window
from soundstage.diffusion.noise import PAGE

LONG = 5 * PAGE


@given(first=st.integers(0, LONG), length=st.integers(0, LONG))
def test_a_window_is_a_part_of_the_whole(first: int, length: int) -> None:
    noise = EndlessNoise((2,), seed=7)
    whole = noise.window(0, 2 * LONG)
    assert torch.equal(noise.window(first, length), whole[:, first : first + length])


@given(order=st.permutations(range(8)))
def test_the_order_of_asking_changes_nothing(order: list[int]) -> None:
    noise, hop = EndlessNoise((), seed=3), 100
    parts = {place: noise.window(place * hop, hop) for place in order}
    assert torch.equal(torch.cat([parts[place] for place in range(8)]), noise.window(0, 8 * hop))


@pytest.mark.parametrize("shape", [(), (3,), (2, 5)])
def test_a_frame_has_its_shape(shape: tuple[int, ...]) -> None:
    noise = EndlessNoise(shape, seed=0)
    assert noise.window(10, 40).shape == (*shape, 40)
    assert noise.window(10, 0).shape == (*shape, 0)
    assert noise.window(10, 40).dtype == torch.float32
    assert noise.window(10, 40).is_contiguous()


def test_noise_is_standard_gaussian_and_white() -> None:
    noise = EndlessNoise((4,), seed=11).window(0, 20 * PAGE)
    assert stats.kstest(noise.flatten(), "norm").pvalue > 0.01
    for lag in (1, 2, PAGE):
        assert abs((noise[:, lag:] * noise[:, :-lag]).mean()) < 4 / noise.numel() ** 0.5
    assert float((torch.corrcoef(noise) - torch.eye(4)).abs().max()) < 4 / (20 * PAGE) ** 0.5


def test_seeds_takes_and_streams_are_independent() -> None:
    numbers = [0, 1, 2, 2**31, 2**32, 2**32 + 1, 2**64 - 1]
    keys = {(a, b, c) for each in numbers for a, b, c in [(each, 0, 0), (0, each, 0), (0, 0, each)]}
    keys |= {(1, 1, 0), (0, 1, 1), (1, 0, 1), (1, 1, 1)}
    keys |= {(5 + 7 * 2**32, 9, 1), (5, 7 + 9 * 2**32, 1), (5, 7, 9 + 2**32)}
    drawn = torch.stack([EndlessNoise((), *key).window(0, 4 * PAGE) for key in sorted(keys)])
    apart = torch.corrcoef(drawn) - torch.eye(len(keys))
    assert float(apart.abs().max()) < 5 / (4 * PAGE) ** 0.5


def test_a_stream_is_numbered_within_its_take() -> None:
    noise = EndlessNoise((2,), seed=5, take=3)
    assert torch.equal(noise.stream(4).window(0, 9), EndlessNoise((2,), 5, 3, 4).window(0, 9))
    assert torch.equal(noise.stream(4).stream(0).window(0, 9), noise.window(0, 9))


def test_a_batch_changes_nothing_for_a_take() -> None:
    noises = [EndlessNoise((2,), seed=5, take=take) for take in range(3)]
    batch = takes_window(noises, 100, 300, stream=2)
    assert batch.shape == (3, 2, 300)
    for take, noise in enumerate(noises):
        assert torch.equal(batch[take], noise.stream(2).window(100, 300))


def test_any_place_is_reached_at_once_and_without_memory() -> None:
    noise = EndlessNoise((2,), seed=5)
    far = noise.window(10**15, 50)
    assert far.shape == (2, 50)
    assert far.untyped_storage().nbytes() == 4 * 2 * 50


def test_no_other_randomness_is_touched() -> None:
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    EndlessNoise((2,), seed=5).window(0, 50)
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize("key", [(-1, 0, 0), (0, -1, 0), (0, 0, -1), (2**64, 0, 0)])
def test_numbers_that_cannot_be_a_seed_are_refused(key: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="from 0"):
        EndlessNoise((), *key)


@pytest.mark.parametrize(("first", "length"), [(-1, 5), (0, -1)])
def test_frames_before_the_first_are_refused(first: int, length: int) -> None:
    with pytest.raises(ValueError, match="no noise"):
        EndlessNoise((), 0).window(first, length)
