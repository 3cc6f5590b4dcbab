"""`decorrelate`: every frequency as diffuse as it is in real music, nothing placed anywhere.

The classical baseline (Serrà et al. 2023, §4.1): an all-pass network, attacks preserved, mixed so
that coherence depends on frequency. With no level difference the prediction equations leave

    S = β(f)·D,    β = √((1 − ρ)/(1 + ρ))

where ρ(f) is the mean coherence of the training music in each band. That is one fixed filter: no
spectrogram is needed, and the coherence of a band in a frame varies around its mean by itself, as
it does in music.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo import TRANSFORM, allpass_response
from soundstage.stereo.encoding import spread
from soundstage.upmixing.filtering import FilterUpmixer

HALF = TRANSFORM.frame // 2  # the shaping filter is as long as a frame, and symmetric


class Decorrelate(FilterUpmixer):
    """The method; the seed moves the delays of the all-pass filters."""

    advance = HALF
    keep_transients = True

    def response(self, *, seed: int) -> Float[Tensor, " taps"]:
        """`side_response` of the table."""
        return side_response(self._coherence, seed=seed)


def side_response(coherence: Float[Tensor, " bands"], *, seed: int) -> Float[Tensor, " taps"]:
    """Impulse response from mid to side, with its time zero at `HALF`."""
    gain = ((1 - coherence) / (1 + coherence).clamp(min=0.01)).sqrt()
    zero_phase = torch.fft.irfft(spread(gain[:, None])[:, 0].to(torch.complex64))
    shaping = zero_phase.roll(HALF) * TRANSFORM.window
    allpass = allpass_response(seed=seed)
    allpass[0] = 0  # the direct path, g⁴ of the mid itself, would lean 0.4 dB to the left
    size = shaping.shape[0] + allpass.shape[0] - 1
    product = torch.fft.rfft(shaping, n=size) * torch.fft.rfft(allpass, n=size)
    return torch.fft.irfft(product, n=size)
