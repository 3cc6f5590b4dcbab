import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.networks.backbones.pose_upsampling import held, upsampled, whole_frames


@given(rows=st.integers(1, 6), hop=st.integers(1, 9), samples=st.integers(1, 60))
def test_rows_are_linear_in_between_and_held_at_the_end(rows: int, hop: int, samples: int) -> None:
    values = torch.randn(2, 3, rows, generator=torch.Generator().manual_seed(rows))
    found = upsampled(values, hop, samples)
    assert found.shape == (2, 3, samples)
    for example in range(2):
        for number in range(3):
            line = values[example, number].numpy()
            wanted = np.interp(np.arange(samples) / hop, np.arange(rows), line)
            np.testing.assert_allclose(found[example, number].numpy(), wanted, atol=1e-5)


def test_rows_of_every_sample_are_left_as_they_are() -> None:
    values = torch.randn(2, 3, 40)
    assert upsampled(values, 1, 40) is values


def test_a_linear_map_may_come_first() -> None:
    values, matrix = torch.randn(2, 5, 4), torch.randn(3, 5)
    torch.testing.assert_close(
        matrix @ upsampled(values, 7, 25), upsampled(matrix @ values, 7, 25), rtol=1e-4, atol=1e-5
    )


def test_what_there_is_too_much_of_is_cut_and_what_is_missing_is_held() -> None:
    assert held(torch.tensor([1, 2, 3]), 2).tolist() == [1, 2]
    assert held(torch.tensor([1, 2, 3]), 5).tolist() == [1, 2, 3, 3, 3]


@pytest.mark.parametrize(("samples", "whole"), [(1, 8), (8, 8), (9, 16)])
def test_frames_are_filled_up_with_silence(samples: int, whole: int) -> None:
    filled = whole_frames(torch.ones(2, samples), 8)
    assert filled.shape == (2, whole)
    assert float(filled.sum()) == 2 * samples
    assert bool((filled[:, :samples] == 1).all())
