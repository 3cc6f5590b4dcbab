"""Any predictor of parametric stereo becomes an upmixer: analyze, predict, decode.

Takes of one signal have the spectrogram of the mid in common, and each its own decorrelator.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo import RATE, Decoder, DecoderStream, Parameters
from soundstage.upmixing.takes import OnlyTake, Stream, begin_takes
from soundstage.upmixing.upmixer import Predictor


class ParametricUpmixer:
    """Decodes what a predictor tells from the spectrogram of the mid.

    Args:
        predictor: gives a column of parameters for every frame.
        decoder: "prediction" (the fold-down is exact) or "mixing" (the paper's matrices).
    """

    rate = RATE

    def __init__(self, predictor: Predictor, *, decoder: Decoder = "prediction") -> None:
        self._predictor = predictor
        self._decoder: Decoder = decoder
        self.rows = 1 if decoder == "prediction" else 2

    def stream(self, *, seed: int) -> Stream[Tensor]:
        """Begin a signal; the seed serves the predictor and the decorrelator."""
        return OnlyTake(self.takes([seed]))

    def takes(self, seeds: list[int]) -> "ParametricTakes":
        """Begin a signal in several takes, whose parameters are predicted together if they can."""
        decoders = [DecoderStream(seed=seed, decoder=self._decoder) for seed in seeds]
        return ParametricTakes(begin_takes(self._predictor, seeds), decoders)


class ParametricTakes:
    """Hands frames from the decoders' analysis to the predictor, and its answers back."""

    def __init__(self, predictor: Stream[list[Parameters]], decoders: list[DecoderStream]) -> None:
        self._predictor = predictor
        self._decoders = decoders

    def push(self, mid: Float[Tensor, " length"], /) -> list[Float[Tensor, "rows ready"]]:
        """Of each take, the side samples whose parameters are known."""
        heard = [decoder.analyze(mid) for decoder in self._decoders]
        return self._decode(self._predictor.push(heard[0]))

    def finish(self) -> list[Float[Tensor, "rows rest"]]:
        """Of each take, the rest of the side."""
        heard = [decoder.finish_analysis() for decoder in self._decoders]
        parts = [
            self._decode(self._predictor.push(heard[0])),
            self._decode(self._predictor.finish()),
            [decoder.finish() for decoder in self._decoders],
        ]
        return [torch.cat(take, dim=-1) for take in zip(*parts, strict=True)]

    def _decode(self, parameters: list[Parameters]) -> list[Tensor]:
        return [
            decoder.decode(take) for decoder, take in zip(self._decoders, parameters, strict=True)
        ]
