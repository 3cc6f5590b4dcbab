"""A transformer over frames: the levels of a sound in, one vector a frame out.

After Serrà et al. (2023, §3.2). A frame enters as

    H = φ(S) + Σ_i ξ_i(Q_i)

where S are its levels in bands, φ a perceptron of two layers, Q_i the token of band i and ξ_i the
embedding of that band; the sum is there only for networks that also hear tokens, each of which
may be masked. Sinusoidal positions are added, then come blocks of attention and perceptron, each
normalized before (pre-norm) and added to what it read. Where a whole example is to go without the
sound, φ(S) is replaced by one learned vector (classifier-free guidance).

Two more things can be heard, which are ours. A *style* is a few numbers for the whole example, of
which any may be left open. A *memory* is a row of vectors that sum up stretches before the example,
the nearest last; they stand before the frames in the attention, and nothing comes out for them.

A causal network hears frames up to the present one alone, and can go on from where it was: `begin`
takes the memory in, each `advance` a few frames more.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

PERIOD = 10_000.0  # frames in 2π of the slowest position wave (Vaswani et al. 2017, §3.5)


@dataclass(frozen=True)
class TransformerConfig:
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
    groups: tuple[int, ...]
    """A token is one of `classes`: (248,) gives each its own embedding; (31, 8) reads it as
    8·a + b and adds an embedding of a to one of b."""

    @property
    def classes(self) -> int:
        """Values of a token; the number `classes` itself is the mask."""
        return math.prod(self.groups)

    @property
    def rows(self) -> int:
        """Embeddings of one band, a mask for each group among them."""
        return sum(self.groups) + len(self.groups)


@dataclass(frozen=True)
class MemoryInput:
    """What a network is told of the time before an example."""

    stretches: int
    """How many there are, at most."""
    frames: int
    """Frames of the network that one sums up."""
    numbers: int
    """That sum it up, near zero mean and unit deviation."""


class FrameTransformer(nn.Module):
    """Hidden states of frames.

    Args:
        levels: numbers that describe the sound of a frame, near zero mean and unit deviation.
        size: of the network.
        tokens: where it hears tokens too, of what kind.
        style: numbers of a style, where it hears one.
        memory: where it has one, of what kind.
        causal: whether a frame hears those after it.
        dropout: share of every branch that training hides.
    """

    def __init__(
        self,
        levels: int,
        size: TransformerConfig,
        *,
        tokens: TokenInput | None = None,
        style: int = 0,
        memory: MemoryInput | None = None,
        causal: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.size, self.tokens, self.memory, self.causal = size, tokens, memory, causal
        self.sound = mlp(levels, size.width)
        self.no_sound = nn.Parameter(0.02 * torch.randn(size.width))
        if tokens:
            self.embedding = TokenEmbedding(tokens, size.width)
        if style:
            self.style = mlp(2 * style, size.width)
        if memory:
            self.remembered = mlp(memory.numbers, size.width)
            self.nothing_remembered = nn.Parameter(0.02 * torch.randn(size.width))
        self.blocks = nn.ModuleList(_Block(size, dropout) for _ in range(size.blocks))
        self.norm = nn.LayerNorm(size.width)

    def forward(
        self,
        levels: Float[Tensor, "batch frames levels"],
        tokens: Integer[Tensor, "batch frames bands"] | None = None,
        deaf: Bool[Tensor, " batch"] | None = None,
        *,
        style: Float[Tensor, "batch style"] | None = None,
        memory: Float[Tensor, "batch stretches numbers"] | None = None,
    ) -> Float[Tensor, "batch frames width"]:
        """The last hidden state, normalized.

        Args:
            levels: of the sound.
            tokens: 0 to `classes`, for networks that hear tokens.
            deaf: examples that go without the sound and the style.
            style: of every example; NaN leaves a number open.
            memory: of every example; NaN where there is nothing to remember.
        """
        hidden = self._entered(levels, tokens, deaf, style, first=0)
        mask, before = None, 0
        if memory is not None:
            hidden = torch.cat([self._recalled(memory), hidden], dim=1)
            before = memory.shape[1]
        if self.causal:
            mask = _no_future(hidden.shape[1], before).to(hidden.device)
        for block in self.blocks:
            hidden = block(hidden, mask)
        return self.norm(hidden[:, before:])

    def begin(
        self, memory: Float[Tensor, "batch stretches numbers"] | None, batch: int, frames: int
    ) -> "KVCache":
        """The state of a causal network before its first frame.

        Args:
            memory: as in `forward`.
            batch: examples.
            frames: that will be heard, at most.
        """
        before = 0 if memory is None else memory.shape[1]
        past = KVCache(self.size, batch, before + frames, before, self.norm.weight)
        if memory is not None:
            hidden = self._recalled(memory)
            for index, block in enumerate(self.blocks):
                hidden = block(hidden, None, past.of_block(index, before))
            past.length = before
        return past

    def advance(
        self,
        past: "KVCache",
        levels: Float[Tensor, "batch frames levels"],
        tokens: Integer[Tensor, "batch frames bands"] | None = None,
        deaf: Bool[Tensor, " batch"] | None = None,
        *,
        style: Float[Tensor, "batch style"] | None = None,
    ) -> Float[Tensor, "batch frames width"]:
        """What `forward` gives for the next frames of a causal network; `past` grows by them."""
        count = levels.shape[1]
        hidden = self._entered(levels, tokens, deaf, style, first=past.length - past.before)
        mask = None
        if count > 1:
            whole = _no_future(past.length + count, past.before).to(hidden.device)
            mask = whole[past.length :]
        for index, block in enumerate(self.blocks):
            hidden = block(hidden, mask, past.of_block(index, count))
        past.length += count
        return self.norm(hidden)

    def _entered(
        self,
        levels: Tensor,
        tokens: Tensor | None,
        deaf: Tensor | None,
        style: Tensor | None,
        *,
        first: int,
    ) -> Float[Tensor, "batch frames width"]:
        hidden = self.sound(levels)
        if deaf is not None:
            hidden = torch.where(deaf[:, None, None], self.no_sound.to(hidden.dtype), hidden)
        if tokens is not None:
            hidden = hidden + self.embedding(tokens)
        if style is not None:
            if deaf is not None:
                style = style.masked_fill(deaf[:, None], math.nan)
            told = ~style.isnan()
            hidden = hidden + self.style(torch.cat([style.nan_to_num(), told], dim=1))[:, None]
        places = torch.arange(first, first + levels.shape[1], device=levels.device)
        return hidden + sinusoidal_embedding(places, self.size.width).to(hidden)

    def _recalled(self, memory: Tensor) -> Float[Tensor, "batch stretches width"]:
        assert self.memory is not None
        nothing = memory.isnan().any(dim=-1, keepdim=True)
        hidden = self.remembered(memory.nan_to_num())
        hidden = torch.where(nothing, self.nothing_remembered.to(hidden.dtype), hidden)
        ago = torch.arange(memory.shape[1], 0, -1, device=memory.device) - 0.5
        return hidden + sinusoidal_embedding(-self.memory.frames * ago, self.size.width).to(hidden)


class KVCache:
    """Keys and values of the frames that a causal network has heard.

    Args:
        size: of the network.
        batch: examples.
        frames: room, the memory's stretches among them.
        before: stretches of memory.
        like: a tensor of the wanted type, on the wanted device.
    """

    def __init__(
        self, size: TransformerConfig, batch: int, frames: int, before: int, like: Tensor
    ) -> None:
        shape = (size.blocks, 2, batch, size.heads, frames, size.width // size.heads)
        self._stored = like.new_zeros(shape)
        self.before = before
        self.length = 0

    def of_block(self, index: int, count: int) -> "_BlockPast":
        """Where a block reads, and where it adds `count` frames."""
        keys, values = self._stored[index]
        return _BlockPast(keys, values, self.length, self.length + count)


@dataclass(frozen=True)
class _BlockPast:
    keys: Tensor
    values: Tensor
    begin: int
    end: int

    def extended(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        self.keys[:, :, self.begin : self.end] = keys
        self.values[:, :, self.begin : self.end] = values
        return self.keys[:, :, : self.end], self.values[:, :, : self.end]


class TokenEmbedding(nn.Module):
    """Σ_i ξ_i(Q_i), out of one table in which each band has its own rows.

    Args:
        tokens: their kind.
        width: of an embedding.
    """

    def __init__(self, tokens: TokenInput, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(tokens.bands * tokens.rows, width)
        nn.init.normal_(self.table.weight, std=1 / math.sqrt(tokens.bands * len(tokens.groups)))
        self._rows: Tensor
        self.register_buffer("_rows", _rows_of_tokens(tokens), persistent=False)
        self._first = tokens.rows * torch.arange(tokens.bands)

    def rows(
        self, tokens: Integer[Tensor, "*batch bands"]
    ) -> Integer[Tensor, "*batch bands groups"]:
        """Of the table, for every token."""
        return self._rows[tokens.long()] + self._first.to(tokens.device)[:, None]

    def forward(
        self, tokens: Integer[Tensor, "batch frames bands"]
    ) -> Float[Tensor, "batch frames width"]:
        """The sum over the bands of a frame."""
        rows = self.rows(tokens).flatten(2).flatten(0, 1)
        return F.embedding_bag(rows, self.table.weight, mode="sum").unflatten(0, tokens.shape[:2])


def _rows_of_tokens(tokens: TokenInput) -> Integer[Tensor, "classes_and_mask groups"]:
    """Which rows of its band's part of the table make a token; the mask has the last of a group."""
    whole = torch.arange(tokens.classes)
    columns, left = [], tokens.classes
    first = 0
    for group in tokens.groups:
        left //= group
        digits = torch.cat([whole // left % group, torch.tensor([group])])
        columns.append(first + digits)
        first += group + 1
    return torch.stack(columns, dim=1)


class _Block(nn.Module):
    def __init__(self, size: TransformerConfig, dropout: float) -> None:
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

    def forward(
        self,
        hidden: Float[Tensor, "batch frames width"],
        mask: Bool[Tensor, "frames heard"] | None = None,
        past: _BlockPast | None = None,
    ) -> Tensor:
        heard = self._attend(self.attention_norm(hidden), mask, past)
        hidden = hidden + self._hide(self.attention_out(heard))
        return hidden + self._hide(self.mixing(self.mixing_norm(hidden)))

    def _attend(self, x: Tensor, mask: Tensor | None, past: _BlockPast | None) -> Tensor:
        parts = self.queries_keys_values(x).unflatten(-1, (3, self.heads, -1))
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # each (batch, heads, frames, width)
        if past is not None:
            keys, values = past.extended(keys, values)
        heard = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        return heard.transpose(1, 2).flatten(2)

    def _hide(self, branch: Tensor) -> Tensor:
        return F.dropout(branch, self.dropout, self.training)


def _no_future(count: int, before: int) -> Bool[Tensor, "count count"]:
    """Which of `count` frames hear which; the first `before` are a memory, heard by all."""
    mask = torch.ones(count, count, dtype=torch.bool).tril()
    mask[:before, :before] = True
    return mask


def mlp(inputs: int, outputs: int, *, between: int | None = None) -> nn.Sequential:
    """A perceptron of two layers, twice as wide between them as at its output unless told.

    For an output head of a wide hidden state pass `between=2 * width`.
    """
    between = between or 2 * outputs
    return nn.Sequential(nn.Linear(inputs, between), nn.GELU(), nn.Linear(between, outputs))


def positions(frames: int, width: int) -> Float[Tensor, "frames width"]:
    """Waves of the frames from 0 on."""
    return sinusoidal_embedding(torch.arange(frames), width)


def sinusoidal_embedding(
    places: Float[Tensor, " places"], width: int
) -> Float[Tensor, "places width"]:
    """Sines, then cosines, of sinusoidal_embedding whose lengths grow from 2π to 2π·`PERIOD` frames."""
    rates = PERIOD ** -(torch.arange(width // 2, device=places.device) / (width // 2))
    angles = places[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
