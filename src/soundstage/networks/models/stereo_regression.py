"""The network of PS-Reg: from levels of the mid to level differences and coherences.

The transformer of `transformer.py` without tokens, and a perceptron of two layers with an
expansion of 2 after it (Serrà et al. 2023, §3.2 and §4.1).
"""

from jaxtyping import Float
from torch import Tensor, nn

from soundstage.networks.backbones.transformer import FrameTransformer, TransformerConfig, mlp

CENTER, SPREAD = -58.0, 20.0  # dB, about the mean and the deviation of a band in music


class StereoRegression(nn.Module):
    """Numbers for each frame of a mid.

    Args:
        levels: bands that describe a frame, in dB.
        outputs: numbers a frame.
        size: of the transformer.
        dropout: share of its branches that training hides.
    """

    def __init__(
        self, levels: int, outputs: int, size: TransformerConfig, *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.transformer = FrameTransformer(levels, size, dropout=dropout)
        self.head = mlp(size.width, outputs, between=2 * size.width)

    def forward(
        self, levels: Float[Tensor, "batch frames levels"]
    ) -> Float[Tensor, "batch frames outputs"]:
        """Of every frame, seen with all the others of its example."""
        return self.head(self.transformer((levels - CENTER) / SPREAD))
