import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from soundstage.diffusion import (
    CounterNoise,
    FlowSchedule,
    NoiseOffsets,
    Objective,
    Parametrization,
    dpm_solver_2m,
    uniform_times,
)
from soundstage.diffusion.noise import PAGE

LONG = 5 * PAGE


@given(first=st.integers(0, LONG), length=st.integers(0, LONG))
def test_a_window_is_a_part_of_the_whole(first: int, length: int) -> None:
    noise = CounterNoise((2,), seed=7)
    whole = noise.window(0, 2 * LONG)
    assert torch.equal(noise.window(first, length), whole[:, first : first + length])


@given(order=st.permutations(range(8)))
def test_the_order_of_windows_changes_nothing(order: list[int]) -> None:
    noise, hop = CounterNoise((), seed=3), 100
    parts = {place: noise.window(place * hop, hop) for place in order}
    assert torch.equal(torch.cat([parts[place] for place in range(8)]), noise.window(0, 8 * hop))


@pytest.mark.parametrize("shape", [(), (3,), (2, 5)])
def test_a_frame_has_its_shape(shape: tuple[int, ...]) -> None:
    noise = CounterNoise(shape, seed=0)
    assert noise.window(10, 40).shape == (*shape, 40)
    assert noise.window(10, 0).shape == (*shape, 0)
    assert noise.window(10, 40).dtype == torch.float32
    assert noise.window(10, 40).is_contiguous()


def test_noise_is_standard_gaussian_and_white() -> None:
    noise = CounterNoise((4,), seed=11).window(0, 20 * PAGE)
    assert stats.kstest(noise.flatten(), "norm").pvalue > 0.01
    for lag in (1, 2, PAGE):
        assert abs((noise[:, lag:] * noise[:, :-lag]).mean()) < 4 / noise.numel() ** 0.5
    assert float((torch.corrcoef(noise) - torch.eye(4)).abs().max()) < 4 / (20 * PAGE) ** 0.5


def test_seeds_takes_and_streams_are_independent() -> None:
    numbers = [0, 1, 2, 2**31, 2**32, 2**32 + 1, 2**64 - 1]
    keys = {(a, b, c) for each in numbers for a, b, c in [(each, 0, 0), (0, each, 0), (0, 0, each)]}
    keys |= {(1, 1, 0), (0, 1, 1), (1, 0, 1), (1, 1, 1)}
    keys |= {(5 + 7 * 2**32, 9, 1), (5, 7 + 9 * 2**32, 1), (5, 7, 9 + 2**32)}
    drawn = torch.stack([CounterNoise((), *key).window(0, 4 * PAGE) for key in sorted(keys)])
    apart = torch.corrcoef(drawn) - torch.eye(len(keys))
    assert float(apart.abs().max()) < 5 / (4 * PAGE) ** 0.5


def test_a_stream_is_numbered_within_its_take() -> None:
    noise = CounterNoise((2,), seed=5, take=3)
    assert torch.equal(noise.stream(4).window(0, 9), CounterNoise((2,), 5, 3, 4).window(0, 9))
    assert torch.equal(noise.stream(4).stream(0).window(0, 9), noise.window(0, 9))


def test_any_place_is_reached_at_once_and_without_memory() -> None:
    noise = CounterNoise((2,), seed=5)
    far = noise.window(10**15, 50)
    assert far.shape == (2, 50)
    assert far.untyped_storage().nbytes() == 4 * 2 * 50


def test_no_other_randomness_is_touched() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    CounterNoise((2,), seed=5).window(0, 50)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("key", [(-1, 0, 0), (0, -1, 0), (0, 0, -1), (2**64, 0, 0)])
def test_numbers_that_cannot_be_a_seed_are_refused(key: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="from 0"):
        CounterNoise((), *key)


@pytest.mark.parametrize(("first", "length"), [(-1, 5), (0, -1)])
def test_frames_before_the_first_are_refused(first: int, length: int) -> None:
    with pytest.raises(ValueError, match="no noise"):
        CounterNoise((), 0).window(first, length)


MIXED = NoiseOffsets(rows=(0.2, 0.1), channels=(0.3, 0.0))


