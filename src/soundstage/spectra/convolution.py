"""Convolution of a stream with a long filter, by overlap-save in the frequency domain."""

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.spectra.sample_queue import SampleQueue


class StreamingConvolver:
    """Filters a stream with an impulse response that need not be causal.

    As many samples come out as go in: output n is Σ h[k]·x[n + advance − k], so that `advance` is
    the index of the response's time zero (half its length for a symmetric, zero-phase filter).
    """

    def __init__(self, response: Float[Tensor, " taps"], *, advance: int = 0) -> None:
        taps = response.shape[0]
        self._size = max(1 << 14, 1 << (4 * taps - 1).bit_length())  # at most 1/4 is overlap
        self._step = self._size - (taps - 1)
        # In double precision: in single, the rounding noise of a loud passage would fill a digital
        # silence in the same transform up to −140 dB, and be dithered there
        self._spectrum = torch.fft.rfft(response.double(), n=self._size)
        self._advance = advance
        self._skip = advance
        self._tail = torch.zeros(taps - 1, dtype=torch.float64)
        self._incoming = SampleQueue()
        self._owed = 0

    def push(self, samples: Float[Tensor, " length"]) -> Float[Tensor, " ready"]:
        """Output that these samples complete."""
        self._owed += samples.shape[0]
        self._incoming.push(samples)
        blocks = []
        while len(self._incoming) >= self._step:
            blocks.append(self._filter(self._incoming.pop(self._step)))
        return self._deliver(blocks)

    def finish(self) -> Float[Tensor, " rest"]:
        """The rest of the output, with zeros after the signal."""
        blocks = []
        self._incoming.push(torch.zeros(self._advance))
        while rest := len(self._incoming):
            block = self._incoming.pop(min(rest, self._step))
            padded = torch.nn.functional.pad(block, (0, self._step - block.shape[0]))
            blocks.append(self._filter(padded))
        return self._deliver(blocks)

    def _filter(self, block: Tensor) -> Tensor:
        overlap = self._tail.shape[0]
        segment = torch.cat([self._tail, block.double()])
        self._tail = segment[segment.shape[0] - overlap :]
        filtered = torch.fft.irfft(torch.fft.rfft(segment) * self._spectrum, n=self._size)
        return filtered[overlap:].float()

    def _deliver(self, blocks: list[Tensor]) -> Tensor:
        ready = torch.cat(blocks) if blocks else torch.zeros(0)
        start = min(self._skip, ready.shape[0])
        self._skip -= start
        ready = ready[start : start + self._owed]
        self._owed -= ready.shape[0]
        return ready


def convolve(
    samples: Float[Tensor, " length"], response: Float[Tensor, " taps"], *, advance: int = 0
) -> Float[Tensor, " length"]:
    """`StreamingConvolver` over a whole signal."""
    convolver = StreamingConvolver(response, advance=advance)
    return torch.cat([convolver.push(samples), convolver.finish()])
