"""The network of `masked` (PS-MTM): from levels and known tokens to logits of every token.

The transformer of `transformer.py` with tokens beside the levels, and a perceptron of two layers
for the logits of all bands of a frame (Serrà et al. 2023, §3.2). The paper's own PS-AR is the same
network with another mask.

The paper's perceptron has 34 × 248 outputs, more parameters than the rest of a small transformer,
and all its information about nearby tokens passes through one vector a frame. `rank` replaces it by
a head of ours that all bands share. Each band has a vector x of `rank` features, to which the
tokens of its neighbors in time and over bands are added:

    x = A_band·h + W·[ξ(Q) of the neighbors],    logits = U·norm(x + perceptron(norm(x))) + bias

So the relation of neighboring tokens is learned once for all bands, from a small part of the
paper's data. With local conditioning (`local_conditioning.py`), its vector is added to x.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.local_conditioning import LocalConditioning
from soundstage.networks.backbones.transformer import (
    FrameTransformer,
    MemoryConfig,
    TokenConfig,
    TokenEmbedding,
    TransformerConfig,
    mlp,
)
from soundstage.weights.config import bounded

NEIGHBORS = (
    *((later, 0) for later in (-6, -3, -2, -1, 1, 2, 3, 6)),
    *((0, higher) for higher in (-3, -2, -1, 1, 2, 3)),
    *((later, higher) for later in (-1, 1) for higher in (-1, 1)),
)  # offsets of tokens: frames later, bands higher
NEIGHBOR_RADIUS = (6, 3)  # the largest of them
NEIGHBOR_DIM = 24


@dataclass(frozen=True, kw_only=True)
class TokenModelConfig(TransformerConfig):
    """The common part of the configs of networks over stereo tokens."""

    tokens: TokenConfig
    style_dim: int = bounded(0, 256, 0)
    """0: no style."""
    memory: MemoryConfig | None = None
    cond_channels: int = bounded(0, 4096, 0)
    """Of the convolution of the local conditioning; 0: none."""
    context_frames: int = bounded(8, 4096)
    """Frames of the network that it attends to at once."""
    stride: int = bounded(1, 8, 1)
    """Frames of the stereo parameters from one frame of the network to the next."""


@dataclass(frozen=True, kw_only=True)
class StereoTokensConfig(TokenModelConfig):
    """Config of a `StereoTokens`.

    Raises:
        ValueError: there is local conditioning with the head of the paper, which has no input for
            it.
    """

    family: ClassVar[str] = "masked"

    rank: int = bounded(0, 4096, 0)
    """Features of a band in the shared head; 0: the paper's perceptron."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cond_channels and not self.rank:
            raise ValueError("local conditioning needs a shared head: set its rank")

    def build(self) -> "StereoTokens":
        """The network, with random weights."""
        return StereoTokens(self)


