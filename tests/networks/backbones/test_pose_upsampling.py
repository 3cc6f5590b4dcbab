import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.networks.backbones.pose_upsampling import hold_last, pad_to_multiple, upsample


@given(poses=st.integers(1, 6), hop=st.integers(1, 9), samples=st.integers(1, 60))
def test_values_are_linear_between_poses_and_held_after_the_last(poses, hop, samples):
    values = torch.randn(2, poses, generator=torch.Generator().manual_seed(poses))
    found = upsample(values, hop, samples)
    for line, expected in zip(found.numpy(), values.numpy(), strict=True):
        times = np.arange(samples) / hop
        np.testing.assert_allclose(line, np.interp(times, np.arange(poses), expected), atol=1e-5)


def test_poses_are_cut_or_the_last_one_is_held():
    assert hold_last(torch.tensor([1, 2, 3]), 2).tolist() == [1, 2]
    assert hold_last(torch.tensor([1, 2, 3]), 5).tolist() == [1, 2, 3, 3, 3]


@pytest.mark.parametrize(("samples", "padded"), [(1, 8), (8, 8), (9, 16)])
def test_signals_are_padded_with_silence(samples, padded):
    found = pad_to_multiple(torch.ones(2, samples), 8)
    assert found.shape == (2, padded)
    assert bool((found[:, :samples] == 1).all())
    assert not found[:, samples:].any()
