"""The network of PS-Reg: from levels of the mid to intensity differences and coherences.

The transformer of `transformer.py` without tokens, followed by a perceptron of two layers with an
expansion of 2 (Serrà et al. 2023, §3.2 and §4.1).
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from soundstage.networks.backbones.transformer import FrameTransformer, TransformerConfig, mlp
from soundstage.weights.config import bounded


@dataclass(frozen=True, kw_only=True)
class StereoRegressionConfig(TransformerConfig):
    """Config of a `StereoRegression`."""

    family: ClassVar[str] = "regression"

    n_outputs: int = bounded(1, 4096)
    """Outputs of a frame."""
    context_frames: int = bounded(8, 8192, 256)
    """Frames of a training example."""

    def build(self) -> "StereoRegression":
        """The network, with random weights."""
        return StereoRegression(self)


class StereoRegression(nn.Module):
    """Outputs for each frame of a mid."""

    def __init__(self, config: StereoRegressionConfig) -> None:
        super().__init__()
        self.transformer = FrameTransformer(config)
        self.head = mlp(config.dim, config.n_outputs, hidden=2 * config.dim)

    def forward(
        self, levels: Float[Tensor, "batch frames levels"]
    ) -> Float[Tensor, "batch frames outputs"]:
        """Outputs of every frame, given all frames of its example; levels in dB."""
        return self.head(self.transformer(levels))
