"""Parametric stereo as an upmix method: analyze the mid, predict parameters, decode the side.

A predictor maps the spectrogram of the mid to level differences and coherences
(`stereo/encoding.py`); the decoder (`stereo/decoding.py`) makes the side from them. The takes of a
mid share its spectrogram; each has its own parameters and its own decorrelator.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.stereo import RATE, Decoder, DecoderStream, Parameters


class PredictorStream(Protocol):
    """One mid and the parameters of all its takes, block by block."""

    def push(self, spectrogram: Complex[Tensor, "bins frames"], /) -> Parameters:
        """The new parameters that these frames complete, (takes, bands, ready)."""
        ...

    def finish(self) -> Parameters:
        """Parameters of the remaining frames, (takes, bands, rest)."""
        ...


class Predictor(Protocol):
    """A model of parametric stereo, given the mid."""

    def stream(self, seeds: Sequence[int], /) -> PredictorStream:
        """Start a signal, with one take a seed; a take does not depend on the others."""
        ...


class ParametricMethod:
    """A predictor and the decoder.

    Args:
        predictor: gives parameters for every frame.
        decoder: "prediction" (exact fold-down) or "mixing" (matrices of Breebaart et al. 2005).
    """

    rate = RATE

    def __init__(self, predictor: Predictor, *, decoder: Decoder = "prediction") -> None:
        self.predictor = predictor
        self._decoder: Decoder = decoder
        self.n_outputs = 1 if decoder == "prediction" else 2

    def stream(self, seeds: Sequence[int]) -> "ParametricStream":
        """Start a signal; the seeds serve the predictor and the decorrelators."""
        return ParametricStream(
            self.predictor.stream(seeds), DecoderStream(seeds, decoder=self._decoder)
        )


class ParametricStream:
    """Passes frames from the decoder's analysis to the predictor, and parameters back."""

    def __init__(self, predictor: PredictorStream, decoder: DecoderStream) -> None:
        self._predictor, self._decoder = predictor, decoder

    def push(self, mid: Float[Tensor, " length"], /) -> Float[Tensor, "takes n_outputs ready"]:
        """The samples whose parameters are known."""
        return self._decoder.decode(self._predictor.push(self._decoder.analyze(mid)))

    def finish(self) -> Float[Tensor, "takes n_outputs rest"]:
        """The remaining samples."""
        last = self._predictor.push(self._decoder.finish_analysis())
        parts = [
            self._decoder.decode(last),
            self._decoder.decode(self._predictor.finish()),
            self._decoder.finish(),
        ]
        return torch.cat(parts, dim=-1)


def stack_takes(takes: Sequence[Parameters]) -> Parameters:
    """(takes, bands, frames) from (bands, frames) of each take."""
    return Parameters(*(torch.stack(values) for values in zip(*takes, strict=True)))


def concatenate(parts: Sequence[Parameters]) -> Parameters:
    """Parameters one after the other in time."""
    return Parameters(*(torch.cat(values, dim=-1) for values in zip(*parts, strict=True)))
