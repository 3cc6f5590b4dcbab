"""A diffusion transformer over spectrograms (DiT; Peebles & Xie 2023).

A noisy image (channels, time, frequency) is cut into patches, each a vector h of a grid. Blocks of
attention and perceptron, modulated by a vector c, lead to the patches of the result:

    h = E(noisy) + positions,    h ← block(h, c) in turn,    result = W·adaLN(h, c)

The modulation is adaptive layer normalization (adaLN-Zero, §3.2): a linear layer, zero at first,
makes six vectors of silu(c), so that every block starts as the identity,

    (β₁, γ₁, α₁, β₂, γ₂, α₂) = A·silu(c) + a
    h ← h + α₁ · attention((1 + γ₁)·norm(h) + β₁)
    h ← h + α₂ · perceptron((1 + γ₂)·norm(h) + β₂)

c embeds the time t of the diffusion and, which is ours, a *style*: a vector for the whole example;
NaN leaves an element open. A *condition* is a second image of the same size, with one of two uses:

    adaln        c = t + style + E'(condition), for each patch, as in DiffStereo (Zhang et al. 2025)
    concatenate  h = E(noisy) + E'(condition) + positions

With the first the modulation runs for each patch, and a block costs half as much again. One learned
vector replaces E'(condition) of unconditional examples (classifier-free guidance).

Attention is full, over all patches, or axial: blocks alternate between patches of the same time and
patches of the same frequency (Ho et al. 2019).

Positions are the paper's sinusoids, or rotary (Su et al. 2021, eq. 34): each pair of features of a
query and a key turns by an angle proportional to its position, half of the pairs with time and half
with frequency, so that attention depends on distances alone,

    ⟨R(m)·q, R(n)·k⟩ = ⟨q, R(n − m)·k⟩

Since the frequency itself matters too, its sinusoids are added to the input then as well.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.transformer import embed_style, mlp, sinusoidal_embedding
from soundstage.weights.config import ModelConfig, bounded

Attention = Literal["full", "axial"]
Axis = Literal["time", "frequency"]
Conditioning = Literal["adaln", "concatenate"]
Positions = Literal["sinusoidal", "rotary"]

TIME_DIM = 256  # of the sinusoidal embedding of the diffusion time (Peebles & Xie 2023)
# Patches up to which plain products train faster on a CPU: the backward pass of torch's
# kernel in bfloat16 takes 7 times as long with 64, and 11 times with 17
SHORT = 128


@dataclass(frozen=True, kw_only=True)
class DiTConfig(ModelConfig):
    """Size of a `DiT`; the defaults are those of DiT-S.

    Raises:
        ValueError: the dimension is no multiple of four times the heads.
    """

    depth: int = bounded(1, 64, 12)
    """Blocks."""
    dim: int = bounded(1, 4096, 384)
    heads: int = bounded(1, 256, 6)
    mlp_ratio: int = bounded(1, 16, 4)
    patch_size: tuple[int, int] = bounded(1, 513)
    """In time and frequency."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dim % (4 * self.heads):
            raise ValueError(f"a dim of {self.dim} is no multiple of 4 × {self.heads} heads")


def to_patches(
    images: Float[Tensor, "batch channels time frequency"], patch_size: tuple[int, int]
) -> Float[Tensor, "batch rows columns channels*patch_time*patch_frequency"]:
    """Patches as vectors; zeros pad images to whole patches at the end of both axes.

    A linear layer W over them is the strided convolution of Peebles & Xie (2023, §3.2):
    W·patch(i, j) = conv2d(image, W, stride = patch_size)[:, i, j].
    """
    time, frequency = patch_size
    missing_time, missing_frequency = -images.shape[2] % time, -images.shape[3] % frequency
    whole = F.pad(images, (0, missing_frequency, 0, missing_time))
    tiles = whole.unflatten(3, (-1, frequency)).unflatten(2, (-1, time))
    return tiles.permute(0, 2, 4, 1, 3, 5).flatten(3)


def from_patches(
    patches: Float[Tensor, "batch rows columns channels*patch_time*patch_frequency"],
    patch_size: tuple[int, int],
    size: tuple[int, int],
) -> Float[Tensor, "batch channels time frequency"]:
    """The inverse of `to_patches`; `size` is that of the images, in time and frequency."""
    tiles = patches.unflatten(3, (-1, *patch_size)).permute(0, 3, 1, 4, 2, 5)
    return tiles.flatten(4, 5).flatten(2, 3)[:, :, : size[0], : size[1]]


