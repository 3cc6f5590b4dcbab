"""A transformer over frames: levels of a sound in, one vector a frame out.

After Serrà et al. (2023, §3.2). The input of a frame is

    H = φ(S) + Σ_i ξ_i(Q_i)

where S are its levels in bands, φ a perceptron of two layers, Q_i the token of band i, and ξ_i the
embedding of that band; networks without tokens omit the sum. Sinusoidal positions are added; then
come pre-norm blocks of attention and perceptron. For classifier-free guidance, one learned vector
replaces φ(S) of unconditional examples.

Two more inputs are ours. A *style* is a vector for the whole example; NaN leaves an element open. A
*memory* is a sequence of vectors that summarize the time before the example, the latest last; they
precede the frames in the attention and have no output.

A causal network can run step by step: `new_cache` takes the memory in, each `step` a few frames.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.weights.config import Config, ModelConfig, bounded

LEVEL_MEAN, LEVEL_STD = -58.0, 20.0  # dB, about those of a band in music
PERIOD = 10_000.0  # frames in 2π of the slowest sinusoid (Vaswani et al. 2017, §3.5)


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(ModelConfig):
    """Size of a `FrameTransformer`; the defaults are the paper's.

    Raises:
        ValueError: the dimension is odd, or no multiple of the heads.
    """

    depth: int = bounded(1, 64, 7)
    """Blocks."""
    dim: int = bounded(1, 4096, 512)
    heads: int = bounded(1, 256, 16)
    mlp_ratio: int = bounded(1, 16, 3)
    n_levels: int = bounded(1, 4096, 128)
    """Levels of a frame."""
    dropout: float = bounded(0, 0.9, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dim % self.heads or self.dim % 2:
            raise ValueError(f"a dim of {self.dim} is odd or no multiple of {self.heads} heads")


@dataclass(frozen=True, kw_only=True)
class TokenConfig(Config):
    """The tokens of a frame.

    Raises:
        ValueError: there are more than 4096 classes.
    """

    n_bands: int = bounded(1, 256)
    """Tokens a frame."""
    codebook_sizes: tuple[int, ...] = bounded(1, 4096)
    """(248,) gives each token its own embedding; with (31, 8), the embedding of the token 8·a + b
    is that of a plus that of b."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 < self.classes <= 4096:
            raise ValueError(f"tokens have 2 to 4096 classes, not {self.classes}")

    @property
    def classes(self) -> int:
        """Values of a token; the value `classes` itself is the mask."""
        return math.prod(self.codebook_sizes)

    @property
    def embeddings(self) -> int:
        """Embeddings of one band, with a mask for each codebook."""
        return sum(self.codebook_sizes) + len(self.codebook_sizes)

    @property
    def one_band(self) -> "TokenConfig":
        """The same tokens, of a single band."""
        return replace(self, n_bands=1)


@dataclass(frozen=True, kw_only=True)
class MemoryConfig(Config):
    """The memory of a network."""

    n_vectors: int = bounded(1, 4096)
    dim: int = bounded(1, 4096)
    """Of a vector, with about zero mean and unit deviation."""
    hop: int = bounded(1, 4096)
    """Frames of the network from vector to vector."""


