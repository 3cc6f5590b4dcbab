"""Upmixers that are one long filter: S = h * M, as coherent with the mid as music is, band by band.

What differs between them is how the filter h is made from the table of coherences and a seed, and
whether it smears attacks, so that the side must be faded out there.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.spectra import SampleQueue, StreamingConvolver
from soundstage.stereo import BANDS, RATE, TransientStream
from soundstage.weights.model import load_weights


class FilterUpmixer:
    """A method that makes its filter from the mean coherence of music in each band.

    Args:
        coherence: 34 values, −1 to 1.
    """

    rate = RATE
    rows = 1
    advance: int
    """Index of the time zero in the impulse response."""
    keep_transients: bool
    """Whether the side is faded out at attacks."""

    def __init__(self, coherence: Float[Tensor, " bands"]) -> None:
        self._coherence = coherence

    @classmethod
    def load(cls, source: str = "decorrelate") -> "FilterUpmixer":
        """With the shipped table, or with that of a file.

        Raises:
            WeightsError: the table is missing, damaged or not a table of coherences.
        """
        weights = load_weights(source, "decorrelate")
        return cls(weights.tensor("coherence", torch.float32, (BANDS,)).clamp(-1, 1))

    def response(self, *, seed: int) -> Float[Tensor, " taps"]:
        """Impulse response from mid to side; the seed picks the take."""
        raise NotImplementedError

    def stream(self, *, seed: int) -> "FilterStream":
        """Begin a signal."""
        return FilterStream(
            self.response(seed=seed), advance=self.advance, keep_transients=self.keep_transients
        )


class FilterStream:
    """Filters a mid into its side.

    Args:
        response: impulse response h.
        advance: index of its time zero.
        keep_transients: fade the side out at attacks.
    """

    def __init__(
        self, response: Float[Tensor, " taps"], *, advance: int, keep_transients: bool
    ) -> None:
        self._convolver = StreamingConvolver(response, advance=advance)
        self._transients = TransientStream() if keep_transients else None
        self._side, self._gains = SampleQueue(), SampleQueue()

    def push(self, mid: Float[Tensor, " length"]) -> Float[Tensor, "1 ready"]:
        """Side samples that are complete."""
        self._side.push(self._convolver.push(mid))
        self._gains.push(
            self._transients.push(mid) if self._transients else torch.ones(mid.shape[0])
        )
        return self._ready()

    def finish(self) -> Float[Tensor, "1 rest"]:
        """The rest of the side."""
        self._side.push(self._convolver.finish())
        self._gains.push(self._transients.finish() if self._transients else torch.zeros(0))
        return self._ready()

    def _ready(self) -> Tensor:
        count = min(len(self._side), len(self._gains))
        return (self._side.pop(count) * self._gains.pop(count))[None]
