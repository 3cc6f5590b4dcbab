"""Upmixers that are one long filter: S = h * M, faded out at attacks if the filter smears them."""

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.spectra import SampleQueue, StreamingConvolver
from soundstage.stereo import TransientStream


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
