"""Neural time warping: a mono signal as it arrives at each ear, by a partly learned delay.

A warpfield ρ maps the time t at the ear to a time of the source. Its geometric part follows from
the distance; a small network of poses adds the rest, such as the path around the head. It is
monotone and causal (Richard et al. 2021):

    ρ(t) = max(ρ(t − 1), min(t, ρ_geometric(t) + ρ_neural(t))),    y(t) = x(ρ(t))

The recursion is the running maximum of min(t, ρ_geometric + ρ_neural). Its memory is limited: if no
delay is longer than D, ρ(t) ≥ t − D, and values before t − D have no effect. Between samples x is
linear (Leng et al. 2022, eq. 3), and silent before its first.
"""

from itertools import pairwise

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.dilated import kaiming, zero
from soundstage.networks.backbones.pose_upsampling import POSE_DIM, POSE_HOP, upsample

_KERNEL_SIZE = 2  # poses that a layer reads: the present one and the one before


class NeuralWarp(nn.Module):
    """A signal at the ears; before training, ρ_neural is 0.

    Args:
        layers: convolutions over poses before the last one, which makes the warpfields.
        channels: of each.
        pose_dim: of a pose.
        hop: samples from pose to pose.
        ears: outputs.
    """

    def __init__(
        self,
        layers: int = 4,
        channels: int = 64,
        *,
        pose_dim: int = POSE_DIM,
        hop: int = POSE_HOP,
        ears: int = 2,
    ) -> None:
        super().__init__()
        self.hop = hop
        widths = [pose_dim, *layers * [channels]]
        self.layers = nn.ModuleList(
            kaiming(nn.Conv1d(inputs, outputs, _KERNEL_SIZE))
            for inputs, outputs in pairwise(widths)
        )
        self.conv_out = zero(nn.Conv1d(channels, ears, 1))

    @property
    def receptive_field(self) -> tuple[int, int]:
        """Poses before and after the pose of a sample that its ρ_neural depends on."""
        return len(self.layers) * (_KERNEL_SIZE - 1), 1

    def forward(
        self,
        mono: Float[Tensor, "batch samples"],
        pose: Float[Tensor, "batch pose_dim poses"],
        delays: Float[Tensor, "batch ears samples"],
    ) -> Float[Tensor, "batch ears samples"]:
        """The signal at the ears.

        Args:
            mono: the signal of the source.
            pose: at every `hop`-th sample; the first is held before, the last after.
            delays: from the source to each ear, in samples: t − ρ_geometric(t).
        """
        return warp(mono, self.warpfield(pose, delays))

    def warpfield(
        self,
        pose: Float[Tensor, "batch pose_dim poses"],
        delays: Float[Tensor, "batch ears samples"],
    ) -> Float64[Tensor, "batch ears samples"]:
        """The warpfield ρ, in samples from the first."""
        # Half precision would round a time to whole samples
        with torch.autocast(pose.device.type, enabled=False):
            neural = self._neural(pose.float())
        neural = upsample(neural, self.hop, delays.shape[-1])
        # MPS has no double precision
        precision = torch.float32 if delays.device.type == "mps" else torch.float64
        times = torch.arange(delays.shape[-1], dtype=precision, device=delays.device)
        return monotone(times - delays + neural)

    def _neural(
        self, pose: Float[Tensor, "batch pose_dim poses"]
    ) -> Float[Tensor, "batch ears poses"]:
        hidden = pose
        for layer in self.layers:
            hidden = F.relu(layer(F.pad(hidden, (_KERNEL_SIZE - 1, 0), mode="replicate")))
        return self.conv_out(hidden)


def monotone(field: Float[Tensor, "*batch samples"]) -> Float[Tensor, "*batch samples"]:
    """The running maximum of a warpfield limited to t: monotone and causal.

    >>> monotone(torch.tensor([-1.0, 5.0, 0.5, 2.5]))
    tensor([-1.0000,  1.0000,  1.0000,  2.5000])
    """
    times = torch.arange(field.shape[-1], dtype=field.dtype, device=field.device)
    return torch.cummax(torch.minimum(field, times), dim=-1).values


def warp(
    signal: Float[Tensor, "batch samples"],
    field: Float[Tensor, "batch ears times"],
    *,
    cubic: bool = False,
) -> Float[Tensor, "batch ears times"]:
    """The signal at the times of a warpfield, silent beyond its ends.

    Args:
        signal: x.
        field: ρ, best in double precision: after ten seconds at 48 kHz, single precision has a
            resolution of a thirtieth of a sample.
        cubic: interpolation by the cubics of Catmull and Rom (1974) instead of linear, which loses
            up to 1.2 dB at 8 kHz and 48 kHz, varying from sample to sample.
    """
    samples = signal.shape[-1]
    places = field.clamp(-1, samples)
    before = places.detach().floor().clamp(max=samples - 1)
    share = (places - before).to(signal.dtype)
    padded = F.pad(signal, (2, 2))[:, None].expand(-1, field.shape[1], -1)
    index = before.long() + 2
    low, high = padded.gather(2, index), padded.gather(2, index + 1)
    linear = low + share * (high - low)
    if not cubic:
        return linear
    lower, higher = padded.gather(2, index - 1), padded.gather(2, index + 2)
    bend = (1 - share) * (2 * low - lower - high) + share * (2 * high - low - higher)
    return linear + 0.5 * share * (1 - share) * bend
