"""FFT convolution of streams: with a time-varying filter, and with a long fixed one.

*Time-varying* (`CrossfadeConvolver`). Each block is filtered with the filter at its start and with
the one at its end, with a linear crossfade:

    y(n) = (1 − f)·(x ∗ h_start)(n) + f·(x ∗ h_end)(n),    f from 0 to 1

Neighboring filters without their delays are nearly equal, so amplitudes must sum to one; an
equal-power crossfade, meant for uncorrelated signals, would peak at +3 dB in the middle of a block.

*Fixed* (`PartitionedConvolver`). The response is split into partitions of one block,
h = Σ_p h_p(n − p·B), so that a block takes one FFT of the input, one product for each partition,
and one inverse FFT for each channel (uniformly partitioned overlap-save; Wefers 2015, §5).
"""

import numpy as np
from jaxtyping import Complex64, Float32
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft


class CrossfadeConvolver:
    """Overlap-save convolution with a filter for each block boundary.

    Args:
        signals: number of input signals.
        taps: of the filters.
        block: frames between two filters.

    Attributes:
        rise: weight of the filter at the end, for each frame of a block.
        fall: weight of the filter at the start.
    """

    def __init__(self, signals: int, taps: int, block: int) -> None:
        self._block, self._length = block, fft.next_fast_len(block + taps - 1, real=True)
        self._past = np.zeros((signals, self._length - block), np.float32)
        self.rise = ((np.arange(block) + 1) / block).astype(np.float32)
        self.fall = 1 - self.rise

    def filter_spectra(
        self, filters: Float32[np.ndarray, "*many taps"]
    ) -> Complex64[np.ndarray, "*many bins"]:
        """Spectra of filters."""
        return fft.rfft(filters, self._length)

    def block_spectra(
        self, sound: Float32[np.ndarray, "signals frames"]
    ) -> Complex64[np.ndarray, "blocks signals bins"]:
        """Spectra of the next blocks of the input, each with the preceding frames."""
        whole = np.concatenate([self._past, sound], axis=-1)
        self._past = whole[:, sound.shape[-1] :]
        windows = sliding_window_view(whole, self._length, axis=-1)[:, :: self._block]
        return fft.rfft(windows.swapaxes(0, 1))

    def crossfade(
        self,
        start: Complex64[np.ndarray, "blocks ears bins"],
        end: Complex64[np.ndarray, "blocks ears bins"],
    ) -> Float32[np.ndarray, "ears frames"]:
        """The output, from the spectra of the blocks filtered as at their start and their end."""
        first, last = (
            fft.irfft(spectra, self._length)[..., -self._block :] for spectra in (start, end)
        )
        blocks = self.fall * first + self.rise * last
        return blocks.swapaxes(0, 1).reshape(blocks.shape[1], -1)


class PartitionedConvolver:
    """Convolution of one signal with a response for each channel, in blocks of one size.

    Args:
        response: of each channel, such as the ears, of any length; one tap is a gain, exactly.
        block: frames of a block.
    """

    def __init__(self, response: Float32[np.ndarray, "channels taps"], block: int) -> None:
        self._gains = response if response.shape[-1] == 1 else None
        partitions = -(-response.shape[-1] // block)
        padded = np.zeros((len(response), partitions * block), np.float32)
        padded[:, : response.shape[-1]] = response
        self._block = block
        self._partitions = fft.rfft(padded.reshape(len(response), partitions, block), 2 * block)
        self._blocks = np.zeros((partitions, block + 1), np.complex64)  # newest first
        self._past = np.zeros(block, np.float32)

    def push(self, sound: Float32[np.ndarray, " block"]) -> Float32[np.ndarray, "channels block"]:
        """Filter the next block."""
        if self._gains is not None:
            return self._gains * sound
        self._blocks = np.roll(self._blocks, 1, axis=0)
        self._blocks[0] = fft.rfft(np.concatenate([self._past, sound]))
        self._past = sound
        spectra = [(each * self._blocks).sum(axis=0) for each in self._partitions]
        return fft.irfft(np.stack(spectra))[:, self._block :]
