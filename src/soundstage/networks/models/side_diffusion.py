"""The network of the method `diffusion`: parameters of the side from noise, given the mid.

A diffusion transformer (`dit.py`) over the image of `stereo.side_parameters`, with axial attention,
rotary positions and a style. The condition is the local conditioning from the mid
(`local_conditioning.py`) plus an embedding of the band, which neither that nor rotary positions
provide.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from soundstage.diffusion import NoiseOffsets
from soundstage.networks.backbones.dit import DiT, DiTConfig
from soundstage.networks.backbones.local_conditioning import LocalConditioning
from soundstage.weights.config import bounded

TIME_SCALE = 1000  # from times between 0 and 1 to those of the transformer
OFFSETS = NoiseOffsets(rows=(0.2, 0.14), channels=(0.2, 0.08))
"""Offset noise of level and direction. Levels of whole clips differ as much from one another
(deviation 0.62) as those of tiles within one (0.62), half of it alike in all bands; directions less
(0.48, 0.88)."""


@dataclass(frozen=True, kw_only=True)
class SideDiffusionConfig(DiTConfig):
    """Config of a `SideDiffusion`."""

    family: ClassVar[str] = "diffusion"

    channels: int = bounded(1, 64, 2)
    """Of the image."""
    n_levels: int = bounded(1, 4096, 128)
    """Levels of a frame of the mid."""
    n_bands: int = bounded(1, 256, 34)
    """Bands of the image."""
    cond_channels: int = bounded(1, 4096)
    """Of the convolution of the local conditioning."""
    cond_dim: int = bounded(1, 4096, 24)
    """Channels of the condition."""
    style_dim: int = bounded(0, 256, 0)
    """0: no style."""
    context_frames: int = bounded(8, 4096)
    """Frames of the network that it makes at once."""
    stride: int = bounded(1, 8, 1)
    """Frames of the stereo parameters from one frame of the network to the next."""

    def build(self) -> "SideDiffusion":
        """The network, with random weights."""
        return SideDiffusion(self)


class SideDiffusion(nn.Module):
    """The training target, the flow, for a noisy image of the side."""

    def __init__(self, config: SideDiffusionConfig) -> None:
        super().__init__()
        self.encoder = LocalConditioning(
            config.n_levels, config.n_bands, config.cond_channels, config.cond_dim
        )
        self.band_embedding = nn.Parameter(torch.zeros(config.cond_dim, 1, config.n_bands))
        self.transformer = DiT(
            config,
            config.channels,
            cond_channels=config.cond_dim,
            conditioning="concatenate",
            style_dim=config.style_dim,
            positions="rotary",
            attention="axial",
        )

    def encode(
        self, levels: Float[Tensor, "batch frames levels"]
    ) -> Float[Tensor, "batch cond_dim frames bands"]:
        """The condition, which is the same at all times of the diffusion; levels in dB."""
        return self.encoder(levels).movedim(-1, 1) + self.band_embedding

    def forward(
        self,
        noisy: Float[Tensor, "batch channels bands frames"],
        time: Float[Tensor, " batch"],
        cond: Float[Tensor, "batch cond_dim frames bands"],
        uncond: Bool[Tensor, " batch"] | None = None,
        style: Float[Tensor, "batch style"] | None = None,
    ) -> Float[Tensor, "batch channels bands frames"]:
        """The training target.

        Args:
            noisy: the state.
            time: of the diffusion, from 0 to 1.
            cond: the result of `encode`.
            uncond: examples without condition and style, for guidance.
            style: NaN leaves an element open.
        """
        output = self.transformer(
            noisy.transpose(-1, -2), TIME_SCALE * time, cond, uncond, style=style
        )
        return output.transpose(-1, -2)
