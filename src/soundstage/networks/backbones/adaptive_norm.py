"""Blocks that a vector steers: adaptive layer normalization from zero (adaLN-Zero).

After Peebles & Xie (2023, §3.2). A linear layer makes six vectors of silu(c), where c steers,

    (β₁, γ₁, α₁, β₂, γ₂, α₂) = A·silu(c) + a
    h ← h + α₁ · attention((1 + γ₁)·norm(h) + β₁)
    h ← h + α₂ · perceptron((1 + γ₂)·norm(h) + β₂)

and it is zero at first, so that every block begins as the identity. There may be one c for a whole
picture or one for every patch; as the blocks share silu(c), they are given it, not c.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.grid_attention import GridAttention, Rotation, Span


class ZeroLinear(nn.Linear):
    """A linear layer that is zero at first."""

    def reset_parameters(self) -> None:
        """Sets weights and offsets to zero."""
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


class AdaptiveBlock(nn.Module):
    """Attention and perceptron, both steered.

    Args:
        width: of a vector.
        heads: of the attention.
        expansion: of the perceptron.
        span: what is heard.
    """

    def __init__(self, width: int, heads: int, expansion: int, span: Span) -> None:
        super().__init__()
        self.modulation = ZeroLinear(width, 6 * width)
        self.attention = GridAttention(width, heads, span)
        self.mixing = nn.Sequential(
            nn.Linear(width, expansion * width),
            nn.GELU(approximate="tanh"),
            nn.Linear(expansion * width, width),
        )

    def forward(
        self,
        hidden: Float[Tensor, "batch rows columns width"],
        steering: Float[Tensor, "batch _ _ width"],
        rotation: Rotation | None = None,
    ) -> Float[Tensor, "batch rows columns width"]:
        """The next hidden state; `steering` is silu(c), with one row and column for all or each."""
        beta, gamma, alpha, beta_2, gamma_2, alpha_2 = self.modulation(steering).chunk(6, dim=-1)
        hidden = hidden + alpha * self.attention(_modulated(hidden, beta, gamma), rotation)
        return hidden + alpha_2 * self.mixing(_modulated(hidden, beta_2, gamma_2))


class AdaptiveOutput(nn.Module):
    """The last layer, W·((1 + γ)·norm(h) + β), zero at first.

    Args:
        width: of a vector.
        outputs: numbers that it makes of each.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.modulation = ZeroLinear(width, 2 * width)
        self.out = ZeroLinear(width, outputs)

    def forward(
        self,
        hidden: Float[Tensor, "batch rows columns width"],
        steering: Float[Tensor, "batch _ _ width"],
    ) -> Float[Tensor, "batch rows columns outputs"]:
        """Of every vector; `steering` as for a block."""
        beta, gamma = self.modulation(steering).chunk(2, dim=-1)
        return self.out(_modulated(hidden, beta, gamma))


def _modulated(hidden: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
    return (1 + gamma) * F.layer_norm(hidden, hidden.shape[-1:], eps=1e-6) + beta
