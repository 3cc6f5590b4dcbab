"""What every tile hears of the sound around it: a small convolution over bands and frames.

A transformer that hears a frame as one vector has to learn band by band that a band is louder now
than it was, and how that goes with its place. Most of what the mid tells of a tile is of this kind:
a dip beside loud neighbors is where left and right cancel, a tail between two notes is wide, an
onset is one source at one place. Here all bands learn it together, from two numbers a tile,

    its level over the mean of its band, and over the mean of all bands

over the frames that are heard at once, which do not change with the gain. A convolution over
`REACH` tiles each way and a second layer make a vector of each tile's neighborhood.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

REACH = (3, 6)  # bands and frames around a tile that it hears, each way
OVER_BAND, OVER_ALL = 10.0, 20.0  # dB, about the deviations of the two numbers
_NOTHING = 1e-10


class TileInput(NamedTuple):
    """What a network needs to hear tiles."""

    bands: Float[Tensor, "bands levels"]
    """Energy of each band from those of the levels."""
    channels: int
    """Numbers that describe a neighborhood."""


class TileHearing(nn.Module):
    """Vectors of tiles.

    Args:
        heard: what is heard.
        outputs: length of a vector.
    """

    def __init__(self, heard: TileInput, outputs: int) -> None:
        super().__init__()
        self.bands: Tensor
        self.register_buffer("bands", heard.bands, persistent=False)
        bands, frames = REACH
        around = (2 * bands + 1, 2 * frames + 1)
        self.around = nn.Conv2d(2, heard.channels, around, padding=REACH)
        self.mixing = nn.Linear(heard.channels, outputs)

    def forward(
        self,
        levels: Float[Tensor, "batch frames levels"],
        deaf: Bool[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch frames bands outputs"]:
        """Of all frames that are heard at once.

        Args:
            levels: in dB.
            deaf: examples that go without the sound, whose vectors are zero.
        """
        energy = F.linear(10 ** (levels.float() / 10), self.bands)
        decibels = 10 * (energy + _NOTHING).log10().transpose(1, 2)
        over_band = (decibels - decibels.mean(dim=-1, keepdim=True)) / OVER_BAND
        over_all = (decibels - decibels.mean(dim=(-2, -1), keepdim=True)) / OVER_ALL
        around = self.around(torch.stack([over_band, over_all], dim=1))
        heard = self.mixing(F.gelu(around).permute(0, 3, 2, 1))
        return heard if deaf is None else heard.masked_fill(deaf[:, None, None, None], 0.0)