class StereoTokens(nn.Module):
    """Logits of the tokens of each frame of a mid.

    Attributes:
        encoder: the local conditioning, or None.
    """

    def __init__(self, config: StereoTokensConfig) -> None:
        super().__init__()
        tokens, dim = config.tokens, config.dim
        self.transformer = FrameTransformer(
            config, tokens=tokens, style_dim=config.style_dim, memory=config.memory
        )
        self.encoder = (
            LocalConditioning(config.n_levels, tokens.n_bands, config.cond_channels, config.rank)
            if config.cond_channels
            else None
        )
        self.head: nn.Module = (
            LocalHead(dim, tokens, config.rank)
            if config.rank
            else nn.Sequential(
                mlp(dim, tokens.n_bands * tokens.classes, hidden=2 * dim),
                nn.Unflatten(-1, (tokens.n_bands, tokens.classes)),
            )
        )

    def forward(
        self,
        levels: Float[Tensor, "batch frames levels"],
        tokens: Integer[Tensor, "batch frames bands"],
        uncond: Bool[Tensor, " batch"] | None = None,
        *,
        style: Float[Tensor, "batch style"] | None = None,
        memory: Float[Tensor, "batch vectors features"] | None = None,
        first_frame: int = 0,
        select: Bool[Tensor, "batch rest bands"] | None = None,
        cond: Float[Tensor, "batch frames bands rank"] | None = None,
    ) -> Float[Tensor, "batch rest bands classes"] | Float[Tensor, "selected classes"]:
        """Logits of the frames from `first_frame` on.

        Args:
            levels: of the sound, in dB.
            tokens: the known tokens, and the mask elsewhere.
            uncond: examples without levels and style, for guidance.
            style: NaN leaves an element open.
            memory: NaN where there is none.
            first_frame: first frame of the output.
            select: the tokens to compute logits for; None for all.
            cond: the result of `encode`, if it is known already.
        """
        hidden = self.transformer(levels, tokens, uncond, style=style, memory=memory)
        if isinstance(self.head, LocalHead):
            cond = self.encode(levels, uncond) if cond is None else cond
            cond = None if cond is None else cond[:, first_frame:]
            return self.head(hidden[:, first_frame:], tokens, select, cond)
        logits = self.head(hidden[:, first_frame:])
        return logits if select is None else logits[select]

    def encode(
        self,
        levels: Float[Tensor, "batch frames levels"],
        uncond: Bool[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch frames bands rank"] | None:
        """The local conditioning, which does not depend on tokens; None for a network without.

        Args:
            levels: in dB.
            uncond: examples without levels.
        """
        return None if self.encoder is None else self.encoder(levels, uncond)


class LocalHead(nn.Module):
    """Logits from hidden states and from the known tokens around each token.

    Args:
        dim: of a hidden state.
        tokens: of a frame.
        rank: features of a band.
    """

    def __init__(self, dim: int, tokens: TokenConfig, rank: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, tokens.n_bands * rank)
        self.neighbor_embedding = TokenEmbedding(tokens.one_band, NEIGHBOR_DIM)
        self.neighbor_proj = nn.Linear(len(NEIGHBORS) * NEIGHBOR_DIM, rank)
        self.norm, self.mlp = nn.LayerNorm(rank), mlp(rank, rank)
        self.norm_out = nn.LayerNorm(rank)
        self.out = nn.Linear(rank, tokens.classes, bias=False)
        self.out_bias = nn.Parameter(torch.zeros(tokens.n_bands, tokens.classes))

    def forward(
        self,
        hidden: Float[Tensor, "batch rest dim"],
        tokens: Integer[Tensor, "batch frames bands"],
        select: Bool[Tensor, "batch rest bands"] | None = None,
        cond: Float[Tensor, "batch rest bands rank"] | None = None,
    ) -> Float[Tensor, "batch rest bands classes"] | Float[Tensor, "selected classes"]:
        """Logits of the last frames.

        Args:
            hidden: of these frames.
            tokens: of these and of earlier frames; the mask where unknown.
            select: the tokens to compute logits for; None for all.
            cond: local conditioning of these frames.
        """
        x = self.proj(hidden).unflatten(-1, (len(self.out_bias), -1))
        if cond is not None:
            x = x + cond
        neighbors = self._neighbors(tokens, hidden.shape[1])
        bias: Tensor = self.out_bias
        if select is not None:
            x, neighbors = x[select], neighbors[select]
            bias = bias[select.nonzero()[:, -1]]
        x = x + self.neighbor_proj(neighbors)
        return self.out(self.norm_out(x + self.mlp(self.norm(x)))) + bias

    def _neighbors(self, tokens: Tensor, rest: int) -> Float[Tensor, "batch rest bands features"]:
        """Embeddings of the neighbors, concatenated; zeros beyond the borders."""
        frames, bands = tokens.shape[1:]
        each = self.neighbor_embedding.of_one_band(tokens)
        time, band = NEIGHBOR_RADIUS
        padded = F.pad(each, (0, 0, band, band, time, time))
        first = frames - rest + time
        return torch.cat(
            [
                padded[:, first + later : first + later + rest, band + higher :][:, :, :bands]
                for later, higher in NEIGHBORS
            ],
            dim=-1,
        )
