"""Hyper-convolutions: convolutions whose weights follow from where a source is.

A sound from elsewhere goes another way through the air and around the head: through another filter.
So Richard et al. (2021) do not add a condition c to the result of a convolution, as WaveNet
does, but make its weights of it, at every time t anew,

    y_t = Σ_k W_k(c_t)·x_(t−k·d) + b(c_t)

A small network makes them. Its last layer is linear, so that what it learns is one ordinary kernel
and `rank` others that the pose adds in shares a_r,

    W_k(c) = B_0k + Σ_r a_r(c)·B_rk,    a(c) = max(0, A·c + a_0)

and y is a weighted sum of ordinary convolutions. That sum would cost 1 + rank convolutions. But
c is told only every `hop` samples, and shares, hence kernels, are linear in between (`pose_rows`):

    y_t = (1 − f)·Σ_k W_k(c_i)·x_(t−k·d) + f·Σ_k W_k(c_(i+1))·x_(t−k·d)

is the same and costs two: each stretch of `hop` samples is multiplied with two matrices. Where
kernels are long and channels few, the spectra of both are multiplied instead.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.dilated import span
from soundstage.networks.backbones.pose_upsampling import POSE_HOP, VIEW, held, whole_frames

RANK = 32  # kernels that poses mix
LONG = 16  # taps from which spectra are cheaper than matrices
POSE_PART = 0.1  # of a kernel's deviation, for what a pose adds to it before training


class HyperConvolution(nn.Module):
    """A dilated convolution, other from pose to pose.

    Args:
        inputs: channels of x.
        outputs: channels of y.
        kernel: taps.
        numbers: of c.
        hop: samples from one c to the next.
        rank: kernels that are mixed.
        dilation: d.
        causal: whether a sample hears only those before it.

    Raises:
        ValueError: it looks both ways with a kernel that has no middle.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        numbers: int = VIEW,
        hop: int = POSE_HOP,
        rank: int = RANK,
        dilation: int = 1,
        causal: bool = True,
    ) -> None:
        super().__init__()
        self.inputs, self.outputs, self.kernel = inputs, outputs, kernel
        self.hop, self.dilation = hop, dilation
        self.reach = span(kernel, dilation, causal=causal)
        self.shares = nn.Linear(numbers, rank)
        self.kernels = nn.Linear(rank, (kernel * inputs + 1) * outputs)
        self._initialize()

    @property
    def operations(self) -> float:
        """Multiply-adds for a sample."""
        made = self.shares.weight.numel() + self.kernels.weight.numel()
        return 2 * self.kernel * self.inputs * self.outputs + made / self.hop

    def forward(
        self,
        signal: Float[Tensor, "batch inputs samples"],
        rows: Float[Tensor, "batch numbers rows"],
    ) -> Float[Tensor, "batch outputs samples"]:
        """y; beyond both ends of the signal there is silence.

        Args:
            signal: x.
            rows: c at every `hop`-th sample; the last is held.
        """
        samples = signal.shape[-1]
        whole = whole_frames(signal, self.hop)
        padded = F.pad(whole, self.reach)
        weights, offsets = self._weights(held(rows, whole.shape[-1] // self.hop + 1))
        filtered = self._by_spectra if self._is_long else self._by_matrices
        now, later = filtered(padded, weights)
        now, later = now + offsets[:, :-1, None], later + offsets[:, 1:, None]
        share = (torch.arange(self.hop, device=now.device) / self.hop).to(now.dtype)[:, None]
        return (now + share * (later - now)).flatten(1, 2).transpose(1, 2)[..., :samples]

    @property
    def _is_long(self) -> bool:
        return self.dilation == 1 and self.kernel >= LONG

    def _by_matrices(self, padded: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Each stretch by the kernels at its beginning, and by those at its end.

        Args:
            padded: the signal and what is around it.
            weights: (batch, rows, taps and inputs, outputs).

        Returns:
            Twice (batch, stretches, hop, outputs).
        """
        samples = padded.shape[-1] - sum(self.reach)
        firsts = range(0, self.kernel * self.dilation, self.dilation)
        taps = [padded[..., first : first + samples] for first in firsts]
        stretches = torch.cat(taps, dim=1).unflatten(-1, (-1, self.hop)).permute(0, 2, 3, 1)
        ends = torch.cat([weights[:, :-1], weights[:, 1:]], dim=-1)
        now, later = (stretches @ ends).chunk(2, dim=-1)
        return now, later

    def _by_spectra(self, padded: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The same."""
        length = self.hop + self.kernel - 1
        heard = torch.fft.rfft(padded.unfold(-1, length, self.hop))[:, None]
        kernels = weights.unflatten(2, (self.kernel, self.inputs)).permute(0, 4, 3, 1, 2)
        # A kernel's taps stand in the order of time, so that this is a correlation
        spectra = torch.fft.rfft(kernels, length).conj()
        now, later = (
            torch.fft.irfft((heard * each).sum(dim=2), length)[..., : self.hop]
            for each in (spectra[:, :, :, :-1], spectra[:, :, :, 1:])
        )
        return now.permute(0, 2, 3, 1), later.permute(0, 2, 3, 1)

    def _weights(
        self, rows: Float[Tensor, "batch numbers rows"]
    ) -> tuple[Float[Tensor, "batch rows taps outputs"], Float[Tensor, "batch rows outputs"]]:
        made = self.kernels(F.relu(self.shares(rows.transpose(1, 2))))
        made = made.unflatten(-1, (-1, self.outputs))
        return made[..., :-1, :], made[..., -1, :]

    def _initialize(self) -> None:
        """B_0 as Sitzmann et al. (2020, §3.2) do for sines that follow; the pose adds little."""
        bound = math.sqrt(6 / (self.kernel * self.inputs))
        nn.init.uniform_(self.kernels.bias, -bound, bound)
        bound *= POSE_PART / math.sqrt(self.shares.out_features)
        nn.init.uniform_(self.kernels.weight, -bound, bound)
