"""VGGish: a convolutional network over log-mel patches of about one second (Hershey et al., 2017).

Configuration A of VGG without its last group of convolutions: six 3 × 3 convolutions in four
groups, each group followed by 2 × 2 maximum pooling, then three dense layers down to 128 features.
Tensors have the names of the PyTorch port torchvggish, `features.N` and `embeddings.N`.
"""

from jaxtyping import Float
from torch import Tensor, nn

PATCH_FRAMES = 96
PATCH_BANDS = 64
GROUPS = ((1,), (2,), (4, 4), (8, 8))  # convolutions of a group, in multiples of the width
POOLED = (PATCH_FRAMES // 16) * (PATCH_BANDS // 16)  # size after four poolings


class VGGish(nn.Module):
    """The embedding of a log-mel patch.

    The last layer has no activation here: `embeddings.5` of the port, a ReLU, is left out, as in
    Google's definition, whose embedding is "pre-activation", and in the measure built on it.

    Args:
        width: channels of the first convolution. 64 is the published network of 72,141,184
            parameters; all other layers are multiples.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.embedding_dim = 2 * width
        layers: list[nn.Module] = []
        channels = 1
        for group in GROUPS:
            for multiple in group:
                layers += [nn.Conv2d(channels, multiple * width, 3, padding=1), nn.ReLU()]
                channels = multiple * width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(POOLED * channels, 64 * width),
            nn.ReLU(),
            nn.Linear(64 * width, 64 * width),
            nn.ReLU(),
            nn.Linear(64 * width, self.embedding_dim),
        )

    def forward(self, patches: Float[Tensor, "batch 96 64"]) -> Float[Tensor, "batch dim"]:
        """Embeddings of patches: natural logarithms, frames by mel bands."""
        maps = self.features(patches[:, None])
        # The dense layers were trained on channels in the last dimension
        return self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))
