"""Patches: a picture of any extent as a grid of vectors, and back.

A picture is (channels, time, frequency); zeros fill it up to whole patches at the end of both axes,
and the way back cuts them off. A row of the grid is one time, a column one frequency. A vector
holds one patch, channel by channel, so that a linear layer W over vectors is the strided
convolution of Peebles & Xie (2023, §3.2):

    W·patch(i, j) = conv2d(picture, W, stride = patch)[:, i, j]
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def cut_into_patches(
    pictures: Float[Tensor, "batch channels time frequency"], patch: tuple[int, int]
) -> Float[Tensor, "batch rows columns channels*patch_time*patch_frequency"]:
    """Vectors of all patches.

    Args:
        pictures: of any extent.
        patch: its extent in time and frequency.
    """
    time, frequency = patch
    missing_time, missing_frequency = -pictures.shape[2] % time, -pictures.shape[3] % frequency
    whole = F.pad(pictures, (0, missing_frequency, 0, missing_time))
    tiles = whole.unflatten(3, (-1, frequency)).unflatten(2, (-1, time))
    return tiles.permute(0, 2, 4, 1, 3, 5).flatten(3)


def put_together(
    patches: Float[Tensor, "batch rows columns channels*patch_time*patch_frequency"],
    patch: tuple[int, int],
    extent: tuple[int, int],
) -> Float[Tensor, "batch channels time frequency"]:
    """The pictures that `cut_into_patches` cuts into these.

    Args:
        patches: vectors of all patches.
        patch: its extent in time and frequency.
        extent: of a picture.
    """
    tiles = patches.unflatten(3, (-1, *patch)).permute(0, 3, 1, 4, 2, 5)
    return tiles.flatten(4, 5).flatten(2, 3)[:, :, : extent[0], : extent[1]]
