"""The network of the generative models: from levels and tokens heard to what each token may be.

The transformer of `transformer.py` with tokens beside the sound, and a perceptron of two layers
after it, whose outputs are scores of tokens in every band of a frame (Serrà et al. 2023, §3.2).
"""

from jaxtyping import Bool, Float, Integer
from torch import Tensor, nn

from soundstage.networks.transformer import (
    FrameTransformer,
    TokenInput,
    TransformerSize,
    two_layers,
)


class StereoTokens(nn.Module):
    """Scores of the tokens of each frame of a mid.

    Args:
        levels: numbers that describe a frame, near zero mean and unit deviation.
        tokens: kind of the tokens heard.
        classes: how many scores a band has, group by group: (248,) for the paper's fused tokens,
            (31, 8) for level difference and coherence apart, which is a sixth of the head.
        size: of the transformer.
        dropout: share of its branches that training hides.
    """

    def __init__(
        self,
        levels: int,
        tokens: TokenInput,
        classes: tuple[int, ...],
        size: TransformerSize,
        *,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.bands = tokens.bands
        self.transformer = FrameTransformer(levels, size, tokens=tokens, dropout=dropout)
        self.head = two_layers(size.width, tokens.bands * sum(classes), between=2 * size.width)

    def forward(
        self,
        levels: Float[Tensor, "batch frames levels"],
        tokens: Integer[Tensor, "batch frames bands"],
        deaf: Bool[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch frames bands scores"], ...]:
        """Scores before a softmax, one tensor for each group of `classes`.

        Args:
            levels: of the sound.
            tokens: those that are known; any other is the mask.
            deaf: examples that go without the sound, for guidance.
        """
        scores = self.head(self.transformer(levels, tokens, deaf))
        return scores.unflatten(-1, (self.bands, sum(self.classes))).split(self.classes, dim=-1)
