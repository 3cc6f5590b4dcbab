"""A transformer over frames: the levels of a sound in, one vector a frame out.

After Serrà et al. (2023, §3.2). A frame enters as

    H = φ(S) + Σ_i ξ_i(Q_i)

where S are its levels in bands, φ a perceptron of two layers, Q_i the token of band i and ξ_i the
embedding of that band; the sum is there only for networks that also hear tokens, each of which
may be masked. Sinusoidal positions are added, then come blocks of attention and perceptron, each
normalised before (pre-norm) and added to what it read. Where a whole example is to go without the
sound, φ(S) is replaced by one learnt vector (classifier-free guidance).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

PERIOD = 10_000.0  # frames in 2π of the slowest position wave (Vaswani et al. 2017, §3.5)


@dataclass(frozen=True)
class TransformerSize:
    """How large a `FrameTransformer` is; the defaults are the paper's.

    Raises:
        ValueError: the heads do not share the width evenly, or it is odd.
    """

    blocks: int = 7
    width: int = 512
    heads: int = 16
    expansion: int = 3
    """Of the perceptron inside a block."""

    def __post_init__(self) -> None:
        if min(self.blocks, self.width, self.heads, self.expansion) < 1:
            raise ValueError("a size is made of numbers from 1 up")
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"{self.heads} heads cannot share a width of {self.width}")


@dataclass(frozen=True)
class TokenInput:
    """The tokens that a network hears beside the sound."""

    bands: int
    """Tokens a frame."""
    classes: int
    """Values of a token; the number `classes` itself is the mask."""


class FrameTransformer(nn.Module):
    """Hidden states of frames.

    Args:
        levels: numbers that describe the sound of a frame, near zero mean and unit deviation.
        size: of the network.
        tokens: where it hears tokens too, of what kind.
        dropout: share of every branch that training hides.
    """

    def __init__(
        self,
        levels: int,
        size: TransformerSize,
        *,
        tokens: TokenInput | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.size = size
        self.sound = two_layers(levels, size.width)
        self.no_sound = nn.Parameter(0.02 * torch.randn(size.width))
        self.tokens = tokens
        if tokens:
            self.embedding = nn.Embedding(tokens.bands * (tokens.classes + 1), size.width)
            nn.init.normal_(self.embedding.weight, std=1 / math.sqrt(tokens.bands))
        self.blocks = nn.ModuleList(_Block(size, dropout) for _ in range(size.blocks))
        self.norm = nn.LayerNorm(size.width)

    def forward(
        self,
        levels: Float[Tensor, "batch frames levels"],
        tokens: Integer[Tensor, "batch frames bands"] | None = None,
        deaf: Bool[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch frames width"]:
        """The last hidden state, normalised.

        Args:
            levels: of the sound.
            tokens: 0 to `classes`, for networks that hear tokens.
            deaf: examples that go without the sound.
        """
        hidden = self.sound(levels)
        if deaf is not None:
            hidden = torch.where(deaf[:, None, None], self.no_sound.to(hidden.dtype), hidden)
        if tokens is not None:
            hidden = hidden + self._embed(tokens)
        hidden = hidden + positions(levels.shape[1], self.size.width).to(hidden)
        for block in self.blocks:
            hidden = block(hidden)
        return self.norm(hidden)

    def _embed(
        self, tokens: Integer[Tensor, "batch frames bands"]
    ) -> Float[Tensor, "batch frames width"]:
        """Σ_i ξ_i(Q_i), out of one table in which each band has its own rows."""
        assert self.tokens is not None
        first = torch.arange(self.tokens.bands, device=tokens.device) * (self.tokens.classes + 1)
        rows = (tokens.long() + first).flatten(0, 1)
        summed = F.embedding_bag(rows, self.embedding.weight, mode="sum")
        return summed.unflatten(0, tokens.shape[:2])


class _Block(nn.Module):
    def __init__(self, size: TransformerSize, dropout: float) -> None:
        super().__init__()
        width = size.width
        self.heads, self.dropout = size.heads, dropout
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.mixing_norm = nn.LayerNorm(width)
        self.mixing = nn.Sequential(
            nn.Linear(width, size.expansion * width),
            nn.GELU(),
            nn.Linear(size.expansion * width, width),
        )

    def forward(self, hidden: Float[Tensor, "batch frames width"]) -> Tensor:
        hidden = hidden + self._hide(self.attention_out(self._attend(self.attention_norm(hidden))))
        return hidden + self._hide(self.mixing(self.mixing_norm(hidden)))

    def _attend(self, x: Tensor) -> Tensor:
        parts = self.queries_keys_values(x).unflatten(-1, (3, self.heads, -1))
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # each (batch, heads, frames, width)
        return F.scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2)

    def _hide(self, branch: Tensor) -> Tensor:
        return F.dropout(branch, self.dropout, self.training)


def two_layers(inputs: int, outputs: int, *, between: int | None = None) -> nn.Sequential:
    """A perceptron of two layers, twice as wide between them as at its output unless told.

    For an output head of a wide hidden state pass `between=2 * width`.
    """
    between = between or 2 * outputs
    return nn.Sequential(nn.Linear(inputs, between), nn.GELU(), nn.Linear(between, outputs))


def positions(frames: int, width: int) -> Float[Tensor, "frames width"]:
    """Sines, then cosines, of waves whose lengths grow from 2π to 2π·`PERIOD` frames."""
    rates = PERIOD ** -(torch.arange(width // 2) / (width // 2))
    angles = torch.arange(frames)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
