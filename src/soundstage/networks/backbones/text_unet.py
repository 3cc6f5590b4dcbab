"""A U-Net with cross-attention to text (Rombach et al. 2022, §3.3; DualSpec, Fig. 1).

A noisy image goes down through levels of half the size each and up again, with a connection from
every block on the way down to its counterpart on the way up. A block is a residual block
(`residual_2d.py`), modulated by a vector c, and on some levels a transformer: attention among the
positions, attention to the text tokens τ, and a perceptron,

    h ← residual(h, c)
    h ← h + attention(h, h);    h ← h + attention(h, τ);    h ← h + perceptron(h)

c embeds the time of the diffusion and, which is ours, the mean of τ after a perceptron: a small
network learns the condition much sooner than by attention alone. Vectors of rows and columns, ours
too, encode the frequency and time of a position, which convolutions do not see.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.dit import ZeroLinear
from soundstage.networks.backbones.residual_2d import (
    ChannelNorm,
    Downsample2d,
    ResidualBlock2d,
    Upsample2d,
)
from soundstage.networks.backbones.transformer import mlp, sinusoidal_embedding
from soundstage.weights.config import ModelConfig, bounded

TIME_DIM = 128  # of the sinusoidal embedding of the diffusion time


@dataclass(frozen=True, kw_only=True)
class TextUNetConfig(ModelConfig):
    """Size of a `TextUNet`; the defaults are about those of Stable Diffusion 1.5.

    Raises:
        ValueError: a width is no multiple of the heads, or `attention` has another length.
    """

    widths: tuple[int, ...] = bounded(8, 4096, (320, 640, 1280, 1280))
    """Channels of each level, the last the lowest."""
    depth: int = bounded(1, 8, 2)
    """Blocks of each level on the way down, and as many on the way up."""
    mid_depth: int = bounded(1, 8, 2)
    """Blocks of the lowest level."""
    attention: tuple[int, ...] = bounded(0, 1, (1, 1, 1, 1))
    """1 for levels with a transformer in each block."""
    heads: int = bounded(1, 64, 8)
    mlp_ratio: int = bounded(1, 16, 4)
    time_dim: int = bounded(8, 8192, 1280)
    """Of c."""
    text_dim: int = bounded(1, 8192, 1024)
    """Of a text token."""
    pooled_text: bool = False
    """Whether the mean of the text is in c."""
    positions: bool = False
    """Whether there are vectors of rows and columns, for images of one size."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(width % self.heads for width in self.widths):
            raise ValueError(f"a width of {self.widths} is no multiple of {self.heads} heads")
        if len(self.attention) != len(self.widths):
            raise ValueError("attention needs one number for each level")


class TextUNet(nn.Module):
    """An image of the same size and channels for a noisy image and text.

    Args:
        config: size of the network.
        channels: of the images.
        size: rows and columns of the images, for networks with `positions`.
    """

    def __init__(self, config: TextUNetConfig, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        widths, dim = config.widths, config.time_dim
        self.input = nn.Conv2d(channels, widths[0], 3, padding=1)
        if config.positions:
            self.rows = nn.Parameter(0.02 * torch.randn(widths[0], size[0], 1))
            self.columns = nn.Parameter(0.02 * torch.randn(widths[0], 1, size[1]))
        self.time_mlp = mlp(TIME_DIM, dim, hidden=dim)
        self.text_mlp = mlp(config.text_dim, dim, hidden=dim) if config.pooled_text else None
        self.depth = config.depth
        self.down, self.up = nn.ModuleList(), nn.ModuleList()  # blocks of all levels
        self.downsample, self.upsample = nn.ModuleList(), nn.ModuleList()
        for level, (width, lower) in enumerate(pairwise(widths)):
            self.down.extend(_Block(config, level, width, width) for _ in range(self.depth))
            self.up.extend(_Block(config, level, 2 * width, width) for _ in range(self.depth))
            self.downsample.append(Downsample2d(width, lower, (2, 2)))
            self.upsample.append(Upsample2d(lower, width, (2, 2)))
        self.mid = nn.ModuleList(
            _Block(config, len(widths) - 1, widths[-1], widths[-1]) for _ in range(config.mid_depth)
        )
        self.norm = ChannelNorm(widths[0])
        self.output = nn.Conv2d(widths[0], channels, 3, padding=1)
        for parameter in self.output.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self,
        noisy: Float[Tensor, "batch channels rows columns"],
        time: Float[Tensor, " batch"],
        text: Float[Tensor, "batch tokens text_dim"],
        used: Bool[Tensor, "batch tokens"],
    ) -> Float[Tensor, "batch channels rows columns"]:
        """The training target, in single precision.

        Args:
            noisy: the state; rows and columns are halved on every level but the lowest.
            time: of the diffusion, from 0 to 1000.
            text: τ.
            used: tokens that are not padding.
        """
        embedding = sinusoidal_embedding(time.float(), TIME_DIM).to(self.input.weight.dtype)
        c = self.time_mlp(embedding)
        if self.text_mlp is not None:
            share = used[..., None].to(text.dtype)
            c = c + self.text_mlp((share * text).sum(dim=1) / share.sum(dim=1))
        hidden = self.input(noisy.contiguous(memory_format=torch.channels_last))
        if hasattr(self, "rows"):
            hidden = hidden + (self.rows + self.columns)
        skips: list[Tensor] = []
        for level, downsample in enumerate(self.downsample):
            for block in self.down[level * self.depth : (level + 1) * self.depth]:
                hidden = block(hidden, c, text, used)
                skips.append(hidden)
            hidden = downsample(hidden)
        for block in self.mid:
            hidden = block(hidden, c, text, used)
        for level in reversed(range(len(self.upsample))):
            hidden = self.upsample[level](hidden)
            for block in self.up[level * self.depth : (level + 1) * self.depth]:
                hidden = block(torch.cat([hidden, skips.pop()], dim=1), c, text, used)
        return self.output(F.silu(self.norm(hidden))).float()