@given(first=st.integers(0, LONG), length=st.integers(1, LONG))
def test_offsets_are_the_same_in_every_window(first: int, length: int) -> None:
    noise = CounterNoise((2, 3), seed=7, offsets=MIXED)
    whole = noise.window(0, 2 * LONG)
    torch.testing.assert_close(noise.window(first, length), whole[..., first : first + length])


def covariances(noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Over draws (draws, channels, rows, frames), by channels: variance of a place, covariance
    with another frame of its row, and with a frame of another row."""
    here, later, below = noise[..., 0, 0], noise[..., 0, -1], noise[..., 1, -1]
    return here.square().mean(0), (here * later).mean(0), (here * below).mean(0)


def test_offset_noise_has_unit_variance_and_the_given_shares() -> None:
    drawn = torch.stack(
        [CounterNoise((2, 3), seed, offsets=MIXED).window(0, 600) for seed in range(2000)]
    )
    clean = torch.zeros(4000, 2, 3, 8)
    trained = MIXED.like(clean, torch.Generator().manual_seed(0))
    for noise in (drawn, trained):
        variance, row, channel = covariances(noise)
        torch.testing.assert_close(variance, torch.ones(2), atol=0.15, rtol=0)
        torch.testing.assert_close(row, torch.tensor([0.5, 0.1]), atol=0.1, rtol=0)
        torch.testing.assert_close(channel, torch.tensor([0.3, 0.0]), atol=0.1, rtol=0)


def test_every_stream_has_offsets_of_its_own() -> None:
    noise = CounterNoise((2, 3), seed=5, offsets=MIXED)
    means = torch.stack([noise.stream(number).window(0, 4000).mean(-1) for number in range(40)])
    assert abs(float((means[1:] * means[:-1]).mean())) < 0.1


@pytest.mark.parametrize(
    ("rows", "channels"), [((-0.1,), (0.0,)), ((0.5,), (0.5,)), ((0.1,), (0.1, 0.1))]
)
def test_impossible_shares_are_refused(rows: tuple, channels: tuple) -> None:
    with pytest.raises(ValueError, match="share"):
        NoiseOffsets(rows, channels)


def test_an_objective_draws_offset_noise() -> None:
    objective = Objective(FlowSchedule(), Parametrization.NOISE, offsets=MIXED)
    noised = objective.noised(torch.zeros(3000, 2, 3, 6), torch.Generator().manual_seed(2))
    _, row, channel = covariances(noised.target)
    torch.testing.assert_close(row, torch.tensor([0.5, 0.1]), atol=0.1, rtol=0)
    torch.testing.assert_close(channel, torch.tensor([0.3, 0.0]), atol=0.1, rtol=0)


def test_a_few_steps_keep_the_variance_of_whole_sequences_with_offsets_only() -> None:
    """Gaussian sequences with means of variance 0.5, and the exact denoiser of each noise: eight
    steps from white noise lose that variance, and keep it from offset noise."""
    frames, whole = 256, 0.5
    found = {}
    for share in (0.0, whole):
        offsets = NoiseOffsets((share,), (0.0,)) if share else None
        # Variances of the mean over frames and of what is left, of data and of noise
        data, noise = (
            torch.tensor([each + (1 - each) / frames, 1 - each]) for each in (whole, share)
        )
        schedule = FlowSchedule()

        class Exact:
            """E[x_0 | x_t], on the mean and on the rest."""

            schedule = FlowSchedule()

            def __call__(self, state, time, data=data, noise=noise):
                alpha, sigma = 1 - time, time
                gain = alpha * data / (alpha**2 * data + sigma**2 * noise)
                mean = state.mean(-1, keepdim=True)
                return gain[0] * mean + gain[1] * (state - mean)

        first = torch.stack(
            [CounterNoise((1, 1), seed, offsets=offsets).window(0, frames) for seed in range(800)]
        )
        made = dpm_solver_2m(Exact(), first, uniform_times(schedule, 8))
        found[share] = float(made.mean(-1).var())
    assert found[whole] == pytest.approx(whole, rel=0.15)
    assert found[0.0] < 0.5 * whole
