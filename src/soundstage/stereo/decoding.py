"""The decoder of parametric stereo: mid and parameters in, side out, whole or block by block.

    S = α·M + g·β·D

α and β come from the parameters (`prediction`), D is the matched decorrelated mid
(`decorrelator`), and g fades the diffuse part out at attacks (`transients`). M and D are multiplied
as spectra; g acts in time, where it is sharp. With `decoder="mixing"` the matrices of 2005 make a
new mid as well, and the fold-down is no longer exact.
"""

from typing import Literal

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.spectra import AnalysisStream, SampleQueue, StreamingConvolver, SynthesisStream
from soundstage.stereo.decorrelator import TransientStream, allpass_response, match
from soundstage.stereo.encoding import TRANSFORM, Parameters, spread
from soundstage.stereo.prediction import mixing_matrix, prediction_gains

Decoder = Literal["prediction", "mixing"]


def decoder_gains(
    parameters: Parameters, decoder: Decoder
) -> tuple[Float[Tensor, "rows bands frames"], Float[Tensor, "rows bands frames"]]:
    """Gains of the mid and of its decorrelated copy in every output row.

    The one row of "prediction" is the side; the two of "mixing" are a new mid and the side.
    """
    if decoder == "prediction":
        direct, diffuse = prediction_gains(*parameters)
        return direct[None], diffuse[None]
    (left_direct, left_diffuse), (right_direct, right_diffuse) = mixing_matrix(*parameters)
    direct = torch.stack([left_direct + right_direct, left_direct - right_direct]) / 2
    diffuse = torch.stack([left_diffuse + right_diffuse, left_diffuse - right_diffuse]) / 2
    return direct, diffuse


class DecoderStream:
    """Decodes in three strides, so that a predictor can look at the mid before it answers.

    `analyze` takes samples of the mid and returns its new spectrogram frames; `decode` takes the
    parameters of the oldest frames not yet decoded; `finish_analysis` ends the first, `finish` the
    second. As many samples come out as went in.
    """

    def __init__(self, *, seed: int, decoder: Decoder = "prediction") -> None:
        rows = 1 if decoder == "prediction" else 2
        self._decoder: Decoder = decoder
        self._decorrelator = StreamingConvolver(allpass_response(seed=seed))
        self._transients = TransientStream()
        self._analysis = AnalysisStream(TRANSFORM, (2,))
        self._synthesis = SynthesisStream(TRANSFORM, (2, rows))
        self._mid, self._gains = SampleQueue(), SampleQueue()
        self._spectra = SampleQueue((2, TRANSFORM.bins))
        self._owed = 0

    def analyze(self, mid: Float[Tensor, " length"]) -> Complex[Tensor, "bins frames"]:
        """Frames of the mid's spectrogram that these samples complete."""
        self._owed += mid.shape[0]
        self._mid.push(mid)
        self._gains.push(self._transients.push(mid))
        return self._advance(self._decorrelator.push(mid))

    def finish_analysis(self) -> Complex[Tensor, "bins frames"]:
        """The last frames, with silence after the signal."""
        self._gains.push(self._transients.finish())
        frames = [self._advance(self._decorrelator.finish())]
        spectra = self._analysis.finish()
        self._spectra.push(spectra)
        return torch.cat([*frames, spectra[0]], dim=-1)

    def decode(self, parameters: Parameters) -> Float[Tensor, "rows ready"]:
        """Samples completed by the parameters (bands, frames) of the next frames."""
        count = parameters.iid.shape[-1]
        if not count:
            return self._synthesis.push(self._spectra.pop(0)[:, None])[0]
        mid, decorrelated = self._spectra.pop(count)
        direct, diffuse = decoder_gains(parameters, self._decoder)
        copy = match(decorrelated, mid)
        return self._assemble(
            self._synthesis.push(torch.stack([spread(direct) * mid, spread(diffuse) * copy]))
        )

    def finish(self) -> Float[Tensor, "rows rest"]:
        """The rest of the samples, once every frame is decoded."""
        return self._assemble(self._synthesis.finish())

    def _advance(self, decorrelated: Tensor) -> Tensor:
        """Analyze as much of the mid as its decorrelated copy is known for."""
        mid = self._mid.pop(decorrelated.shape[0])
        spectra = self._analysis.push(torch.stack([mid, decorrelated]))
        self._spectra.push(spectra)
        return spectra[0]

    def _assemble(self, parts: Float[Tensor, "2 rows length"]) -> Tensor:
        direct, diffuse = parts[..., : self._owed]
        self._owed -= direct.shape[-1]
        return direct + self._gains.pop(direct.shape[-1]) * diffuse


def decode_signal(
    mid: Float[Tensor, " length"],
    parameters: Parameters,
    *,
    seed: int = 0,
    decoder: Decoder = "prediction",
) -> Float[Tensor, "rows length"]:
    """Side (or, with "mixing", new mid and side) of a whole mid at 44.1 kHz.

    Args:
        mid: samples.
        parameters: one column for each of the ⌈length/1024⌉ + 1 frames.
        seed: of the decorrelator.
        decoder: "prediction" keeps the mid exactly, "mixing" is the paper's.
    """
    stream = DecoderStream(seed=seed, decoder=decoder)
    stream.analyze(mid)
    stream.finish_analysis()
    return torch.cat([stream.decode(parameters), stream.finish()], dim=-1)
