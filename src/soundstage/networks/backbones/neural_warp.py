"""Neural time warping: a mono signal as it arrives at each ear, by a delay that is partly learned.

A warpfield ρ says which sample of a signal is heard at time t. How far the ear is away tells most
of it; a small network of poses adds what distance misses, such as the way around the head. Sound
is never heard before it is sent, and never in the wrong order (Richard et al. 2021):

    ρ(t) = max(ρ(t − 1), min(t, ρ_geometric(t) + ρ_neural(t))),    y(t) = x(ρ(t))

The recursion is the running maximum of min(t, ρ_geometric + ρ_neural), so that every ρ is monotone
and causal by construction. It forgets: where no delay is longer than D, ρ(t) ≥ t − D, and what
was before t − D has not been above that. Between samples x is linear (Leng et al. 2022, eq. 3),
and before its first it is silent.
"""

from itertools import pairwise

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.dilated import kaiming, zero
from soundstage.networks.backbones.pose_upsampling import POSE_HOP, VIEW, upsampled

_KERNEL = 2  # rows that a layer hears: the present one and that before it


class NeuralWarp(nn.Module):
    """A signal at the ears.

    At first ρ_neural is 0.

    Args:
        layers: convolutions over poses, beside the last, which makes the warpfields.
        channels: of each.
        numbers: of a pose.
        hop: samples from pose to pose.
        ears: how many there are.
    """

    def __init__(
        self,
        layers: int = 4,
        channels: int = 64,
        *,
        numbers: int = VIEW,
        hop: int = POSE_HOP,
        ears: int = 2,
    ) -> None:
        super().__init__()
        self.hop = hop
        widths = [numbers, *layers * [channels]]
        self.layers = nn.ModuleList(
            kaiming(nn.Conv1d(inputs, outputs, _KERNEL)) for inputs, outputs in pairwise(widths)
        )
        self.last = zero(nn.Conv1d(channels, ears, 1))

    @property
    def rows(self) -> tuple[int, int]:
        """Poses before and after the row of a sample that its ρ_neural depends on."""
        return len(self.layers) * (_KERNEL - 1), 1

    def forward(
        self,
        mono: Float[Tensor, "batch samples"],
        view: Float[Tensor, "batch numbers rows"],
        delays: Float[Tensor, "batch ears samples"],
    ) -> Float[Tensor, "batch ears samples"]:
        """The signal at the ears.

        Args:
            mono: as it is sent.
            view: pose at every `hop`-th sample; the first holds before, the last after.
            delays: from the source to each ear, in samples: t − ρ_geometric(t).
        """
        return warped(mono, self.warpfield(view, delays))

    def warpfield(
        self,
        view: Float[Tensor, "batch numbers rows"],
        delays: Float[Tensor, "batch ears samples"],
    ) -> Float64[Tensor, "batch ears samples"]:
        """The warpfield ρ, in samples from the first."""
        # Half precision would round a place to whole samples
        with torch.autocast(view.device.type, enabled=False):
            learned = self._learned(view.float())
        neural = upsampled(learned, self.hop, delays.shape[-1])
        times = torch.arange(delays.shape[-1], dtype=torch.float64, device=delays.device)
        return monotone(times - delays + neural)

    def _learned(
        self, view: Float[Tensor, "batch numbers rows"]
    ) -> Float[Tensor, "batch ears rows"]:
        hidden = view
        for layer in self.layers:
            hidden = F.relu(layer(F.pad(hidden, (_KERNEL - 1, 0), mode="replicate")))
        return self.last(hidden)


def monotone(field: Float[Tensor, "*batch samples"]) -> Float[Tensor, "*batch samples"]:
    """The monotone and causal warpfield nearest below any other: its running maximum, up to t.

    >>> monotone(torch.tensor([-1.0, 5.0, 0.5, 2.5]))
    tensor([-1.0000,  1.0000,  1.0000,  2.5000])
    """
    times = torch.arange(field.shape[-1], dtype=field.dtype, device=field.device)
    return torch.cummax(torch.minimum(field, times), dim=-1).values


def warped(
    signal: Float[Tensor, "batch samples"],
    field: Float[Tensor, "batch ears times"],
    *,
    cubic: bool = False,
) -> Float[Tensor, "batch ears times"]:
    """The signal at the places of a warpfield, silent beyond its ends.

    Args:
        signal: x.
        field: ρ, best in double precision: single knows a place after ten seconds at 48 kHz to
            within a thirtieth of a sample.
        cubic: along the cubics of Catmull and Rom (1974) and not along straight lines, which take
            up to 1.2 dB off 8 kHz at 48 kHz, and other treble from sample to sample.
    """
    samples = signal.shape[-1]
    places = field.clamp(-1, samples)
    before = places.detach().floor().clamp(max=samples - 1)
    share = (places - before).to(signal.dtype)
    padded = F.pad(signal, (2, 2))[:, None].expand(-1, field.shape[1], -1)
    index = before.long() + 2
    low, high = padded.gather(2, index), padded.gather(2, index + 1)
    straight = low + share * (high - low)
    if not cubic:
        return straight
    lower, higher = padded.gather(2, index - 1), padded.gather(2, index + 2)
    bend = (1 - share) * (2 * low - lower - high) + share * (2 * high - low - higher)
    return straight + 0.5 * share * (1 - share) * bend