class FrameTransformer(nn.Module):
    """Hidden states of frames.

    Args:
        config: size of the network.
        tokens: None for a network without tokens.
        style_dim: 0 for a network without a style.
        memory: None for a network without memory.
        causal: whether frames attend to no later frames.
    """

    def __init__(
        self,
        config: TransformerConfig,
        *,
        tokens: TokenConfig | None = None,
        style_dim: int = 0,
        memory: MemoryConfig | None = None,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.config, self.memory, self.causal = config, memory, causal
        dim = config.dim
        self.level_mlp = mlp(config.n_levels, dim)
        self.null_levels = nn.Parameter(0.02 * torch.randn(dim))
        self.token_embedding = TokenEmbedding(tokens, dim) if tokens else None
        self.style_mlp = mlp(2 * style_dim, dim) if style_dim else None
        self.memory_mlp = mlp(memory.dim, dim) if memory else None
        self.null_memory = nn.Parameter(0.02 * torch.randn(dim)) if memory else None
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(dim)

    def forward(
        self,
        levels: Float[Tensor, "batch frames levels"],
        tokens: Integer[Tensor, "batch frames bands"] | None = None,
        uncond: Bool[Tensor, " batch"] | None = None,
        *,
        style: Float[Tensor, "batch style"] | None = None,
        memory: Float[Tensor, "batch vectors features"] | None = None,
    ) -> Float[Tensor, "batch frames dim"]:
        """The last hidden state, normalized.

        Args:
            levels: of the sound, in dB.
            tokens: 0 to `classes`, for networks with tokens.
            uncond: examples without levels and style, for guidance.
            style: NaN leaves an element open.
            memory: NaN where there is none.
        """
        hidden = self._embed(levels, tokens, uncond, style, first_frame=0)
        mask, prefix = None, 0
        if memory is not None:
            hidden = torch.cat([self._embed_memory(memory), hidden], dim=1)
            prefix = memory.shape[1]
        if self.causal:
            mask = _causal_mask(hidden.shape[1], prefix).to(hidden.device)
        for block in self.blocks:
            hidden = block(hidden, mask)
        return self.norm(hidden[:, prefix:])

    def new_cache(
        self,
        memory: Float[Tensor, "batch vectors features"] | None,
        batch_size: int,
        max_frames: int,
    ) -> "KVCache":
        """The state of a causal network before its first frame.

        Args:
            memory: as for `forward`.
            batch_size: examples.
            max_frames: of all steps together.
        """
        prefix = 0 if memory is None else memory.shape[1]
        cache = KVCache(self.config, batch_size, prefix + max_frames, prefix, self.norm.weight)
        if memory is not None:
            hidden = self._embed_memory(memory)
            for index, block in enumerate(self.blocks):
                hidden = block(hidden, None, cache.of_block(index, prefix))
            cache.length = prefix
        return cache

    def step(
        self,
        cache: "KVCache",
        levels: Float[Tensor, "batch frames levels"],
        tokens: Integer[Tensor, "batch frames bands"] | None = None,
        uncond: Bool[Tensor, " batch"] | None = None,
        *,
        style: Float[Tensor, "batch style"] | None = None,
    ) -> Float[Tensor, "batch frames dim"]:
        """The output of `forward` for the next frames of a causal network; fills the cache."""
        count = levels.shape[1]
        first = cache.length - cache.prefix
        hidden = self._embed(levels, tokens, uncond, style, first_frame=first)
        mask = None
        if count > 1:
            whole = _causal_mask(cache.length + count, cache.prefix).to(hidden.device)
            mask = whole[cache.length :]
        for index, block in enumerate(self.blocks):
            hidden = block(hidden, mask, cache.of_block(index, count))
        cache.length += count
        return self.norm(hidden)

    def _embed(
        self,
        levels: Tensor,
        tokens: Tensor | None,
        uncond: Tensor | None,
        style: Tensor | None,
        *,
        first_frame: int,
    ) -> Float[Tensor, "batch frames dim"]:
        hidden = self.level_mlp((levels - LEVEL_MEAN) / LEVEL_STD)
        if uncond is not None:
            hidden = torch.where(uncond[:, None, None], self.null_levels.to(hidden.dtype), hidden)
        if tokens is not None:
            assert self.token_embedding is not None
            hidden = hidden + self.token_embedding(tokens)
        if style is not None:
            assert self.style_mlp is not None
            hidden = hidden + embed_style(self.style_mlp, style, uncond)[:, None]
        places = torch.arange(first_frame, first_frame + levels.shape[1], device=levels.device)
        return hidden + sinusoidal_embedding(places, self.config.dim).to(hidden)

    def _embed_memory(self, memory: Tensor) -> Float[Tensor, "batch vectors dim"]:
        assert self.memory
        assert self.memory_mlp is not None
        assert self.null_memory is not None
        missing = memory.isnan().any(dim=-1, keepdim=True)
        hidden = self.memory_mlp(memory.nan_to_num())
        hidden = torch.where(missing, self.null_memory.to(hidden.dtype), hidden)
        ago = torch.arange(memory.shape[1], 0, -1, device=memory.device) - 0.5
        return hidden + sinusoidal_embedding(-self.memory.hop * ago, self.config.dim).to(hidden)


class KVCache:
    """Keys and values of the frames so far of a causal network.

    Args:
        config: of the network.
        batch_size: examples.
        capacity: frames, the vectors of the memory included.
        prefix: vectors of the memory.
        like: a tensor of the same type and device.
    """

    def __init__(
        self, config: TransformerConfig, batch_size: int, capacity: int, prefix: int, like: Tensor
    ) -> None:
        head_dim = config.dim // config.heads
        shape = (config.depth, 2, batch_size, config.heads, capacity, head_dim)
        self._stored = like.new_zeros(shape)
        self.prefix = prefix
        self.length = 0

    def of_block(self, index: int, count: int) -> "_BlockCache":
        """The part of a block, with room for `count` more frames."""
        keys, values = self._stored[index]
        return _BlockCache(keys, values, self.length, self.length + count)


@dataclass(frozen=True)
class _BlockCache:
    keys: Tensor
    values: Tensor
    start: int
    end: int

    def extended(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        self.keys[:, :, self.start : self.end] = keys
        self.values[:, :, self.start : self.end] = values
        return self.keys[:, :, : self.end], self.values[:, :, : self.end]


class TokenEmbedding(nn.Module):
    """Σ_i ξ_i(Q_i), from one table with separate rows for each band.

    Args:
        tokens: of a frame.
        dim: of an embedding.
    """

    def __init__(self, tokens: TokenConfig, dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(tokens.n_bands * tokens.embeddings, dim)
        codebooks = len(tokens.codebook_sizes)
        nn.init.normal_(self.table.weight, std=1 / math.sqrt(tokens.n_bands * codebooks))
        self._rows: Tensor
        self.register_buffer("_rows", _rows_of_tokens(tokens), persistent=False)
        self._first: Tensor
        first = tokens.embeddings * torch.arange(tokens.n_bands)[:, None]
        self.register_buffer("_first", first, persistent=False)

    def rows(
        self, tokens: Integer[Tensor, "*batch bands"]
    ) -> Integer[Tensor, "*batch bands codebooks"]:
        """Rows of the table for every token."""
        return self._rows[tokens.long()] + self._first

    def forward(
        self, tokens: Integer[Tensor, "batch frames bands"]
    ) -> Float[Tensor, "batch frames dim"]:
        """The sum over the bands of a frame."""
        rows = self.rows(tokens).flatten(2).flatten(0, 1)
        return F.embedding_bag(rows, self.table.weight, mode="sum").unflatten(0, tokens.shape[:2])

    def of_one_band(
        self, tokens: Integer[Tensor, "batch frames bands"]
    ) -> Float[Tensor, "batch frames bands dim"]:
        """Embeddings of single tokens, where all bands share the rows of one."""
        return self.table(self.rows(tokens[..., None])).sum(dim=(-3, -2))


def _rows_of_tokens(tokens: TokenConfig) -> Integer[Tensor, "classes_and_mask codebooks"]:
    """Rows of a token within its band; the mask has the last row of each codebook."""
    every = torch.arange(tokens.classes)
    columns, left = [], tokens.classes
    first = 0
    for size in tokens.codebook_sizes:
        left //= size
        digits = torch.cat([every // left % size, torch.tensor([size])])
        columns.append(first + digits)
        first += size + 1
    return torch.stack(columns, dim=1)


class _Block(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        dim, hidden = config.dim, config.mlp_ratio * config.dim
        self.heads, self.dropout = config.heads, config.dropout
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(
        self,
        hidden: Float[Tensor, "batch frames dim"],
        mask: Bool[Tensor, "queries keys"] | None = None,
        cache: _BlockCache | None = None,
    ) -> Tensor:
        attended = self._attend(self.norm1(hidden), mask, cache)
        hidden = hidden + self._drop(self.proj(attended))
        return hidden + self._drop(self.mlp(self.norm2(hidden)))

    def _attend(self, x: Tensor, mask: Tensor | None, cache: _BlockCache | None) -> Tensor:
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1))
        queries, keys, values = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, frames, head_dim)
        if cache is not None:
            keys, values = cache.extended(keys, values)
        attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        return attended.transpose(1, 2).flatten(2)

    def _drop(self, branch: Tensor) -> Tensor:
        return F.dropout(branch, self.dropout, self.training)


def _causal_mask(count: int, prefix: int) -> Bool[Tensor, "queries keys"]:
    """Causal attention over `count` frames; all attend to the first `prefix`, a memory."""
    mask = torch.ones(count, count, dtype=torch.bool).tril()
    mask[:prefix, :prefix] = True
    return mask


def mlp(inputs: int, outputs: int, *, hidden: int | None = None) -> nn.Sequential:
    """A perceptron of two layers; its hidden layer has `2 * outputs` units unless given."""
    hidden = hidden or 2 * outputs
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, outputs))


def embed_style(
    style_mlp: nn.Module,
    style: Float[Tensor, "batch style"],
    uncond: Bool[Tensor, " batch"] | None,
) -> Float[Tensor, "batch dim"]:
    """Embedding of a style: its elements, zero where open, and a flag for each that is set."""
    if uncond is not None:
        style = style.masked_fill(uncond[:, None], math.nan)
    return style_mlp(torch.cat([style.nan_to_num(), ~style.isnan()], dim=1))


def sinusoidal_embedding(places: Float[Tensor, " places"], dim: int) -> Float[Tensor, "places dim"]:
    """Sines, then cosines, with periods from 2π to 2π·`PERIOD`."""
    half = dim // 2
    exponents = torch.arange(half, dtype=torch.float32, device=places.device) / half
    angles = places[:, None] * PERIOD**-exponents
    return torch.cat([angles.sin(), angles.cos()], dim=1)
