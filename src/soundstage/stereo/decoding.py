"""The decoder of parametric stereo: mid and parameters in, side out, whole or block by block.

    S = α·M + g·β·D

The parameters give α and β (`prediction`), D is the matched decorrelated mid (`decorrelator`), and
g fades the diffuse part out at attacks (`TransientStream`). M and D are multiplied as spectra; g is
applied in time, for its resolution. With `decoder="mixing"` the matrices of 2005 make a new mid as
well, and the fold-down is no longer exact.

Takes of one mid share its analysis; each has its own decorrelator and its own parameters.
"""

from collections.abc import Sequence
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
) -> tuple[Float[Tensor, "n_outputs bands frames"], Float[Tensor, "n_outputs bands frames"]]:
    """Gains of the mid and of its decorrelated copy in every output.

    "prediction" has one output, the side; "mixing" has two, a new mid and the side.
    """
    if decoder == "prediction":
        direct, diffuse = prediction_gains(*parameters)
        return direct[None], diffuse[None]
    (left_direct, left_diffuse), (right_direct, right_diffuse) = mixing_matrix(*parameters)
    direct = torch.stack([left_direct + right_direct, left_direct - right_direct]) / 2
    diffuse = torch.stack([left_diffuse + right_diffuse, left_diffuse - right_diffuse]) / 2
    return direct, diffuse


class DecoderStream:
    """Decodes one mid into several takes, in the order that a predictor needs.

    `analyze` takes samples of the mid and returns its new spectrogram frames; `decode` takes the
    parameters of the oldest frames not yet decoded; `finish_analysis` ends the first, `finish` the
    second. As many samples come out as went in. A take is the same alone and beside others.

    Args:
        seeds: of the decorrelators, one a take.
        decoder: "prediction" keeps the mid exactly, "mixing" makes a new one.
    """

    def __init__(self, seeds: Sequence[int], *, decoder: Decoder = "prediction") -> None:
        self._takes = [_Take(seed, decoder) for seed in seeds]
        self._transients, self._gains = TransientStream(), SampleQueue()
        self._samples = SampleQueue()  # of the mid, not analyzed yet
        self._analysis, self._mid = AnalysisStream(TRANSFORM), SampleQueue((TRANSFORM.bins,))
        self._owed = 0

    def analyze(self, mid: Float[Tensor, " length"]) -> Complex[Tensor, "bins frames"]:
        """Frames of the mid's spectrogram that these samples complete."""
        self._owed += mid.shape[0]
        self._gains.push(self._transients.push(mid))
        self._samples.push(mid)
        return self._advance([take.push(mid) for take in self._takes])

    def finish_analysis(self) -> Complex[Tensor, "bins frames"]:
        """The last frames, with silence after the signal."""
        self._gains.push(self._transients.finish())
        frames = self._advance([take.finish_analysis() for take in self._takes])
        last = self._analysis.finish()
        self._mid.push(last)
        return torch.cat([frames, last], dim=-1)

    def decode(self, parameters: Parameters) -> Float[Tensor, "takes n_outputs ready"]:
        """Samples completed by the parameters (takes, bands, frames) of the next frames."""
        mid = self._mid.pop(parameters.iid.shape[-1])
        each = zip(self._takes, *parameters, strict=True)
        return self._assemble([take.decode(mid, Parameters(*values)) for take, *values in each])

    def decode_gains(
        self,
        direct: Float[Tensor, "takes bins frames"],
        diffuse: Float[Tensor, "takes bins frames"],
    ) -> Float[Tensor, "takes 1 ready"]:
        """Samples completed by α and β of the next frames, for the decoder "prediction"."""
        mid = self._mid.pop(direct.shape[-1])
        each = zip(self._takes, direct[:, None], diffuse[:, None], strict=True)
        return self._assemble([take.apply(mid, *gains) for take, *gains in each])

    def finish(self) -> Float[Tensor, "takes n_outputs rest"]:
        """The rest of the samples, once every frame is decoded."""
        return self._assemble([take.finish() for take in self._takes])

    def _advance(self, ready: list[int]) -> Complex[Tensor, "bins frames"]:
        """Analyze the part of the mid with complete decorrelated copies."""
        frames = self._analysis.push(self._samples.pop(ready[0]))
        self._mid.push(frames)
        return frames

    def _assemble(self, parts: list[Float[Tensor, "2 n_outputs length"]]) -> Tensor:
        direct, diffuse = torch.stack(parts)[..., : self._owed].unbind(dim=1)
        self._owed -= direct.shape[-1]
        return direct + self._gains.pop(direct.shape[-1]) * diffuse


class _Take:
    """The decorrelated copy of the mid and the outputs of one take.

    One after the other, so that sums round the same whatever the number of takes.
    """

    def __init__(self, seed: int, decoder: Decoder) -> None:
        self._decoder: Decoder = decoder
        self._decorrelator = StreamingConvolver(allpass_response(seed=seed))
        self._analysis, self._copy = AnalysisStream(TRANSFORM), SampleQueue((TRANSFORM.bins,))
        self._synthesis = SynthesisStream(TRANSFORM, (2, 1 if decoder == "prediction" else 2))

    def push(self, mid: Float[Tensor, " length"]) -> int:
        """Analyze the copy; the number of its new samples."""
        return self._analyze(self._decorrelator.push(mid))

    def finish_analysis(self) -> int:
        """Analyze the rest."""
        count = self._analyze(self._decorrelator.finish())
        self._copy.push(self._analysis.finish())
        return count

    def decode(
        self, mid: Complex[Tensor, "bins frames"], parameters: Parameters
    ) -> Float[Tensor, "2 n_outputs ready"]:
        """The direct and the diffuse part."""
        direct, diffuse = decoder_gains(parameters, self._decoder)
        return self.apply(mid, spread(direct), spread(diffuse))

    def apply(
        self,
        mid: Complex[Tensor, "bins frames"],
        direct: Float[Tensor, "n_outputs bins frames"],
        diffuse: Float[Tensor, "n_outputs bins frames"],
    ) -> Float[Tensor, "2 n_outputs ready"]:
        """The mid and its copy with these gains."""
        if not mid.shape[-1]:
            return self._synthesis.push(mid)
        copy = match(self._copy.pop(mid.shape[-1]), mid)
        return self._synthesis.push(torch.stack([direct * mid, diffuse * copy]))

    def finish(self) -> Float[Tensor, "2 n_outputs rest"]:
        """The rest of both parts."""
        return self._synthesis.finish()

    def _analyze(self, copy: Float[Tensor, " length"]) -> int:
        self._copy.push(self._analysis.push(copy))
        return copy.shape[0]


def decode_signal(
    mid: Float[Tensor, " length"],
    parameters: Parameters,
    *,
    seed: int = 0,
    decoder: Decoder = "prediction",
) -> Float[Tensor, "n_outputs length"]:
    """Side (or, with "mixing", new mid and side) of a whole mid at 44.1 kHz.

    Args:
        mid: samples.
        parameters: one column for each of the ⌈length/1024⌉ + 1 frames.
        seed: of the decorrelator.
        decoder: "prediction" keeps the mid exactly, "mixing" makes a new one.
    """
    stream = DecoderStream([seed], decoder=decoder)
    stream.analyze(mid)
    stream.finish_analysis()
    take = Parameters(parameters.iid[None], parameters.coherence[None])
    return torch.cat([stream.decode(take), stream.finish()], dim=-1)[0]
