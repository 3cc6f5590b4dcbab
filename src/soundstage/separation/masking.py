"""From masks to sources: spectrogram times mask each, and all add up to the input.

    s_k = synthesis(m_k · analysis(x)),    s_r = x − Σ_{k≠r} s_k

The masks add up to one, so that s_r is the spectrogram times m_r too, to rounding: taking it as the
difference makes the sum exact. Several channels get the masks of their mean, the mid of stereo, and
each adds up on its own.

Whatever blocks come in, the masks and the transforms get `BLOCK` samples at a time: long transforms
and sums of overlapping frames would round differently otherwise.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.separation.separator import MaskStream, SourceInfo
from soundstage.spectra import AnalysisStream, SampleQueue, SynthesisStream
from soundstage.stereo.encoding import TRANSFORM

BLOCK = 16 * TRANSFORM.hop  # samples, 0.37 s
TINY = 1e-12  # sum of powers of masks that add up to 1
PIECE = 16  # frames that are synthesized at a time, so that long windows of masks need no memory


def residual_index(sources: Sequence[SourceInfo]) -> int:
    """The source that takes what the others leave: the last of kind "residual", or the last.

    Raises:
        ValueError: there is no source.
    """
    if not sources:
        raise ValueError("a separator has at least one source")
    kinds = [source.kind for source in sources]
    last = len(kinds) - 1
    return last - kinds[::-1].index("residual") if "residual" in kinds else last


def sharpened(
    masks: Float[Tensor, "sources bins frames"], sharpness: float
) -> Float[Tensor, "sources bins frames"]:
    """Masks m^γ/Σ m^γ, which add up to 1."""
    if sharpness == 1:
        return masks
    powers = masks.clamp(min=0) ** sharpness
    return powers / powers.sum(dim=0).clamp(min=TINY)


class MaskedChannelsStream:
    """The sources of a signal of several channels, block by block.

    Args:
        masks: of the mean of the channels.
        sources: in the order of the masks.
        channels: number of channels.
        residual: the source that takes what the others leave; by default `residual_index`.
    """

    def __init__(
        self,
        masks: MaskStream,
        sources: Sequence[SourceInfo],
        *,
        channels: int,
        residual: int | None = None,
    ) -> None:
        self._masks, self._count = masks, len(sources)
        self._residual = residual_index(sources) if residual is None else residual
        self._others = [k for k in range(self._count) if k != self._residual]
        self._incoming = SampleQueue((channels,))
        self._input = SampleQueue((channels,))  # waits for its sources
        self._analysis = AnalysisStream(TRANSFORM, (channels,))
        self._spectrogram = SampleQueue((channels, TRANSFORM.bins))  # waits for its masks
        self._synthesis = SynthesisStream(TRANSFORM, (len(self._others), channels))
        self._ready = SampleQueue((len(self._others), channels))

    def push(
        self, samples: Float[Tensor, "channels length"]
    ) -> Float[Tensor, "sources channels ready"]:
        """The samples that these complete; over all sources they add up to the input."""
        self._incoming.push(samples.clone())  # a caller may reuse its buffer
        while len(self._incoming) >= BLOCK:
            self._feed(BLOCK)
        return self._completed()

    def finish(self) -> Float[Tensor, "sources channels rest"]:
        """The remaining samples; in all, as many as were pushed."""
        self._feed(len(self._incoming))
        self._analyzed(self._analysis.finish())
        self._synthesize(self._masks.finish())
        self._ready.push(self._synthesis.finish())
        return self._completed()

    def _feed(self, count: int) -> None:
        samples = self._incoming.pop(count)
        self._input.push(samples)
        self._analyzed(self._analysis.push(samples))

    def _analyzed(self, frames: Complex[Tensor, "channels bins frames"]) -> None:
        self._spectrogram.push(frames)
        self._synthesize(self._masks.push(frames[0] if len(frames) == 1 else frames.mean(dim=0)))

    def _synthesize(self, masks: Float[Tensor, "sources bins ready"]) -> None:
        if masks.shape[0] != self._count:
            raise ValueError(f"{masks.shape[0]} masks are not those of {self._count} sources")
        for part in masks.split(PIECE, dim=-1):
            spectrogram = self._spectrogram.pop(part.shape[-1])
            self._ready.push(self._synthesis.push(part[self._others][:, None] * spectrogram))

    def _completed(self) -> Float[Tensor, "sources channels ready"]:
        count = min(len(self._ready), len(self._input))  # frames reach beyond the end
        others, rest = self._ready.pop(count), self._input.pop(count).clone()
        for source in others:
            rest -= source
        return torch.cat([others[: self._residual], rest[None], others[self._residual :]])


class MaskedSourceStream:
    """The sources of a mono signal: a `SourceStream`.

    Args:
        masks: of the signal.
        sources: in the order of the masks.
        residual: the source that takes what the others leave; by default `residual_index`.
    """

    def __init__(
        self, masks: MaskStream, sources: Sequence[SourceInfo], *, residual: int | None = None
    ) -> None:
        self._channels = MaskedChannelsStream(masks, sources, channels=1, residual=residual)

    def push(self, mono: Float[Tensor, " length"]) -> Float[Tensor, "sources ready"]:
        """The samples that `mono` completes; over all sources they add up to the input."""
        return self._channels.push(mono[None])[:, 0]

    def finish(self) -> Float[Tensor, "sources rest"]:
        """The remaining samples; in all, as many as were pushed."""
        return self._channels.finish()[:, 0]
