"""The network of `masked` (PS-MTM): from levels and known tokens to what every token may be.

The transformer of `transformer.py` with tokens beside the sound, and a perceptron of two layers
after it whose outputs are scores of tokens in every band of a frame (Serrà et al. 2023, §3.2). The
paper's own PS-AR is the same network with another mask.

The paper's perceptron ends in 34 × 248 numbers, more than all of a small transformer, and all that
it knows of the tokens around a tile has come through one vector a frame. `rank` makes a head of
ours instead, which all tiles share: a vector x of so many numbers for each band, to which the
tokens of the neighbors in time and over bands are added,

    x = A_band·h + W·[ξ(Q) of the neighbors],  scores = matrix · norm(x + perceptron(norm(x)))

to which each band adds its own offsets. How a token goes with those beside it is then learned once,
for all bands, so that a small part of the data that the paper had teaches it. Where the network
hears tiles (`tile_hearing.py`), what each one hears is added to its x.
"""

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.local_conditioning import TileHearing, TileInput
from soundstage.networks.backbones.transformer import (
    FrameTransformer,
    MemoryInput,
    TokenEmbedding,
    TokenInput,
    TransformerConfig,
    mlp,
)
from soundstage.networks.models.stereo_regression import CENTER, SPREAD

NEIGHBORS = (
    *((later, 0) for later in (-6, -3, -2, -1, 1, 2, 3, 6)),
    *((0, higher) for higher in (-3, -2, -1, 1, 2, 3)),
    *((later, higher) for later in (-1, 1) for higher in (-1, 1)),
)  # of a tile: frames later, bands higher
REACH = (6, 3)  # the furthest of them
NEIGHBOR_WIDTH = 24


class StereoTokens(nn.Module):
    """Scores of the tokens of each frame of a mid.

    Args:
        levels: bands that describe a frame, in dB.
        tokens: kind of the tokens heard and told.
        size: of the transformer.
        rank: numbers a band in the head that all tiles share; 0 for the paper's perceptron.
        style: numbers of a style, 0 for none.
        memory: where it has one, of what kind.
        tiles: where each tile hears the sound around it, of what kind; for a shared head alone.
        dropout: share of its branches that training hides.

    Raises:
        ValueError: the head of the paper has nowhere to put what tiles hear.
    """

    def __init__(
        self,
        levels: int,
        tokens: TokenInput,
        size: TransformerConfig,
        *,
        rank: int = 0,
        style: int = 0,
        memory: MemoryInput | None = None,
        tiles: TileInput | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if tiles and not rank:
            raise ValueError("tiles hear the sound through a head that they share")
        self.tokens = tokens
        self.transformer = FrameTransformer(
            levels, size, tokens=tokens, style=style, memory=memory, dropout=dropout
        )
        whole = tokens.bands * tokens.classes
        self.hearing = TileHearing(tiles, rank) if tiles else None
        self.head: nn.Module = (
            LocalHead(size.width, tokens, rank)
            if rank
            else nn.Sequential(
                mlp(size.width, whole, between=2 * size.width),
                nn.Unflatten(-1, (tokens.bands, tokens.classes)),
            )
        )

    def forward(
        self,
        levels: Float[Tensor, "batch frames levels"],
        tokens: Integer[Tensor, "batch frames bands"],
        deaf: Bool[Tensor, " batch"] | None = None,
        *,
        style: Float[Tensor, "batch style"] | None = None,
        memory: Float[Tensor, "batch stretches numbers"] | None = None,
        first: int = 0,
        tiles: Bool[Tensor, "batch rest bands"] | None = None,
        heard: Float[Tensor, "batch frames bands rank"] | None = None,
    ) -> Float[Tensor, "batch rest bands classes"] | Float[Tensor, "tiles classes"]:
        """Scores before a softmax.

        Args:
            levels: of the sound.
            tokens: those that are known; any other is the mask.
            deaf: examples that go without the sound and the style, for guidance.
            style: of every example; NaN leaves a number open.
            memory: of every example; NaN where there is nothing to remember.
            first: the scores of frames before this one are not wanted.
            tiles: where given, those of these tiles alone are wanted, in a row.
            heard: what `hear` gives, where it is known already.
        """
        hidden = self.transformer(
            (levels - CENTER) / SPREAD, tokens, deaf, style=style, memory=memory
        )
        if isinstance(self.head, LocalHead):
            heard = self.hear(levels, deaf) if heard is None else heard
            return self.head(
                hidden[:, first:], tokens, tiles, None if heard is None else heard[:, first:]
            )
        scores = self.head(hidden[:, first:])
        return scores if tiles is None else scores[tiles]

    def hear(
        self,
        levels: Float[Tensor, "batch frames levels"],
        deaf: Bool[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch frames bands rank"] | None:
        """What tiles hear of the sound, whatever tokens are known; None for a network without.

        Args:
            levels: in dB.
            deaf: examples that go without the sound.
        """
        return None if self.hearing is None else self.hearing(levels, deaf)


class LocalHead(nn.Module):
    """Scores out of hidden states and of the tokens that are known around a tile.

    Args:
        width: of a hidden state.
        tokens: what is heard and told.
        rank: numbers a band.
    """

    def __init__(self, width: int, tokens: TokenInput, rank: int) -> None:
        super().__init__()
        self.bands = nn.Linear(width, tokens.bands * rank)
        self.neighbor = TokenEmbedding(TokenInput(1, tokens.groups), NEIGHBOR_WIDTH)
        self.around = nn.Linear(len(NEIGHBORS) * NEIGHBOR_WIDTH, rank)
        self.norm, self.mixing = nn.LayerNorm(rank), mlp(rank, rank)
        self.last_norm = nn.LayerNorm(rank)
        self.shared = nn.Linear(rank, tokens.classes, bias=False)
        self.offsets = nn.Parameter(torch.zeros(tokens.bands, tokens.classes))

    def forward(
        self,
        hidden: Float[Tensor, "batch rest width"],
        tokens: Integer[Tensor, "batch frames bands"],
        tiles: Bool[Tensor, "batch rest bands"] | None = None,
        heard: Float[Tensor, "batch rest bands rank"] | None = None,
    ) -> Float[Tensor, "batch rest bands classes"] | Float[Tensor, "tiles classes"]:
        """Before a softmax, of the last frames.

        Args:
            hidden: of the frames that are wanted.
            tokens: of these and of those before; any that is not known is the mask.
            tiles: the only ones that are wanted.
            heard: by each tile of the sound around it.
        """
        x = self.bands(hidden).unflatten(-1, (len(self.offsets), -1))
        if heard is not None:
            x = x + heard
        around = self._around(tokens, hidden.shape[1])
        offsets: Tensor = self.offsets
        if tiles is not None:
            x, around = x[tiles], around[tiles]
            offsets = offsets[tiles.nonzero()[:, -1]]
        x = x + self.around(around)
        return self.shared(self.last_norm(x + self.mixing(self.norm(x)))) + offsets

    def _around(self, tokens: Tensor, rest: int) -> Float[Tensor, "batch rest bands numbers"]:
        """Embeddings of the neighbors side by side; zeros beyond the borders."""
        frames, bands = tokens.shape[1:]
        table = self.neighbor.table
        each = table(self.neighbor.rows(tokens[..., None])).sum(dim=(-3, -2))
        padded = F.pad(each, (0, 0, REACH[1], REACH[1], REACH[0], REACH[0]))
        first = frames - rest + REACH[0]
        return torch.cat(
            [
                padded[:, first + later : first + later + rest, REACH[1] + higher :][:, :, :bands]
                for later, higher in NEIGHBORS
            ],
            dim=-1,
        )