class Rotation:
    """Rotary positions of a grid.

    Args:
        rows: of the grid (time).
        columns: of the grid (frequency).
        dim: of a head, a multiple of 4.
        device: of the result.
    """

    def __init__(self, rows: int, columns: int, dim: int, device: torch.device) -> None:
        time = sinusoidal_embedding(torch.arange(rows, device=device), dim // 2)[:, None]
        frequency = sinusoidal_embedding(torch.arange(columns, device=device), dim // 2)[None]
        each = (rows, columns, dim // 4)
        turns = zip(time.chunk(2, dim=-1), frequency.chunk(2, dim=-1), strict=True)
        self._sin, self._cos = (
            torch.cat([part.expand(each) for part in pair], dim=-1)[:, :, None] for pair in turns
        )

    def __call__(
        self, x: Float[Tensor, "batch rows columns heads dim"]
    ) -> Float[Tensor, "batch rows columns heads dim"]:
        """R·x; a pair is one feature of the first half and one of the second."""
        a, b = x.chunk(2, dim=-1)
        turned = [a * self._cos - b * self._sin, a * self._sin + b * self._cos]
        return torch.cat(turned, dim=-1).to(x.dtype)


class GridAttention(nn.Module):
    """Multi-head attention over a grid, or along one of its axes.

    Args:
        dim: of a vector.
        heads: of the attention.
        axis: attention along this axis; None over the whole grid.
    """

    def __init__(self, dim: int, heads: int, axis: Axis | None = None) -> None:
        super().__init__()
        self.heads, self.axis = heads, axis
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(
        self, x: Float[Tensor, "batch rows columns dim"], rotation: Rotation | None = None
    ) -> Float[Tensor, "batch rows columns dim"]:
        """The attended values, projected."""
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1))
        if rotation is not None:
            queries, keys, values = qkv.unbind(dim=3)
            qkv = torch.stack([rotation(queries), rotation(keys), values], dim=3)
        if self.axis == "time":
            attended = attend(qkv.transpose(1, 2).flatten(0, 1))
            attended = attended.unflatten(0, (len(x), -1)).transpose(1, 2)
        elif self.axis == "frequency":
            attended = attend(qkv.flatten(0, 1)).unflatten(0, x.shape[:2])
        else:
            attended = attend(qkv.flatten(1, 2)).unflatten(1, x.shape[1:3])
        return self.proj(attended.flatten(3))


def attend(
    qkv: Float[Tensor, "batch tokens 3 heads dim"],
) -> Float[Tensor, "batch tokens heads dim"]:
    """softmax(q·kᵀ/√dim)·v."""
    queries, keys, values = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, tokens, dim)
    if queries.requires_grad and queries.device.type == "cpu" and queries.shape[2] <= SHORT:
        scores = queries @ keys.transpose(-1, -2) / math.sqrt(queries.shape[-1])
        attended = scores.softmax(dim=-1).to(values.dtype) @ values
    else:
        attended = F.scaled_dot_product_attention(queries, keys, values)
    return attended.transpose(1, 2)


class ZeroLinear(nn.Linear):
    """A linear layer that is zero at first."""

    def reset_parameters(self) -> None:
        """Sets weight and bias to zero."""
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


class AdaptiveBlock(nn.Module):
    """Attention and perceptron, both modulated."""

    def __init__(self, config: DiTConfig, axis: Axis | None = None) -> None:
        super().__init__()
        dim, hidden = config.dim, config.mlp_ratio * config.dim
        self.modulation = ZeroLinear(dim, 6 * dim)
        self.attention = GridAttention(dim, config.heads, axis)
        self.mlp = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, dim)
        )

    def forward(
        self,
        hidden: Float[Tensor, "batch rows columns dim"],
        c: Float[Tensor, "batch _ _ dim"],
        rotation: Rotation | None = None,
    ) -> Float[Tensor, "batch rows columns dim"]:
        """The next hidden state; c is silu(c) of the equations, for all patches or for each."""
        beta, gamma, alpha, beta_2, gamma_2, alpha_2 = self.modulation(c).chunk(6, dim=-1)
        hidden = hidden + alpha * self.attention(_modulate(hidden, beta, gamma), rotation)
        return hidden + alpha_2 * self.mlp(_modulate(hidden, beta_2, gamma_2))


class FinalLayer(nn.Module):
    """The last layer, W·((1 + γ)·norm(h) + β), zero at first.

    Args:
        dim: of a vector.
        outputs: of a patch.
    """

    def __init__(self, dim: int, outputs: int) -> None:
        super().__init__()
        self.modulation = ZeroLinear(dim, 2 * dim)
        self.linear = ZeroLinear(dim, outputs)

    def forward(
        self, hidden: Float[Tensor, "batch rows columns dim"], c: Float[Tensor, "batch _ _ dim"]
    ) -> Float[Tensor, "batch rows columns outputs"]:
        """Patches of the result; c as for a block."""
        beta, gamma = self.modulation(c).chunk(2, dim=-1)
        return self.linear(_modulate(hidden, beta, gamma))


