import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import decibels, noise
from soundstage.audio import open_sound
from soundstage.stereo import MidSideMeter, is_dual_mono, to_left_right, to_mid_side


def test_mid_is_the_mean_and_side_half_the_difference() -> None:
    assert to_mid_side(0.75, 0.25) == (0.5, 0.25)
    assert to_left_right(0.5, 0.25) == (0.75, 0.25)


@given(
    mid=st.lists(st.integers(-(2**22), 2**22), min_size=1, max_size=20),
    seed=st.integers(0, 99),
)
def test_the_fold_down_of_whole_numbers_is_exact(mid: list[int], seed: int) -> None:
    middle = np.array(mid, np.int32)
    side = np.random.default_rng(seed).integers(-(2**22), 2**22, middle.size, dtype=np.int32)
    left, right = to_left_right(middle, side)
    assert np.array_equal((left + right) // 2, middle)


@given(seed=st.integers(0, 99), gain_db=st.floats(-60, 12))
def test_the_fold_down_of_floats_is_the_mid_to_one_rounding(seed: int, gain_db: float) -> None:
    mid, side = noise(1_000, seed=seed), noise(1_000, seed=seed + 1) * 10 ** (gain_db / 20)
    left, right = to_left_right(mid, side)
    again, _ = to_mid_side(left, right)
    assert decibels(again - mid, mid) < -150 + max(gain_db, 0) + 10


def test_mid_side_then_left_right_is_the_identity() -> None:
    stereo = noise(2_000, level=1.0).reshape(2, -1)
    again = torch.stack(to_left_right(*to_mid_side(*stereo)))
    torch.testing.assert_close(again, stereo, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("side_db", "expected"), [(-70, True), (-61, True), (-59, False)])
def test_channels_are_dual_mono_if_the_side_is_60_db_below_the_mid(side_db, expected) -> None:
    mid, side = noise(100_000).numpy(), noise(100_000, seed=1).numpy()
    stereo = np.stack(to_left_right(mid, side * np.float32(10 ** (side_db / 20))))
    assert is_dual_mono(open_sound((stereo, 44_100))) is expected


def test_silence_is_dual_mono() -> None:
    meter = MidSideMeter()
    meter.push(np.zeros((2, 10), np.float32))
    assert meter.is_dual_mono()
