"""Any predictor of parametric stereo becomes an upmixer: analyse, predict, decode."""

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo import RATE, Decoder, DecoderStream, Parameters
from soundstage.upmixing.upmixer import Predictor, PredictorStream


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

    def stream(self, *, seed: int) -> "ParametricStream":
        """Begin a signal; the seed serves the predictor and the decorrelator."""
        return ParametricStream(
            self._predictor.stream(seed=seed), DecoderStream(seed=seed, decoder=self._decoder)
        )


class ParametricStream:
    """Hands frames from the decoder's analysis to the predictor and its answer back."""

    def __init__(self, predictor: PredictorStream, decoder: DecoderStream) -> None:
        self._predictor = predictor
        self._decoder = decoder

    def push(self, mid: Float[Tensor, " length"]) -> Float[Tensor, "rows ready"]:
        """Side samples whose parameters are known."""
        return self._decode(self._predictor.push(self._decoder.analyse(mid)))

    def finish(self) -> Float[Tensor, "rows rest"]:
        """The rest of the side."""
        parts = [
            self._decode(self._predictor.push(self._decoder.finish_analysis())),
            self._decode(self._predictor.finish()),
            self._decoder.finish(),
        ]
        return torch.cat(parts, dim=-1)

    def _decode(self, parameters: Parameters) -> Tensor:
        return self._decoder.decode(parameters)