def _modulate(hidden: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
    return (1 + gamma) * F.layer_norm(hidden, hidden.shape[-1:], eps=1e-6) + beta


class DiT(nn.Module):
    """An image of the same size and channels for a noisy image.

    Args:
        config: size of the network.
        channels: of the images.
        cond_channels: of the condition; 0 for none.
        conditioning: use of the condition.
        style_dim: 0 for a network without a style.
        positions: of the patches.
        attention: over all patches, or along alternating axes.
    """

    def __init__(
        self,
        config: DiTConfig,
        channels: int,
        *,
        cond_channels: int = 0,
        conditioning: Conditioning = "adaln",
        style_dim: int = 0,
        positions: Positions = "sinusoidal",
        attention: Attention = "full",
    ) -> None:
        super().__init__()
        self.config, self.patch_size = config, config.patch_size
        self.conditioning, self.positions, self.style_dim = conditioning, positions, style_dim
        dim, area = config.dim, math.prod(config.patch_size)
        self.patch_embed = nn.Linear(area * channels, dim)
        self.cond_embed = nn.Linear(area * cond_channels, dim) if cond_channels else None
        if cond_channels:
            self.null_cond = nn.Parameter(0.02 * torch.randn(dim))
        self.time_mlp = nn.Sequential(nn.Linear(TIME_DIM, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.style_mlp = mlp(2 * style_dim, dim) if style_dim else None
        axes: tuple[Axis | None, ...] = ("frequency", "time") if attention == "axial" else (None,)
        self.blocks = nn.ModuleList(
            AdaptiveBlock(config, axes[index % len(axes)]) for index in range(config.depth)
        )
        self.final_layer = FinalLayer(dim, area * channels)
        self._initialize()

    def forward(
        self,
        noisy: Float[Tensor, "batch channels time frequency"],
        time: Float[Tensor, " batch"],
        cond: Float[Tensor, "batch cond_channels time frequency"] | None = None,
        uncond: Bool[Tensor, " batch"] | None = None,
        *,
        style: Float[Tensor, "batch style"] | None = None,
    ) -> Float[Tensor, "batch channels time frequency"]:
        """The result, of the type of `noisy`.

        Args:
            noisy: of any size.
            time: of the diffusion, 0 to 1000 in the paper. The fastest sinusoid of its embedding
                turns by a radian a unit, so that times from 0 to 1 would be hard to tell apart.
            cond: the condition, of the size of `noisy`, for networks that have one.
            uncond: examples without condition and style.
            style: NaN leaves an element open, None all of them.

        Raises:
            ValueError: the condition is missing, of another size, or of no use.
        """
        if (cond is None) != (self.cond_embed is None):
            raise ValueError("a condition is required by networks that have one, and only by them")
        if cond is not None and cond.shape[2:] != noisy.shape[2:]:
            raise ValueError("the condition has another size than the noisy image")
        hidden = self.patch_embed(to_patches(noisy, self.patch_size))
        rows, columns = hidden.shape[1:3]
        hidden = hidden + self._positions(rows, columns).to(self.patch_embed.weight)
        c = self._embed_time_and_style(time, style, uncond)
        if cond is not None and self.conditioning == "adaln":
            c = c + self._embed_cond(cond, uncond)
        elif cond is not None:
            hidden = hidden + self._embed_cond(cond, uncond)
        rotation = None
        if self.positions == "rotary":
            head_dim = self.config.dim // self.config.heads
            rotation = Rotation(rows, columns, head_dim, hidden.device)
        c = F.silu(c)
        for block in self.blocks:
            hidden = block(hidden, c, rotation)
        patches = self.final_layer(hidden, c).to(noisy.dtype)
        return from_patches(patches, self.patch_size, (noisy.shape[2], noisy.shape[3]))

    def _initialize(self) -> None:
        for module in self.modules():
            if type(module) is nn.Linear:  # not the layers that are zero at first
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for layer in self.time_mlp:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.02)

    def _positions(self, rows: int, columns: int) -> Float[Tensor, "_ columns dim"]:
        dim, device = self.config.dim, self.patch_embed.weight.device
        if self.positions == "rotary":
            return sinusoidal_embedding(torch.arange(columns, device=device), dim)[None]
        time = sinusoidal_embedding(torch.arange(rows, device=device), dim // 2)[:, None]
        frequency = sinusoidal_embedding(torch.arange(columns, device=device), dim // 2)[None]
        each = (rows, columns, dim // 2)
        return torch.cat([frequency.expand(each), time.expand(each)], dim=-1)

    def _embed_time_and_style(
        self, time: Tensor, style: Tensor | None, uncond: Tensor | None
    ) -> Float[Tensor, "batch 1 1 dim"]:
        embedding = sinusoidal_embedding(time.float(), TIME_DIM)
        c = self.time_mlp(embedding.to(self.patch_embed.weight))
        if self.style_mlp is not None:
            if style is None:
                style = c.new_full((len(time), self.style_dim), math.nan)
            c = c + embed_style(self.style_mlp, style, uncond)
        return c[:, None, None]

    def _embed_cond(
        self, cond: Tensor, uncond: Tensor | None
    ) -> Float[Tensor, "batch rows columns dim"]:
        assert self.cond_embed is not None
        embedded = self.cond_embed(to_patches(cond, self.patch_size))
        if uncond is None:
            return embedded
        return torch.where(uncond[:, None, None, None], self.null_cond.to(embedded.dtype), embedded)
