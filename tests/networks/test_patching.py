import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from soundstage.networks.backbones.patching import cut_into_patches, put_together

EXTENTS = st.integers(1, 12)


def pictures(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@settings(max_examples=50)
@given(time=EXTENTS, frequency=EXTENTS, patch=st.tuples(st.integers(1, 5), st.integers(1, 5)))
def test_any_picture_comes_back_from_its_patches(time, frequency, patch):
    before = pictures(2, 3, time, frequency)
    patches = cut_into_patches(before, patch)
    assert patches.shape == (
        2,
        -(-time // patch[0]),
        -(-frequency // patch[1]),
        3 * patch[0] * patch[1],
    )
    assert torch.equal(put_together(patches, patch, (time, frequency)), before)


@pytest.mark.parametrize("patch", [(1, 1), (4, 3), (2, 6)])
def test_a_linear_layer_over_patches_is_a_strided_convolution(patch):
    weight = pictures(5, 3, *patch)
    wanted = F.conv2d(pictures(2, 3, 8, 12), weight, stride=patch).permute(0, 2, 3, 1)
    found = F.linear(cut_into_patches(pictures(2, 3, 8, 12), patch), weight.flatten(1))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_a_patch_holds_its_channels_one_after_another():
    found = cut_into_patches(pictures(1, 2, 8, 9), (4, 3))
    assert torch.equal(found[0, 1, 2], pictures(1, 2, 8, 9)[0, :, 4:8, 6:9].flatten())


def test_zeros_stand_where_a_picture_ends_before_its_patches():
    filled = torch.zeros(1, 2, 8, 9)
    filled[:, :, :5, :7] = pictures(1, 2, 5, 7)
    short = filled[:, :, :5, :7]
    assert torch.equal(cut_into_patches(short, (4, 3)), cut_into_patches(filled, (4, 3)))
