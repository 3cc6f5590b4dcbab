"""Hyper-convolutions: convolutions with weights computed from the pose of a source.

Sound from another place takes another path through the air and around the head: another filter. So
Richard et al. (2021) do not add a condition c to the result of a convolution, as WaveNet does, but
compute its weights from c at every time t,

    y_t = Σ_k W_k(c_t)·x_(t−k·d) + b(c_t)

with a small network. Its last layer is linear, so that the result is one fixed kernel and `rank`
others with coefficients a_r,

    W_k(c) = B_0k + Σ_r a_r(c)·B_rk,    a(c) = max(0, A·c + a_0)

that is, a weighted sum of ordinary convolutions, which would cost 1 + rank of them. But c comes
only every `hop` samples, and coefficients, hence kernels, are linear in between:

    y_t = (1 − f)·Σ_k W_k(c_i)·x_(t−k·d) + f·Σ_k W_k(c_(i+1))·x_(t−k·d)

is the same and costs two: each segment of `hop` samples is multiplied by two matrices. Where
kernels are long and channels few, the spectra of both are multiplied instead.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.dilated import span
from soundstage.networks.backbones.pose_upsampling import (
    POSE_DIM,
    POSE_HOP,
    hold_last,
    pad_to_multiple,
)

RANK = 32  # kernels with coefficients
LONG = 16  # taps from which spectra are cheaper than matrices
POSE_SHARE = 0.1  # of a kernel's deviation, for the part that depends on the pose before training


class HyperConvolution(nn.Module):
    """A dilated convolution with another kernel for each pose.

    Args:
        in_channels: of x.
        out_channels: of y.
        kernel_size: taps.
        pose_dim: of c.
        hop: samples from one c to the next.
        rank: kernels with coefficients.
        dilation: d.
        causal: a causal convolution, or a centered one.

    Raises:
        ValueError: the convolution is centered and the kernel size is even.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        pose_dim: int = POSE_DIM,
        hop: int = POSE_HOP,
        rank: int = RANK,
        dilation: int = 1,
        causal: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.hop, self.dilation = kernel_size, hop, dilation
        self.receptive_field = span(kernel_size, dilation, causal=causal)
        self.coefficients = nn.Linear(pose_dim, rank)
        self.kernels = nn.Linear(rank, (kernel_size * in_channels + 1) * out_channels)
        self._initialize()

    def forward(
        self,
        signal: Float[Tensor, "batch in_channels samples"],
        poses: Float[Tensor, "batch pose_dim poses"],
    ) -> Float[Tensor, "batch out_channels samples"]:
        """y; beyond both ends of the signal there is silence.

        Args:
            signal: x.
            poses: c at every `hop`-th sample; the last is held.
        """
        samples = signal.shape[-1]
        whole = pad_to_multiple(signal, self.hop)
        padded = F.pad(whole, self.receptive_field)
        weights, biases = self._weights(hold_last(poses, whole.shape[-1] // self.hop + 1))
        convolve = self._by_spectra if self._uses_spectra else self._by_matrices
        now, later = convolve(padded, weights)
        now, later = now + biases[:, :-1, None], later + biases[:, 1:, None]
        share = (torch.arange(self.hop, device=now.device) / self.hop).to(now.dtype)[:, None]
        return (now + share * (later - now)).flatten(1, 2).transpose(1, 2)[..., :samples]

    @property
    def _uses_spectra(self) -> bool:
        return self.dilation == 1 and self.kernel_size >= LONG

    def _by_matrices(self, padded: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Each segment of `hop` samples, filtered by the kernels at its start and at its end.

        Args:
            padded: the signal with its context.
            weights: (batch, poses, taps and in_channels, out_channels).

        Returns:
            Twice (batch, segments, hop, out_channels).
        """
        samples = padded.shape[-1] - sum(self.receptive_field)
        firsts = range(0, self.kernel_size * self.dilation, self.dilation)
        taps = [padded[..., first : first + samples] for first in firsts]
        segments = torch.cat(taps, dim=1).unflatten(-1, (-1, self.hop)).permute(0, 2, 3, 1)
        ends = torch.cat([weights[:, :-1], weights[:, 1:]], dim=-1)
        now, later = (segments @ ends).chunk(2, dim=-1)
        return now, later

    def _by_spectra(self, padded: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The same."""
        length = self.hop + self.kernel_size - 1
        segments = torch.fft.rfft(padded.unfold(-1, length, self.hop))[:, None]
        kernels = weights.unflatten(2, (self.kernel_size, self.in_channels))
        # The taps of a kernel are in the order of time, so this is a correlation
        spectra = torch.fft.rfft(kernels.permute(0, 4, 3, 1, 2), length).conj()
        now, later = (
            torch.fft.irfft((segments * each).sum(dim=2), length)[..., : self.hop]
            for each in (spectra[:, :, :, :-1], spectra[:, :, :, 1:])
        )
        return now.permute(0, 2, 3, 1), later.permute(0, 2, 3, 1)

    def _weights(
        self, poses: Float[Tensor, "batch pose_dim poses"]
    ) -> tuple[
        Float[Tensor, "batch poses taps out_channels"], Float[Tensor, "batch poses out_channels"]
    ]:
        weights = self.kernels(F.relu(self.coefficients(poses.transpose(1, 2))))
        weights = weights.unflatten(-1, (-1, self.out_channels))
        return weights[..., :-1, :], weights[..., -1, :]

    def _initialize(self) -> None:
        """B_0 as in Sitzmann et al. (2020, §3.2), for a sine that follows; the other B_r small."""
        bound = math.sqrt(6 / (self.kernel_size * self.in_channels))
        nn.init.uniform_(self.kernels.bias, -bound, bound)
        bound *= POSE_SHARE / math.sqrt(self.coefficients.out_features)
        nn.init.uniform_(self.kernels.weight, -bound, bound)
