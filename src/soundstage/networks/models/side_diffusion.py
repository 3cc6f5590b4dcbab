"""The network of the method `diffusion`: the side's picture out of noise, given the mid.

A diffusion transformer (`dit.py`) over the tiles of `stereo.side_picture`: its vectors are of a few
positions and bands, hear in turn all bands of their moment and all moments of their bands, and are
told a style. The condition is what each tile hears of the sound around it (`tile_hearing.py`), and
which band it is in, since neither that nor rotary positions say so.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from soundstage.networks.backbones.dit import DiT, DiTSize
from soundstage.networks.backbones.local_conditioning import TileHearing, TileInput

HEARD = 24  # numbers that a tile is told of the sound around it
TIME_SCALE = 1000  # from times between 0 and 1 to those that the transformer tells apart


class SideDiffusion(nn.Module):
    """What a model of diffusion says of a noisy picture of the side.

    Args:
        channels: of the picture.
        size: of the transformer.
        vector: positions and bands of one of its vectors.
        tiles: what tiles hear.
        style: numbers of a style, 0 for none.

    Raises:
        ValueError: the numbers make no network.
    """

    def __init__(
        self,
        channels: int,
        size: DiTSize,
        *,
        vector: tuple[int, int],
        tiles: TileInput,
        style: int = 0,
    ) -> None:
        super().__init__()
        self.hearing = TileHearing(tiles, HEARD)
        self.bands = nn.Parameter(torch.zeros(HEARD, 1, len(tiles.bands)))
        self.transformer = DiT(
            channels,
            size,
            patch=vector,
            condition_channels=HEARD,
            condition="concatenate",
            style=style,
            positions="rotary",
            attention="axial",
        )

    def hear(
        self, levels: Float[Tensor, "batch positions levels"]
    ) -> Float[Tensor, "batch heard positions bands"]:
        """What the tiles are told, which is the same at every time of the diffusion."""
        return self.hearing(levels).movedim(-1, 1) + self.bands

    def forward(
        self,
        noisy: Float[Tensor, "batch channels bands positions"],
        time: Float[Tensor, " batch"],
        heard: Float[Tensor, "batch heard positions bands"],
        deaf: Bool[Tensor, " batch"] | None = None,
        style: Float[Tensor, "batch style"] | None = None,
    ) -> Float[Tensor, "batch channels bands positions"]:
        """The target of its training, of every example.

        Args:
            noisy: the state.
            time: of the diffusion, from 0 to 1.
            heard: as `hear` gives it.
            deaf: examples that go without the sound and the style, for guidance.
            style: of every example; NaN leaves a number open.
        """
        told = self.transformer(
            noisy.transpose(-1, -2), TIME_SCALE * time, heard, deaf, style=style
        )
        return told.transpose(-1, -2)
