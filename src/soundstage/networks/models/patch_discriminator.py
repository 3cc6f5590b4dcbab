"""PatchGAN: a discriminator that judges every patch of a spectrogram by itself.

A short stack of strided convolutions whose output is one logit for each position, each with a
limited receptive field (Isola et al., CVPR 2017, §3.2.2). It judges texture, while the other terms
of a loss judge the whole. The first layer works on patches of 4 × 4 pixels, as a convolution of few
channels at full resolution is slow; the frequency of a row is a further channel, as what is real at
100 Hz is not at 5 kHz.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils.parametrizations import spectral_norm

PATCH = 4  # pixels of the first layer, in both directions
SLOPE = 0.2  # of the leaky rectifiers


class PatchDiscriminator(nn.Module):
    """Logits of patches; above 0 for real ones.

    Args:
        in_channels: of the spectrograms.
        channels: of each layer; from the second on a layer halves both axes. Layers have spectral
            normalization (Miyato et al., ICLR 2018), which needs no statistics of a batch.
    """

    def __init__(self, in_channels: int, channels: tuple[int, ...] = (48, 64, 96)) -> None:
        super().__init__()
        first = nn.Conv2d(in_channels + 1, channels[0], PATCH, stride=PATCH)
        later = [nn.Conv2d(*pair, 4, stride=2, padding=1) for pair in pairwise(channels)]
        self.layers = nn.ModuleList(spectral_norm(layer) for layer in (first, *later))
        self.head = spectral_norm(nn.Conv2d(channels[-1], 1, 3, padding=1))

    def forward(
        self, x: Float[Tensor, "batch channels rows frames"]
    ) -> Float[Tensor, "batch 1 patch_rows patch_frames"]:
        """Logits of spectrograms of at least 8 rows and frames a layer."""
        row = torch.linspace(-1, 1, x.shape[2], device=x.device)[None, None, :, None]
        x = torch.cat([x, row.expand(x.shape[0], -1, -1, x.shape[3])], dim=1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
        logits: Tensor = self.head(x)
        return logits
