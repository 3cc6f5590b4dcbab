"""What belongs to the rows of a track of poses, at every sample between them.

Poses are told far more seldom than samples: row i belongs to sample i·hop. In between, anything
that follows from a row is taken linearly, and it is held after the last,

    v(n) = (1 − f)·v_i + f·v_(i+1),    i = ⌊n/hop⌋,  f = n/hop − i

so that it has no steps, which would be heard. Linear maps of v may be made either side of this, and
cost `hop` times less before it.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

VIEW = 7  # numbers of a pose: x y z, then a quaternion qx qy qz qw (Richard et al. 2021)
POSE_HOP = 400  # samples from row to row in their recordings: 120 Hz at 48 kHz


def held(rows: Float[Tensor, "*batch rows"], count: int) -> Float[Tensor, "*batch count"]:
    """The first `count` rows, the last of all again where there are fewer."""
    missing = max(count - rows.shape[-1], 0)
    last = rows[..., -1:].expand(*rows.shape[:-1], missing)
    return torch.cat([rows[..., :count], last], dim=-1)


def upsampled(
    rows: Float[Tensor, "*batch rows"], hop: int, samples: int
) -> Float[Tensor, "*batch samples"]:
    """Rows that lie `hop` samples apart, at every sample from the first row on.

    >>> upsampled(torch.tensor([0.0, 4.0]), 4, 6)
    tensor([0., 1., 2., 3., 4., 4.])
    """
    if hop == 1 and rows.shape[-1] == samples:
        return rows
    every = held(rows, -(-samples // hop) + 1)
    now, later = every[..., :-1, None], every[..., 1:, None]
    share = (torch.arange(hop, device=rows.device) / hop).to(rows.dtype)
    return (now + share * (later - now)).flatten(-2)[..., :samples]


def whole_frames(
    signals: Float[Tensor, "*batch samples"], hop: int
) -> Float[Tensor, "*batch whole"]:
    """Signals with silence after them, up to a multiple of `hop` samples."""
    return F.pad(signals, (0, -signals.shape[-1] % hop))
