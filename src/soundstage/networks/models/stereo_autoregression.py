"""The network of `autoregressive` (PS-AR) in its fast form: one pass a frame, a small head a band.

The paper's order (Serrà et al. 2023, §3.2) is the bands of a frame from low to high, then the next
frame, with one pass of the whole network for each band. Here a causal transformer runs once a frame
over the levels up to the present and the tokens up to the previous frame, with cached keys and
values. Its output h goes to a small head that all bands of the frame share:

    x_i = A·h + b_i + Σ_{j<i} ξ_j(Q_j) + ζ(Q_{i−1}) + η(Q_i of the previous frame)
    logits of band i = U·norm(x_i + perceptron(norm(x_i))) + bias of band i

so that a band depends on all lower bands of its frame, and most directly on the next lower one and
on its own past. With local conditioning (`local_conditioning.py`), its vector is added to x.
"""

import math
from dataclasses import dataclass, fields
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor, nn

from soundstage.networks.backbones.local_conditioning import LocalConditioning
from soundstage.networks.backbones.transformer import (
    FrameTransformer,
    KVCache,
    TokenConfig,
    TokenEmbedding,
    mlp,
)
from soundstage.networks.models.stereo_tokens import (
    StereoTokens,
    StereoTokensConfig,
    TokenModelConfig,
)
from soundstage.weights.config import bounded


@dataclass(frozen=True, kw_only=True)
class StereoAutoregressionConfig(TokenModelConfig):
    """Config of a network of `autoregressive`.

    Raises:
        ValueError: there is local conditioning in the form of the paper.
    """

    family: ClassVar[str] = "autoregressive"

    form: Literal["fast", "paper"] = "fast"
    """"fast" builds a `StereoAutoregression`, "paper" a `StereoTokens` with the paper's head."""
    head_dim: int = bounded(1, 4096, 128)
    """Features of a band in the head of the fast form."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.form == "paper" and self.cond_channels:
            raise ValueError("local conditioning needs the fast form")

    def build(self) -> "StereoAutoregression | StereoTokens":
        """The network, with random weights."""
        if self.form == "fast":
            return StereoAutoregression(self)
        shared = {field.name: getattr(self, field.name) for field in fields(TokenModelConfig)}
        return StereoTokens(StereoTokensConfig(**shared))


class StereoAutoregression(nn.Module):
    """Logits of tokens, each given the tokens before it.

    Attributes:
        encoder: the local conditioning, or None.
    """

    def __init__(self, config: StereoAutoregressionConfig) -> None:
        super().__init__()
        tokens, head_dim = config.tokens, config.head_dim
        self.mask = tokens.classes
        self.transformer = FrameTransformer(
            config, tokens=tokens, style_dim=config.style_dim, memory=config.memory, causal=True
        )
        self.head = BandwiseHead(config.dim, tokens, head_dim)
        self.encoder = (
            LocalConditioning(config.n_levels, tokens.n_bands, config.cond_channels, head_dim)
            if config.cond_channels
            else None
        )

    def forward(
        self,
        levels: Float[Tensor, "batch frames levels"],
        tokens: Integer[Tensor, "batch frames bands"],
        uncond: Bool[Tensor, " batch"] | None = None,
        *,
        style: Float[Tensor, "batch style"] | None = None,
        memory: Float[Tensor, "batch vectors features"] | None = None,
        previous: Integer[Tensor, "batch bands"] | None = None,
    ) -> Float[Tensor, "batch frames bands classes"]:
        """Logits of every token given the true tokens before it (teacher forcing).

        Args:
            levels: of the sound, in dB.
            tokens: the true ones.
            uncond: examples without levels and style, for guidance.
            style: NaN leaves an element open.
            memory: NaN where there is none.
            previous: tokens of the frame before the first; None for the mask.
        """
        if previous is None:
            previous = torch.full_like(tokens[:, 0], self.mask)
        shifted = torch.cat([previous[:, None], tokens[:, :-1]], dim=1)
        hidden = self.transformer(levels, shifted, uncond, style=style, memory=memory)
        return self.head(hidden, tokens, shifted, self.encode(levels, uncond))

    def encode(
        self,
        levels: Float[Tensor, "batch frames levels"],
        uncond: Bool[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch frames bands head_dim"] | None:
        """The local conditioning, from later frames too; None for a network without.

        Args:
            levels: in dB.
            uncond: examples without levels.
        """
        return None if self.encoder is None else self.encoder(levels, uncond)

    def new_cache(
        self,
        memory: Float[Tensor, "batch vectors features"] | None,
        batch_size: int,
        max_frames: int,
    ) -> KVCache:
        """The state before the first frame; see `FrameTransformer.new_cache`."""
        return self.transformer.new_cache(memory, batch_size, max_frames)

    def step(
        self,
        cache: KVCache,
        levels: Float[Tensor, "batch frames levels"],
        previous: Integer[Tensor, "batch frames bands"],
        uncond: Bool[Tensor, " batch"] | None = None,
        *,
        style: Float[Tensor, "batch style"] | None = None,
    ) -> Float[Tensor, "batch frames dim"]:
        """Hidden states of the next frames, for the head; `previous` has the tokens before each."""
        return self.transformer.step(cache, levels, previous, uncond, style=style)


class BandwiseHead(nn.Module):
    """The head: logits of one band after another.

    Args:
        hidden_dim: of the transformer's output.
        tokens: of a frame.
        dim: of the head.
    """

    def __init__(self, hidden_dim: int, tokens: TokenConfig, dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(hidden_dim, dim)
        self.band_embedding = nn.Parameter(0.02 * torch.randn(tokens.n_bands, dim))
        one = tokens.one_band
        self.lower_embedding = TokenEmbedding(tokens, dim)
        self.below_embedding = TokenEmbedding(one, dim)
        self.previous_embedding = TokenEmbedding(one, dim)
        for embedding in (self.below_embedding, self.previous_embedding):
            codebooks = len(tokens.codebook_sizes)
            nn.init.normal_(embedding.table.weight, std=1 / math.sqrt(codebooks))
        self.norm, self.mlp = nn.LayerNorm(dim), mlp(dim, dim)
        self.norm_out = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, tokens.classes, bias=False)
        self.out_bias = nn.Parameter(torch.zeros(tokens.n_bands, tokens.classes))
        self.mask = tokens.classes

    def forward(
        self,
        hidden: Float[Tensor, "batch frames hidden_dim"],
        tokens: Integer[Tensor, "batch frames bands"],
        previous: Integer[Tensor, "batch frames bands"],
        cond: Float[Tensor, "batch frames bands dim"] | None = None,
    ) -> Float[Tensor, "batch frames bands classes"]:
        """Logits of all bands at once, given the true tokens.

        Args:
            hidden: output of the transformer.
            tokens: of the frames.
            previous: tokens of the frame before each.
            cond: local conditioning.
        """
        each = self.lower_embedding.table(self.lower_embedding.rows(tokens)).sum(dim=-2)
        lower = each.cumsum(dim=-2) - each
        below = torch.cat([torch.full_like(tokens[..., :1], self.mask), tokens[..., :-1]], dim=-1)
        x = self.proj(hidden)[..., None, :] + self.band_embedding + lower
        x = x + self.below_embedding.of_one_band(below)
        x = x + self.previous_embedding.of_one_band(previous)
        if cond is not None:
            x = x + cond
        return self.out(self.norm_out(x + self.mlp(self.norm(x)))) + self.out_bias
