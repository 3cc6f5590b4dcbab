"""The sources of a sound of any sample rate and number of channels, in bounded memory.

A separator gets the mean of the channels at its own rate. Its masks, or the shares of power of the
signals that it returns, act on every channel: a source keeps its place in a stereo input. Sources
return to the rate of the input, and the residual is the input less all others there: the sum is
exact at any rate, and what lies above half the separator's rate is in the residual.

A separator always gets `BLOCK` samples at a time and computes on one thread, so that no bit depends
on the size of the incoming blocks or on the number of threads.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeGuard

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.audio import StreamResampler
from soundstage.errors import SoundstageError
from soundstage.parallel import single_thread
from soundstage.separation.masking import MaskedChannelsStream, residual_index
from soundstage.separation.separator import (
    MaskSeparator,
    Separator,
    SongSeparator,
    SourceInfo,
)
from soundstage.spectra import AnalysisStream, SampleQueue, SynthesisStream
from soundstage.stereo.encoding import SILENCE, TRANSFORM

BLOCK = 1 << 16  # samples at the separator's rate, 1.5 s at 44.1 kHz
FLUSH = 0.25  # seconds of silence after the signal, which empty the resamplers
NOT_FINITE = "The separator computes samples that are not numbers: use other weights."


class SoundSources:
    """Separates one sound block by block; blocks come in order and in any size.

    Attributes:
        sources: in the order of the outputs.
        residual: index of the one that holds what the others leave.

    Args:
        separator: ready, or fitted to this sound by `fit_to_sound`.
        rate: sample rate of the sound in Hz.
        channels: number of its channels.

    Raises:
        SoundstageError: the separator computes samples that are not finite; also in every method.
    """

    def __init__(self, separator: Separator, rate: int, channels: int) -> None:
        self.sources: Sequence[SourceInfo] = separator.sources
        self.residual, self._channels = residual_index(separator.sources), channels
        count = len(separator.sources)
        self._others = [k for k in range(count) if k != self.residual]
        self._padding = int(FLUSH * rate) if rate != separator.rate else 0
        self._to_separator = StreamResampler(rate, separator.rate, channels)
        self._from_separator = StreamResampler(separator.rate, rate, len(self._others) * channels)
        self._input, self._incoming = SampleQueue((channels,)), SampleQueue((channels,))
        self._ready = SampleQueue((len(self._others) * channels,))
        with _reproducible():
            self._stream = _channels_stream(separator, channels)

    def push(
        self, block: Float[np.ndarray, "channels frames"]
    ) -> Float[np.ndarray, "sources channels ready"]:
        """The samples that `block` completes, of its precision; in sum they are the input."""
        block = np.array(block)  # a copy: a caller may reuse its buffer
        self._input.push(torch.from_numpy(block))
        with _reproducible():
            self._advance(self._to_separator.push(block.astype(np.float32, copy=False)))
        return self._completed(min(len(self._input), len(self._ready)))

    def finish(self) -> Float[np.ndarray, "sources channels rest"]:
        """The rest; in all, as many samples as were pushed."""
        with _reproducible():
            silence = np.zeros((self._channels, self._padding), np.float32)
            self._advance(self._to_separator.push(silence))
            self._advance(self._to_separator.finish())
            self._return(self._stream.push(self._incoming.pop(len(self._incoming))))
            self._return(self._stream.finish())
            self._ready.push(torch.from_numpy(self._from_separator.finish()))
        return self._completed(len(self._input))

    def _advance(self, incoming: Float[np.ndarray, "channels frames"]) -> None:
        self._incoming.push(torch.from_numpy(np.ascontiguousarray(incoming)))
        while len(self._incoming) >= BLOCK:
            self._return(self._stream.push(self._incoming.pop(BLOCK)))

    def _return(self, sources: Float[Tensor, "sources channels ready"]) -> None:
        if not bool(torch.isfinite(sources).all()):
            raise SoundstageError(NOT_FINITE)
        others = sources[self._others].flatten(0, 1).numpy()
        self._ready.push(torch.from_numpy(self._from_separator.push(others)))

    def _completed(self, count: int) -> Float[np.ndarray, "sources channels ready"]:
        whole = self._input.pop(count).numpy()
        others = self._ready.pop(count).numpy().reshape(len(self._others), self._channels, count)
        sources = np.zeros((len(others) + 1, *whole.shape), whole.dtype)
        sources[self._others] = others
        rest = whole - sources.sum(axis=0, dtype=np.float64)
        sources[self.residual] = rest
        return sources


def fit_to_sound(
    separator: Separator | SongSeparator,
    blocks: Iterable[Float[np.ndarray, "channels frames"]],
    rate: int,
) -> Separator:
    """A separator that is ready: one that surveys a song does so over the blocks of all of it.

    Args:
        separator: any; one that needs no survey is returned as it is, and no block is read.
        blocks: of the sound, from its start.
        rate: sample rate of the sound in Hz.
    """
    if not surveys(separator):
        return separator  # type: ignore[return-value]
    survey, queue = separator.survey(), SampleQueue()
    resampler = StreamResampler(rate, separator.rate, 1)

    def push(mono: Float[np.ndarray, "1 frames"], *, last: bool = False) -> None:
        queue.push(torch.from_numpy(np.array(mono[0])))
        while len(queue) >= BLOCK or (last and len(queue)):
            survey.push(queue.pop(min(BLOCK, len(queue))))

    for block in blocks:
        mono = block.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
        with _reproducible():
            push(resampler.push(mono))
    with _reproducible():
        push(resampler.finish(), last=True)
        return survey.finish()


def surveys(separator: Separator | SongSeparator) -> TypeGuard[SongSeparator]:
    """Whether a separator needs a survey of the song."""
    return hasattr(separator, "survey")


@contextmanager
def _reproducible() -> Iterator[None]:
    """One thread and no gradients, for the calling thread only."""
    with single_thread(), torch.inference_mode():
        yield


class _ChannelsStream(Protocol):
    def push(
        self, samples: Float[Tensor, "channels length"], /
    ) -> Float[Tensor, "sources channels ready"]: ...

    def finish(self) -> Float[Tensor, "sources channels rest"]: ...


def _channels_stream(separator: Separator | MaskSeparator, channels: int) -> _ChannelsStream:
    """By masks for several channels; for one, whose signals may be better, only if need be."""
    if hasattr(separator, "mask_stream") and (channels > 1 or not hasattr(separator, "stream")):
        masks = separator.mask_stream()
        return MaskedChannelsStream(masks, separator.sources, channels=channels)
    return _SignalsStream(separator, channels)


class _SignalsStream:
    """Channels by a separator that returns signals of the mean M of them.

        s_kc = s_k + synthesis(|S_k|² / Σ_j |S_j|² · analysis(x_c − M))

    Args:
        separator: of mono.
        channels: number of channels.
    """

    def __init__(self, separator: Separator, channels: int) -> None:
        count = len(separator.sources)
        self._stream, self._channels = separator.stream(), channels
        self._deviations = SampleQueue((channels,))  # from the mean, until its sources are there
        self._sources = SampleQueue((count,))  # until their parts of the deviations are there
        self._parts = SampleQueue((count, channels))
        self._of_sources = AnalysisStream(TRANSFORM, (count,))
        self._of_deviations = AnalysisStream(TRANSFORM, (channels,))
        self._synthesis = SynthesisStream(TRANSFORM, (count, channels))

    def push(
        self, samples: Float[Tensor, "channels length"]
    ) -> Float[Tensor, "sources channels ready"]:
        """The samples that these complete."""
        mean = samples.mean(dim=0)
        sources = self._stream.push(mean)
        if self._channels == 1:
            return sources[:, None]
        self._deviations.push(samples - mean)
        self._divide(sources)
        return self._completed()

    def finish(self) -> Float[Tensor, "sources channels rest"]:
        """The rest."""
        sources = self._stream.finish()
        if self._channels == 1:
            return sources[:, None]
        self._divide(sources)
        self._synthesize(self._of_sources.finish(), self._of_deviations.finish())
        self._parts.push(self._synthesis.finish())
        return self._completed()

    def _divide(self, sources: Float[Tensor, "sources ready"]) -> None:
        self._sources.push(sources)
        deviations = self._deviations.pop(sources.shape[-1])
        self._synthesize(self._of_sources.push(sources), self._of_deviations.push(deviations))

    def _synthesize(self, sources: Tensor, deviations: Tensor) -> None:
        power = sources.abs().square()
        masks = power / power.sum(dim=0).clamp(min=SILENCE)
        self._parts.push(self._synthesis.push(masks[:, None] * deviations))

    def _completed(self) -> Float[Tensor, "sources channels ready"]:
        count = min(len(self._parts), len(self._sources))
        return self._sources.pop(count)[:, None] + self._parts.pop(count)
