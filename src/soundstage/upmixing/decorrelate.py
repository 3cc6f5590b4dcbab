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

from soundstage.stereo import BANDS, RATE, TRANSFORM, allpass_response
from soundstage.stereo.bands import spread
from soundstage.upmixing.filtering import FilterStream
from soundstage.weights import load_weights

HALF = TRANSFORM.frame // 2  # the shaping filter is as long as a frame, and symmetric


class Decorrelate:
    """The method, with its table of coherences (34 values, −1 to 1)."""

    rate = RATE
    rows = 1

    def __init__(self, coherence: Float[Tensor, " bands"]) -> None:
        self._coherence = coherence

    @classmethod
    def load(cls, source: str = "decorrelate") -> "Decorrelate":
        """With the shipped table, or with that of a file.

        Raises:
            WeightsError: the table is missing, damaged or not a table of coherences.
        """
        weights = load_weights(source, "decorrelate")
        return cls(weights.tensor("coherence", torch.float32, (BANDS,)).clamp(-1, 1))

    def stream(self, *, seed: int) -> FilterStream:
        """Begin a signal; the seed moves the delays of the all-pass filters."""
        response = side_response(self._coherence, seed=seed)
        return FilterStream(response, advance=HALF, keep_transients=True)


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
