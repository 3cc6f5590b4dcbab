"""What an upmixer is: from a mid signal at its own rate to a side signal, in blocks.

A method implements `stream`; everything else (any sample rate, any length, files, controls, level)
is the engine's. Blocks come in order and of any size; what goes out lags behind what came in, and
`finish` gives the rest, so that in all as many samples come out as went in.
"""

from typing import Protocol

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.stereo import Parameters


class SideStream(Protocol):
    """One signal on its way through a method."""

    def push(self, mid: Float[Tensor, " length"]) -> Float[Tensor, "rows ready"]:
        """Side samples that `mid` completes."""
        ...

    def finish(self) -> Float[Tensor, "rows rest"]:
        """The remaining side samples."""
        ...


class Upmixer(Protocol):
    """A method, ready to run: holds its weights, no state of any signal."""

    rate: int
    """Samples a second at which it works."""
    rows: int
    """1: makes the side alone, and the fold-down is exact. 2: a new mid, then the side."""

    def stream(self, *, seed: int) -> SideStream:
        """Begin a signal. The seed picks one of the takes that the method can make."""
        ...


class PredictorStream(Protocol):
    """One signal on its way through a predictor of parametric stereo."""

    def push(self, spectrogram: Complex[Tensor, "bins frames"]) -> Parameters:
        """Parameters of the oldest frames that can be told, as far as not yet returned."""
        ...

    def finish(self) -> Parameters:
        """Parameters of the remaining frames."""
        ...


class Predictor(Protocol):
    """Tells parametric stereo from the spectrogram of a mid."""

    def stream(self, *, seed: int) -> PredictorStream:
        """Begin a signal."""
        ...


def make_side(
    upmixer: Upmixer, mid: Float[Tensor, " length"], *, seed: int = 0
) -> Float[Tensor, "rows length"]:
    """The side of a whole mid at `upmixer.rate`, in one piece."""
    stream = upmixer.stream(seed=seed)
    with torch.inference_mode():
        return torch.cat([stream.push(mid), stream.finish()], dim=-1)