class _Block(nn.Module):
    """A residual block and, on some levels, a transformer."""

    def __init__(self, config: TextUNetConfig, level: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.residual = ResidualBlock2d(inputs, outputs, config.time_dim)
        self.transformer = _Transformer(config, outputs) if config.attention[level] else None

    def forward(self, hidden: Tensor, c: Tensor, text: Tensor, used: Tensor) -> Tensor:
        hidden = self.residual(hidden, c)
        return hidden if self.transformer is None else self.transformer(hidden, text, used)


class _Transformer(nn.Module):
    """Attention among the positions of an image, attention to the text, and a perceptron."""

    def __init__(self, config: TextUNetConfig, width: int) -> None:
        super().__init__()
        self.heads = config.heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attended = ZeroLinear(width, width)
        self.queries = nn.Linear(width, width)
        self.text_keys_values = nn.Linear(config.text_dim, 2 * width)
        self.text_attended = ZeroLinear(width, width)
        self.expand = nn.Linear(width, config.mlp_ratio * width)
        self.contract = ZeroLinear(config.mlp_ratio * width, width)

    def forward(self, image: Tensor, text: Tensor, used: Tensor) -> Tensor:
        hidden = image.flatten(2).transpose(1, 2)
        queries, keys, values = self.queries_keys_values(self.norms[0](hidden)).chunk(3, dim=-1)
        hidden = hidden + self.attended(attention(queries, keys, values, self.heads))
        keys, values = self.text_keys_values(text).chunk(2, dim=-1)
        queries = self.queries(self.norms[1](hidden))
        hidden = hidden + self.text_attended(attention(queries, keys, values, self.heads, used))
        hidden = hidden + self.contract(F.gelu(self.expand(self.norms[2](hidden))))
        return hidden.transpose(1, 2).unflatten(2, image.shape[2:])


def attention(
    queries: Float[Tensor, "batch queries dim"],
    keys: Float[Tensor, "batch keys dim"],
    values: Float[Tensor, "batch keys dim"],
    heads: int,
    used: Bool[Tensor, "batch keys"] | None = None,
) -> Float[Tensor, "batch queries dim"]:
    """softmax(q·kᵀ/√dim)·v in heads, over the keys in use.

    Plain products: on a CPU the backward pass of torch's kernel takes several times as long for
    the few hundred positions of a latent.
    """
    q, k, v = (each.unflatten(-1, (heads, -1)).transpose(1, 2) for each in (queries, keys, values))
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if used is not None:
        scores = scores.masked_fill(~used[:, None, None], -math.inf)
    return (scores.softmax(dim=-1).to(v.dtype) @ v).transpose(1, 2).flatten(2)
