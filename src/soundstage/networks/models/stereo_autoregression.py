"""The network of `autoregressive` (PS-AR) in its fast form: one pass a frame, one small one a band.

The paper's order (Serrà et al. 2023, §3.2): the bands of a frame from low to high, then the next
frame. There the whole network runs once a band. Here a causal transformer runs once a frame: it
hears the levels up to the present and the tokens up to the frame before, and remembers what it
computed of the past. What it says of a frame, h, goes to a small head that every band of it shares:

    x_i = A·h + b_i + Σ_{j<i} ξ_j(Q_j) + ζ(Q_{i−1}) + η(Q_i of the frame before)
    scores of band i = shared matrix · norm(x_i + perceptron(norm(x_i))) + offsets of band i

so that a band hears all lower bands of its frame, that just below it and its own past best. Where
the network hears tiles (`tile_hearing.py`), what each one hears, after it too, is added to its x.
"""

import math

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor, nn

from soundstage.networks.backbones.local_conditioning import TileHearing, TileInput
from soundstage.networks.backbones.transformer import (
    FrameTransformer,
    KVCache,
    MemoryInput,
    TokenEmbedding,
    TokenInput,
    TransformerConfig,
    mlp,
)
from soundstage.networks.models.stereo_regression import CENTER, SPREAD


class StereoAutoregression(nn.Module):
    """Scores of tokens, each given those before it.

    Args:
        levels: bands that describe a frame, in dB.
        tokens: kind of the tokens heard and told.
        size: of the transformer.
        width: of the head.
        style: numbers of a style, 0 for none.
        memory: where it has one, of what kind.
        tiles: where each tile hears the sound around it, of what kind.
        dropout: share of the transformer's branches that training hides.
    """

    def __init__(
        self,
        levels: int,
        tokens: TokenInput,
        size: TransformerConfig,
        *,
        width: int = 128,
        style: int = 0,
        memory: MemoryInput | None = None,
        tiles: TileInput | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.transformer = FrameTransformer(
            levels, size, tokens=tokens, style=style, memory=memory, causal=True, dropout=dropout
        )
        self.head = BandByBand(size.width, tokens, width)
        self.hearing = TileHearing(tiles, width) if tiles else None

    def forward(
        self,
        levels: Float[Tensor, "batch frames levels"],
        tokens: Integer[Tensor, "batch frames bands"],
        deaf: Bool[Tensor, " batch"] | None = None,
        *,
        style: Float[Tensor, "batch style"] | None = None,
        memory: Float[Tensor, "batch stretches numbers"] | None = None,
        before: Integer[Tensor, "batch bands"] | None = None,
    ) -> Float[Tensor, "batch frames bands classes"]:
        """Scores before a softmax of every token, given the true ones before it.

        Args:
            levels: of the sound.
            tokens: the true ones.
            deaf: examples that go without the sound and the style, for guidance.
            style: of every example; NaN leaves a number open.
            memory: of every example; NaN where there is nothing to remember.
            before: tokens of the frame before the first; masked unless told.
        """
        if before is None:
            before = torch.full_like(tokens[:, 0], self.tokens.classes)
        shifted = torch.cat([before[:, None], tokens[:, :-1]], dim=1)
        hidden = self.transformer(
            (levels - CENTER) / SPREAD, shifted, deaf, style=style, memory=memory
        )
        return self.head(hidden, tokens, shifted, self.hear(levels, deaf))

    def hear(
        self,
        levels: Float[Tensor, "batch frames levels"],
        deaf: Bool[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch frames bands width"] | None:
        """What tiles hear of all the sound that is heard at once; None for a network without.

        Args:
            levels: in dB.
            deaf: examples that go without the sound.
        """
        return None if self.hearing is None else self.hearing(levels, deaf)

    def begin(
        self, memory: Float[Tensor, "batch stretches numbers"] | None, batch: int, frames: int
    ) -> KVCache:
        """The state before the first frame; see `FrameTransformer.begin`."""
        return self.transformer.begin(memory, batch, frames)

    def advance(
        self,
        past: KVCache,
        levels: Float[Tensor, "batch frames levels"],
        shifted: Integer[Tensor, "batch frames bands"],
        deaf: Bool[Tensor, " batch"] | None = None,
        *,
        style: Float[Tensor, "batch style"] | None = None,
    ) -> Float[Tensor, "batch frames width"]:
        """What the transformer says of the next frames, given the tokens of each one before."""
        return self.transformer.advance(
            past, (levels - CENTER) / SPREAD, shifted, deaf, style=style
        )


class BandByBand(nn.Module):
    """The head: scores of one band after another.

    Args:
        hidden: width of what the transformer says.
        tokens: kind of the tokens heard and told.
        width: its own.
    """

    def __init__(self, hidden: int, tokens: TokenInput, width: int) -> None:
        super().__init__()
        self.frame = nn.Linear(hidden, width)
        self.band = nn.Parameter(0.02 * torch.randn(tokens.bands, width))
        one = TokenInput(1, tokens.groups)
        self.lower = TokenEmbedding(tokens, width)
        self.below, self.earlier = TokenEmbedding(one, width), TokenEmbedding(one, width)
        for embedding in (self.below, self.earlier):
            nn.init.normal_(embedding.table.weight, std=1 / math.sqrt(len(tokens.groups)))
        self.norm, self.mixing = nn.LayerNorm(width), mlp(width, width)
        self.last_norm = nn.LayerNorm(width)
        self.shared = nn.Linear(width, tokens.classes, bias=False)
        self.offsets = nn.Parameter(torch.zeros(tokens.bands, tokens.classes))
        self.mask = tokens.classes

    def forward(
        self,
        hidden: Float[Tensor, "batch frames hidden"],
        tokens: Integer[Tensor, "batch frames bands"],
        earlier: Integer[Tensor, "batch frames bands"],
        heard: Float[Tensor, "batch frames bands width"] | None = None,
    ) -> Float[Tensor, "batch frames bands classes"]:
        """Of all bands at once, given the true tokens.

        Args:
            hidden: of the frames.
            tokens: of the frames.
            earlier: of the frames before each.
            heard: by each tile of the sound around it.
        """
        each = self.lower.table(self.lower.rows(tokens)).sum(dim=-2)
        lower = each.cumsum(dim=-2) - each
        below = torch.cat([torch.full_like(tokens[..., :1], self.mask), tokens[..., :-1]], dim=-1)
        x = self.frame(hidden)[..., None, :] + self.band + lower
        x = x + self._single(self.below, below) + self._single(self.earlier, earlier)
        if heard is not None:
            x = x + heard
        return self.shared(self.last_norm(x + self.mixing(self.norm(x)))) + self.offsets

    def _single(self, embedding: TokenEmbedding, tokens: Tensor) -> Tensor:
        return embedding.table(embedding.rows(tokens[..., None])).sum(dim=(-3, -2))
