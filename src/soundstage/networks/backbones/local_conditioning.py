"""Local conditioning: a vector for every band and frame from the mid around it.

A transformer with one vector a frame has to learn for each band separately how its stereo image
follows from its level. Most of that is local and the same in all bands: a dip beside loud neighbors
is where left and right cancel, a tail between two notes is wide, an onset is one source at one
place. Here all bands share it, from two features that do not change with the gain,

    level − mean level of the band,    level − mean level of all bands

over the frames of the example. A convolution over `RADIUS` bands and frames on either side and a
second layer give the vectors.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

RADIUS = (3, 6)  # bands and frames on either side
BAND_STD, ALL_STD = 10.0, 20.0  # dB, about the deviations of the two features
_MIN_ENERGY = 1e-10


class LocalConditioning(nn.Module):
    """Vectors of bands and frames.

    Args:
        n_levels: levels of a frame.
        n_bands: bands of the output.
        channels: of the convolution.
        dim: of a vector.

    Attributes:
        band_weights: (bands, levels), share of the energy of each level in each band. A constant of
            the analysis that training sets and files keep; NaN until then.
    """

    def __init__(self, n_levels: int, n_bands: int, channels: int, dim: int) -> None:
        super().__init__()
        self.band_weights: Tensor
        self.register_buffer("band_weights", torch.full((n_bands, n_levels), torch.nan))
        bands, frames = RADIUS
        kernel = (2 * bands + 1, 2 * frames + 1)
        self.conv = nn.Conv2d(2, channels, kernel, padding=RADIUS)
        self.proj = nn.Linear(channels, dim)

    def forward(
        self,
        levels: Float[Tensor, "batch frames levels"],
        uncond: Bool[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch frames bands dim"]:
        """Of all frames of an example.

        Args:
            levels: in dB.
            uncond: examples with zeros in place of their vectors, for guidance.
        """
        energy = F.linear(10 ** (levels.float() / 10), self.band_weights)
        decibels = 10 * (energy + _MIN_ENERGY).log10().transpose(1, 2)
        over_band = (decibels - decibels.mean(dim=-1, keepdim=True)) / BAND_STD
        over_all = (decibels - decibels.mean(dim=(-2, -1), keepdim=True)) / ALL_STD
        hidden = self.conv(torch.stack([over_band, over_all], dim=1))
        cond = self.proj(F.gelu(hidden).permute(0, 3, 2, 1))
        return cond if uncond is None else cond.masked_fill(uncond[:, None, None, None], 0.0)
