"""Attention over a grid of vectors, of which a row is one time and a column one frequency.

Where every vector hears all others, the cost grows with the square of the length. Three plans share
out over the blocks of a network what is heard:

    full      all rows and columns
    axial     in turn its own row, and its own column, which may be cut into windows of time
              (Ho et al. 2019, axial transformers)
    windowed  all columns in a window of time; every other block moves the windows by half of one
              (Liu et al. 2021, Swin transformer, §3.2, along time alone)

With windows the cost grows with the length and `reach` bounds what is heard. Windows that begin
before a grid or end after it are cut short, not filled up.

Rotary positions (Su et al. 2021, eq. 34) turn each pair of numbers of a query and of a key by an
angle that grows with its place, so that their product knows only how far apart the two are:

    ⟨R(m)·q, R(n)·k⟩ = ⟨q, R(n − m)·k⟩

Half of the pairs turn with time, half with frequency.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.transformer import sinusoidal_embedding

Plan = Literal["full", "axial", "windowed"]

# Vectors up to which plain products train faster on a processor: the backward pass of torch's
# kernel in bfloat16 takes 7 times as long with 64, and 11 times with 17
SHORT = 128


@dataclass(frozen=True)
class Span:
    """What a vector hears in one block."""

    window: int | None
    """Rows; None for all."""
    shift: int = 0
    """Row where the first whole window begins."""
    own_column: bool = False
    """Whether it hears no other column."""


def spans_of(plan: Plan, blocks: int, window: int | None = None) -> tuple[Span, ...]:
    """What is heard in each block of a network.

    Args:
        plan: one of those above.
        blocks: of the network.
        window: rows of a window, an even number; `axial` goes without windows where it is None.

    Raises:
        ValueError: there is no such plan, or the window does not fit it.
    """
    if plan not in get_args(Plan):
        raise ValueError(f"attention is one of {', '.join(get_args(Plan))}, not {plan!r}")
    if plan == "full" and window is not None:
        raise ValueError("full attention has no window")
    if plan == "windowed" and window is None:
        raise ValueError("windowed attention needs a window")
    if window is not None and (window < 2 or window % 2):
        raise ValueError(f"a window is an even number of rows, not {window}")
    half = window // 2 if window else 0
    cycle = {
        "full": [Span(None)],
        "axial": [Span(1), Span(window, 0, True), Span(1), Span(window, half, True)],
        "windowed": [Span(window), Span(window, half)],
    }[plan]
    return tuple(cycle[block % len(cycle)] for block in range(blocks))


def reach(spans: Sequence[Span]) -> int | None:
    """Rows before and after one that the blocks together let it hear, at most; None for all."""
    windows = [span.window for span in spans if span.window is not None]
    if len(windows) < len(spans):
        return None
    furthest = 0
    for row in range(math.lcm(*windows)):
        first = last = row
        for window, span in zip(reversed(windows), reversed(spans), strict=True):
            first -= (first - span.shift) % window
            last += window - 1 - (last - span.shift) % window
        furthest = max(furthest, row - first, last - row)
    return furthest


class Rotation:
    """Rotary positions of a grid.

    Args:
        rows: of the grid.
        columns: of the grid.
        width: of a head, a multiple of 4.
        device: where it is used.
    """

    def __init__(self, rows: int, columns: int, width: int, device: torch.device) -> None:
        time = sinusoidal_embedding(torch.arange(rows, device=device), width // 2)[:, None]
        frequency = sinusoidal_embedding(torch.arange(columns, device=device), width // 2)[None]
        each = (rows, columns, width // 4)
        turns = zip(time.chunk(2, dim=-1), frequency.chunk(2, dim=-1), strict=True)
        self._sin, self._cos = (
            torch.cat([part.expand(each) for part in pair], dim=-1)[:, :, None] for pair in turns
        )

    def __call__(
        self, x: Float[Tensor, "batch rows columns heads width"]
    ) -> Float[Tensor, "batch rows columns heads width"]:
        """R·x, where a pair is one number of the first half and one of the second."""
        a, b = x.chunk(2, dim=-1)
        turned = [a * self._cos - b * self._sin, a * self._sin + b * self._cos]
        return torch.cat(turned, dim=-1).to(x.dtype)


class GridAttention(nn.Module):
    """Attention of many heads within spans.

    Args:
        width: of a vector.
        heads: among which it is divided.
        span: what is heard.
    """

    def __init__(self, width: int, heads: int, span: Span) -> None:
        super().__init__()
        self.heads, self.span = heads, span
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self, x: Float[Tensor, "batch rows columns width"], rotation: Rotation | None = None
    ) -> Float[Tensor, "batch rows columns width"]:
        """What every vector hears."""
        parts = self.queries_keys_values(x).unflatten(-1, (3, self.heads, -1))
        if rotation is not None:
            queries, keys, values = parts.unbind(dim=3)
            parts = torch.stack([rotation(queries), rotation(keys), values], dim=3)
        return self.out(attend(parts, self.span).flatten(3))


def attend(
    parts: Float[Tensor, "batch rows columns 3 heads width"], span: Span
) -> Float[Tensor, "batch rows columns heads width"]:
    """softmax(q·kᵀ/√width)·v of queries q, keys k and values v, within a span."""
    batch, rows, columns = parts.shape[:3]
    if span.own_column:
        alone = parts.transpose(1, 2).reshape(batch * columns, rows, 1, *parts.shape[3:])
        heard = attend(alone, Span(span.window, span.shift)).squeeze(2)
        return heard.unflatten(0, (batch, columns)).transpose(1, 2)
    window = rows if span.window is None else span.window
    begin = min(span.shift, rows)
    end = rows - (rows - begin) % window
    pieces = [(0, begin, begin), (begin, end, window), (end, rows, rows - end)]
    heard_in = [_attend_in_windows(parts[:, a:b], each) for a, b, each in pieces if b > a]
    return torch.cat(heard_in, dim=1)


def _attend_in_windows(
    parts: Float[Tensor, "batch rows columns 3 heads width"], window: int
) -> Float[Tensor, "batch rows columns heads width"]:
    batch, rows, columns, _, heads, width = parts.shape
    tokens = parts.reshape(-1, window * columns, 3, heads, width)
    queries, keys, values = tokens.permute(2, 0, 3, 1, 4)  # each (windows, heads, tokens, width)
    if queries.requires_grad and queries.device.type == "cpu" and queries.shape[2] <= SHORT:
        scores = queries @ keys.transpose(-1, -2) / math.sqrt(width)
        heard = scores.softmax(dim=-1).to(values.dtype) @ values
    else:
        heard = F.scaled_dot_product_attention(queries, keys, values)
    return heard.transpose(1, 2).reshape(batch, rows, columns, heads, width)
