"""Residual blocks over spectrograms, and changes of their resolution.

    x ← x + K₂·silu((1 + γ)·norm(K₁·silu(norm(x))) + β)

K₁ and K₂ are 3 × 3 convolutions, K₂ zero at first, so that a block starts as the identity; γ and β
are linear in a conditioning vector, if there is one (Dhariwal and Nichol, NeurIPS 2021, §3.1). The
norm is layer normalization over the channels of each position instead of group normalization over
the whole image (Ho et al., NeurIPS 2020): the result does not depend on how long the sound is, and
silence after an event leaves the event alone.

Resolution changes without loss of information by moving pixels to channels and back (Shi et al.,
CVPR 2016), with a 1 × 1 convolution for the number of channels.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


class ChannelNorm(nn.Module):
    """Layer normalization over the channels of each position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(
        self, x: Float[Tensor, "batch channels rows frames"]
    ) -> Float[Tensor, "batch channels rows frames"]:
        """Zero mean and unit variance over channels, scaled and shifted."""
        y: Tensor = self.norm(x.permute(0, 2, 3, 1))  # a view of memory in channels_last
        return y.permute(0, 3, 1, 2)


class ResidualBlock2d(nn.Module):
    """Two 3 × 3 convolutions beside the identity, or beside a 1 × 1 convolution.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        cond_dim: of the conditioning vector; 0 for none.
    """

    def __init__(self, in_channels: int, out_channels: int, cond_dim: int = 0) -> None:
        super().__init__()
        self.norm_in = ChannelNorm(in_channels)
        self.conv_in = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.modulation = nn.Linear(cond_dim, 2 * out_channels) if cond_dim else None
        self.norm_out = ChannelNorm(out_channels)
        self.conv_out = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)
        nn.init.zeros_(self.conv_out.weight)

    def forward(
        self,
        x: Float[Tensor, "batch in_channels rows frames"],
        cond: Float[Tensor, "batch cond_dim"] | None = None,
    ) -> Float[Tensor, "batch out_channels rows frames"]:
        """The block; `cond` is given if and only if the block has a `cond_dim`."""
        y = self.norm_out(self.conv_in(F.silu(self.norm_in(x))))
        if self.modulation is not None:
            assert cond is not None
            scale, shift = self.modulation(F.silu(cond))[..., None, None].chunk(2, dim=1)
            y = torch.addcmul(shift, y, 1 + scale)
        y = self.conv_out(F.silu(y))
        result: Tensor = self.skip(x) + y
        return result


class Downsample2d(nn.Module):
    """A 1 × 1 convolution of patches: `factor` rows and frames become one.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        factor: of rows and of frames.
    """

    def __init__(self, in_channels: int, out_channels: int, factor: tuple[int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, factor, stride=factor)

    def forward(
        self, x: Float[Tensor, "batch in_channels rows frames"]
    ) -> Float[Tensor, "batch out_channels fewer_rows fewer_frames"]:
        """The patches; rows and frames are multiples of the factors."""
        y: Tensor = self.conv(x)
        return y


class Upsample2d(nn.Module):
    """A 1 × 1 convolution to patches of `factor` rows and frames.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        factor: of rows and of frames.
    """

    def __init__(self, in_channels: int, out_channels: int, factor: tuple[int, int]) -> None:
        super().__init__()
        self.factor = factor
        rows, frames = factor
        self.conv = nn.Conv2d(in_channels, out_channels * rows * frames, 1)

    def forward(
        self, x: Float[Tensor, "batch in_channels rows frames"]
    ) -> Float[Tensor, "batch out_channels more_rows more_frames"]:
        """The image whose patches the convolution makes."""
        rows, frames = self.factor
        patches = self.conv(x).unflatten(1, (-1, rows, frames))  # (batch, out, r, f, rows, frames)
        return patches.permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
