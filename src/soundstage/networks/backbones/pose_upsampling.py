"""Upsampling of poses and of anything computed from them to the rate of the sound.

Poses come far less often than samples: pose i belongs to sample i·hop. Values between are linear,
and the last one is held,

    v(n) = (1 − f)·v_i + f·v_(i+1),    i = ⌊n/hop⌋,  f = n/hop − i

so that there are no audible steps. Linear maps of v commute with this, and cost `hop` times less
before it.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

POSE_DIM = 7  # x y z, then a quaternion qx qy qz qw (Richard et al. 2021)
POSE_HOP = 400  # samples from pose to pose in their recordings: 120 Hz at 48 kHz


def hold_last(poses: Float[Tensor, "*batch poses"], count: int) -> Float[Tensor, "*batch count"]:
    """The first `count` poses, the last one repeated where there are fewer."""
    missing = max(count - poses.shape[-1], 0)
    last = poses[..., -1:].expand(*poses.shape[:-1], missing)
    return torch.cat([poses[..., :count], last], dim=-1)


def upsample(
    poses: Float[Tensor, "*batch poses"], hop: int, samples: int
) -> Float[Tensor, "*batch samples"]:
    """Values that lie `hop` samples apart, at every sample.

    >>> upsample(torch.tensor([0.0, 4.0]), 4, 6)
    tensor([0., 1., 2., 3., 4., 4.])
    """
    if hop == 1 and poses.shape[-1] == samples:
        return poses
    every = hold_last(poses, -(-samples // hop) + 1)
    now, later = every[..., :-1, None], every[..., 1:, None]
    share = (torch.arange(hop, device=poses.device) / hop).to(poses.dtype)
    return (now + share * (later - now)).flatten(-2)[..., :samples]


def pad_to_multiple(
    signals: Float[Tensor, "*batch samples"], hop: int
) -> Float[Tensor, "*batch padded"]:
    """Signals with silence after them, up to a multiple of `hop` samples."""
    return F.pad(signals, (0, -signals.shape[-1] % hop))
