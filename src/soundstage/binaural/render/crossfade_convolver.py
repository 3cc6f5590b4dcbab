"""Convolution with filters that are others from block to block, without a click.

A block goes through the filter of its beginning and through that of its end, and fades from the one
to the other:

    y(n) = (1 − f)·(x ∗ h_begin)(n) + f·(x ∗ h_end)(n),    f rising evenly from 0 to 1

The two are nearly the same sound, since neighboring filters are alike once their delays are taken
out, so it is their amplitudes that have to add up to one; fades of equal power, which are for
sounds that have nothing in common, would swell by up to 3 dB in the middle of every block.
"""

import numpy as np
from jaxtyping import Complex64, Float32
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft


class FadingFilter:
    """Overlap-save convolution of signals, many blocks at a time.

    Args:
        signals: that go in.
        taps: of the filters.
        block: frames between one filter and the next.

    Attributes:
        rise: share of the coming filter in every frame of a block.
        fall: share of the one that goes.
    """

    def __init__(self, signals: int, taps: int, block: int) -> None:
        self._block, self._length = block, fft.next_fast_len(block + taps - 1, real=True)
        self._past = np.zeros((signals, self._length - block), np.float32)
        self.rise = ((np.arange(block) + 1) / block).astype(np.float32)
        self.fall = 1 - self.rise

    def spectra(
        self, filters: Float32[np.ndarray, "*many taps"]
    ) -> Complex64[np.ndarray, "*many bins"]:
        """What sound is to be multiplied by."""
        return fft.rfft(filters, self._length)

    def heard(
        self, sound: Float32[np.ndarray, "signals frames"]
    ) -> Complex64[np.ndarray, "blocks signals bins"]:
        """Spectra of the next blocks, each with the past that its filters reach back to."""
        whole = np.concatenate([self._past, sound], axis=-1)
        self._past = whole[:, sound.shape[-1] :]
        windows = sliding_window_view(whole, self._length, axis=-1)[:, :: self._block]
        return fft.rfft(windows.swapaxes(0, 1))

    def faded(
        self,
        begin: Complex64[np.ndarray, "blocks ears bins"],
        end: Complex64[np.ndarray, "blocks ears bins"],
    ) -> Float32[np.ndarray, "ears frames"]:
        """Sound of the blocks, filtered as at the beginning and as at the end of each."""
        first, last = (
            fft.irfft(spectra, self._length)[..., -self._block :] for spectra in (begin, end)
        )
        blocks = self.fall * first + self.rise * last
        return blocks.swapaxes(0, 1).reshape(blocks.shape[1], -1)
