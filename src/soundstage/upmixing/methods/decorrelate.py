"""`decorrelate`: diffuse width with the mean coherence of music in every band, without panning.

The classical baseline (Serrà et al. 2023, §4.1): an all-pass network, transients preserved, mixed
so that coherence depends on frequency. Without level differences the prediction equations reduce to

    S = β(f)·D,    β = √((1 − ρ)/(1 + ρ))

where ρ(f) is the mean coherence of the training music in each band. That is one fixed filter and
needs no spectrogram; the coherence of a tile varies around its mean by itself, as in music.

`FilterMethod` is any method of this form, S = h * M: `comb` is another.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.spectra import SampleQueue, StreamingConvolver
from soundstage.stereo import BANDS, RATE, TRANSFORM, TransientStream, allpass_response
from soundstage.stereo.encoding import spread
from soundstage.upmixing.generative.style import Style
from soundstage.weights.model import load_weights

HALF = TRANSFORM.frame // 2  # the shaping filter is as long as a frame, and symmetric


class FilterMethod:
    """One long filter a take, made from the mean coherence of music in each band.

    Args:
        coherence: 34 values, −1 to 1.
    """

    rate = RATE
    n_outputs = 1
    advance: int
    """Index of the time zero in the impulse response."""
    keep_transients: bool
    """Whether the side is faded out at transients, which the filter would smear."""

    def __init__(self, coherence: Float[Tensor, " bands"]) -> None:
        self._coherence = coherence

    def response(self, seed: int) -> Float[Tensor, " taps"]:
        """Impulse response from mid to side."""
        raise NotImplementedError

    def stream(self, seeds: Sequence[int]) -> "FilterStream":
        """Start a signal."""
        return FilterStream(
            [self.response(seed) for seed in seeds],
            advance=self.advance,
            keep_transients=self.keep_transients,
        )


class FilterStream:
    """Filters a mid into the sides of its takes.

    Args:
        responses: impulse response h of each take.
        advance: index of its time zero.
        keep_transients: fade the sides out at transients.
    """

    def __init__(
        self, responses: Sequence[Float[Tensor, " taps"]], *, advance: int, keep_transients: bool
    ) -> None:
        self._convolvers = [StreamingConvolver(each, advance=advance) for each in responses]
        self._transients = TransientStream() if keep_transients else None
        self._sides, self._gains = SampleQueue((len(responses),)), SampleQueue()

    def push(self, mid: Float[Tensor, " length"], /) -> Float[Tensor, "takes 1 ready"]:
        """Complete samples of the sides."""
        self._sides.push(torch.stack([each.push(mid) for each in self._convolvers]))
        self._gains.push(
            self._transients.push(mid) if self._transients else torch.ones(mid.shape[0])
        )
        return self._ready()

    def finish(self) -> Float[Tensor, "takes 1 rest"]:
        """The remaining samples."""
        self._sides.push(torch.stack([each.finish() for each in self._convolvers]))
        self._gains.push(self._transients.finish() if self._transients else torch.zeros(0))
        return self._ready()

    def _ready(self) -> Tensor:
        count = min(len(self._sides), len(self._gains))
        return (self._sides.pop(count) * self._gains.pop(count))[:, None]


class Decorrelate(FilterMethod):
    """The method; the seed changes the delays of the all-pass filters."""

    advance = HALF
    keep_transients = True

    def response(self, seed: int) -> Float[Tensor, " taps"]:
        """The decorrelating filter of this take."""
        return decorrelating_response(self._coherence, seed=seed)


def decorrelating_response(
    coherence: Float[Tensor, " bands"], *, seed: int
) -> Float[Tensor, " taps"]:
    """Impulse response of β(f)·D, with its time zero at `HALF`."""
    gain = ((1 - coherence) / (1 + coherence).clamp(min=0.01)).sqrt()
    zero_phase = torch.fft.irfft(spread(gain[:, None])[:, 0].to(torch.complex64))
    shaping = zero_phase.roll(HALF) * TRANSFORM.window
    allpass = allpass_response(seed=seed)
    allpass[0] = 0  # the direct path, g⁴ of the mid, would pan the result by 0.4 dB to the left
    size = shaping.shape[0] + allpass.shape[0] - 1
    product = torch.fft.rfft(shaping, n=size) * torch.fft.rfft(allpass, n=size)
    return torch.fft.irfft(product, n=size)


def load(
    weights: str,
    *,
    style: Style | None = None,
    decoder: str = "prediction",
    device: torch.device | str = "cpu",
) -> Decorrelate:
    """The method with a table of coherences; filters run on the CPU.

    Raises:
        WeightsError: the table is missing, damaged, or of another family.
    """
    return Decorrelate(load_coherence(weights))


def load_coherence(weights: str) -> Float[Tensor, " bands"]:
    """The mean coherence of music in each band.

    Raises:
        WeightsError: the table is missing, damaged, or of another family.
    """
    loaded = load_weights(weights, "decorrelate")
    return loaded.tensor("coherence", torch.float32, (BANDS,)).clamp(-1, 1)
