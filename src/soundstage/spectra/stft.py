"""The short-time Fourier transform, of a whole signal or of a stream of blocks.

Frame t is centered on sample t·hop; the signal is zero beyond its ends. A signal of n samples has
⌈n/hop⌉ + 1 frames, so that each of its samples lies well inside a frame. Synthesis is weighted
overlap-add with the analysis window, divided by the sum of the squared windows that overlap at each
sample: analysis then synthesis is the identity to rounding, borders included, and a gain between
the two is cross-faded without blocking (Crochiere 1980).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.spectra.cached_tensors import cached_tensor


@dataclass(frozen=True)
class STFT:
    """A transform with periodic Hann frames of `frame` samples every `hop` samples."""

    frame: int
    hop: int

    def __post_init__(self) -> None:
        if self.frame % 2 or self.frame % self.hop or self.frame // self.hop < 4:
            raise ValueError("a frame is even and a multiple, at least fourfold, of the hop")

    @property
    def bins(self) -> int:
        """Frequencies from zero to Nyquist, both included."""
        return self.frame // 2 + 1

    @property
    def window(self) -> Float[Tensor, " frame"]:
        """The periodic Hann window."""
        return _hann_window(self.frame, self.frame)

    def frames(self, length: int) -> int:
        """Number of frames that analyze `length` samples."""
        return math.ceil(length / self.hop) + 1

    def analyze(
        self, samples: Float[Tensor, "*batch length"]
    ) -> Complex[Tensor, "*batch bins frames"]:
        """Spectrogram of a whole signal."""
        stream = AnalysisStream(self, samples.shape[:-1])
        return torch.cat([stream.push(samples), stream.finish()], dim=-1)

    def synthesize(
        self, spectrogram: Complex[Tensor, "*batch bins frames"], length: int
    ) -> Float[Tensor, "*batch length"]:
        """The signal of `length` samples with this spectrogram, or with the nearest one."""
        stream = SynthesisStream(self, spectrogram.shape[:-2])
        return torch.cat([stream.push(spectrogram), stream.finish()], dim=-1)[..., :length]


@dataclass(frozen=True)
class ShortWindowSTFT(STFT):
    """A transform with a window shorter than its frame, as in published models, and any hop.

    A periodic Hann window of `length` samples stands in the middle of the frame, as `torch.stft`
    places one of `win_length` in an FFT of `n_fft`. Analysis then synthesis is the identity here
    too, but a gain between the two is cross-faded without blocking only where windows overlap
    fourfold, as those of `STFT` do.

    Raises:
        ValueError: the window is odd or longer than the frame, or shorter than two hops.
    """

    length: int

    def __post_init__(self) -> None:
        if self.frame % 2 or self.length % 2 or self.length > self.frame:
            raise ValueError("a frame and its window are even, and the window is no longer")
        if not 0 < 2 * self.hop <= self.length:
            raise ValueError("a window is at least two hops long")

    @property
    def window(self) -> Float[Tensor, " frame"]:
        """The window with its zeros."""
        return _hann_window(self.length, self.frame)


@cached_tensor
def _hann_window(length: int, frame: int) -> Float[Tensor, " frame"]:
    """A periodic Hann window of `length` samples in the middle of a frame."""
    beside = (frame - length) // 2
    return F.pad(torch.hann_window(length, dtype=torch.float32), (beside, beside))


class AnalysisStream:
    """From blocks of samples to the frames that they complete."""

    def __init__(self, stft: STFT, batch: tuple[int, ...] = ()) -> None:
        self._stft = stft
        self._pending = torch.zeros(*batch, stft.frame // 2)  # the zeros before the signal
        self._length = 0
        self._frames = 0

    def push(
        self, samples: Float[Tensor, "*batch length"]
    ) -> Complex[Tensor, "*batch bins frames"]:
        """The frames that these samples complete."""
        self._length += samples.shape[-1]
        return self._frames_of(torch.cat([self._pending, samples], dim=-1))

    def finish(self) -> Complex[Tensor, "*batch bins frames"]:
        """The remaining frames, with zeros after the signal."""
        missing = self._stft.frames(self._length) - self._frames
        needed = self._stft.frame + (missing - 1) * self._stft.hop if missing else 0
        tail = max(needed - self._pending.shape[-1], 0)
        padding = self._pending.new_zeros(*self._pending.shape[:-1], tail)
        return self._frames_of(torch.cat([self._pending, padding], dim=-1)[..., :needed])

    def _frames_of(self, samples: Tensor) -> Tensor:
        frame, hop = self._stft.frame, self._stft.hop
        count = max((samples.shape[-1] - frame) // hop + 1, 0)
        self._pending = samples[..., count * hop :]
        self._frames += count
        if not count:
            return torch.zeros(*samples.shape[:-1], self._stft.bins, 0, dtype=torch.complex64)
        frames = samples.unfold(-1, frame, hop)  # (*batch, count, frame), a view
        return torch.fft.rfft(frames * self._stft.window).transpose(-1, -2)


class SynthesisStream:
    """From frames to the samples that no later frame changes."""

    def __init__(self, stft: STFT, batch: tuple[int, ...] = ()) -> None:
        self._stft = stft
        self._batch = batch
        self._parts = math.ceil(stft.frame / stft.hop)  # hops per frame
        tail = (self._parts - 1) * stft.hop
        self._overlap = torch.zeros(*batch, tail)  # not yet complete
        self._weight = torch.zeros(tail)  # squared windows summed there
        self._skip = stft.frame // 2  # the first frame begins before the signal

    def push(
        self, spectrogram: Complex[Tensor, "*batch bins frames"]
    ) -> Float[Tensor, "*batch length"]:
        """The samples that these frames complete."""
        frame, hop = self._stft.frame, self._stft.hop
        count = spectrogram.shape[-1]
        if not count:
            return self._overlap[..., :0]
        window = self._stft.window
        frames = torch.fft.irfft(spectrogram.transpose(-1, -2), n=frame) * window
        total = self._add(frames, self._overlap)
        weight = self._add((window**2).expand(count, frame), self._weight)
        done = count * hop
        self._overlap, self._weight = total[..., done:], weight[done:]
        samples = total[..., :done] / weight[:done].clamp(min=1e-6)
        start = min(self._skip, done)
        self._skip -= start
        return samples[..., start:]

    def finish(self) -> Float[Tensor, "*batch length"]:
        """The remaining samples, up to the center of the last frame."""
        rest = self._overlap / self._weight.clamp(min=1e-6)
        return rest[..., self._skip : self._stft.frame // 2 - self._stft.hop]

    def _add(self, frames: Tensor, overlap: Tensor) -> Tensor:
        """Overlap-add `frames` (*batch, count, frame) onto the open tail of the earlier ones."""
        hop, count, parts = self._stft.hop, frames.shape[-2], self._parts
        whole = F.pad(frames, (0, parts * hop - frames.shape[-1]))
        hops = whole.reshape(*frames.shape[:-1], parts, hop)
        total = frames.new_zeros(*frames.shape[:-2], count + parts - 1, hop)
        for part in range(parts):  # the k-th hop of frame t falls on hop t + k
            total[..., part : part + count, :] += hops[..., part, :]
        total = total.reshape(*frames.shape[:-2], -1)
        total[..., : overlap.shape[-1]] += overlap
        return total
