"""Cnn14 of PANNs: a deep convolutional tagger over log-mel spectrograms (Kong et al., 2020).

Six blocks of two 3 × 3 convolutions with batch normalization, five of them followed by 2 × 2 mean
pooling; the mean over bands, the mean plus the maximum over time, and one dense layer with a ReLU,
whose 2048 outputs are the embedding. Tensors have the names of the published
`Cnn14_mAP=0.431.pth`; its last layer, with the logits of the 527 classes of AudioSet, is left out.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

MEL_BANDS = 64
BLOCKS = (1, 2, 4, 8, 16, 32)  # channels, in multiples of the width
MIN_FRAMES = 32  # five poolings leave one


class ConvBlock(nn.Module):
    """Two convolutions, each with batch normalization and a ReLU."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out_channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(
        self, maps: Float[Tensor, "batch channels frames bands"]
    ) -> Float[Tensor, "batch out frames bands"]:
        """Feature maps of the same size."""
        maps = F.relu(self.bn1(self.conv1(maps)))
        return F.relu(self.bn2(self.conv2(maps)))


class Cnn14(nn.Module):
    """The embedding of a log-mel spectrogram.

    Args:
        width: channels of the first block. 64 is the published network of 79,673,792 parameters
            without its class logits; all other layers but the mel bands are multiples.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.embedding_dim = BLOCKS[-1] * width
        self.bn0 = nn.BatchNorm2d(MEL_BANDS)
        channels = 1
        for number, multiple in enumerate(BLOCKS, start=1):
            self.add_module(f"conv_block{number}", ConvBlock(channels, multiple * width))
            channels = multiple * width
        self.fc1 = nn.Linear(self.embedding_dim, self.embedding_dim)

    def forward(self, spectrograms: Float[Tensor, "batch frames 64"]) -> Float[Tensor, "batch dim"]:
        """Embeddings of spectrograms in decibels, of at least `MIN_FRAMES` frames."""
        # bn0 normalizes each mel band, so the bands take the place of its channels
        maps = self.bn0(spectrograms.transpose(1, 2)[..., None]).transpose(1, 3)
        for number in range(1, len(BLOCKS) + 1):
            maps = self.get_submodule(f"conv_block{number}")(maps)
            if number < len(BLOCKS):
                maps = F.avg_pool2d(maps, 2)
        over_time = maps.mean(dim=3)
        return torch.relu(self.fc1(over_time.amax(dim=2) + over_time.mean(dim=2)))
