"""Convolution of an endless signal with one response to both ears, of any length.

The response is cut into parts of a block each, h = Σ_p h_p(n − p·B), so that a block costs one
transform of what comes in, one product for every part, and one transform for each ear (uniformly
partitioned overlap-save; Wefers 2015, §5).
"""

import numpy as np
from jaxtyping import Float32
from scipy import fft


class FixedFilter:
    """Takes blocks of one length.

    Args:
        response: of each ear.
        block: frames of every block.
    """

    def __init__(self, response: Float32[np.ndarray, "ears taps"], block: int) -> None:
        parts = -(-response.shape[-1] // block)
        padded = np.zeros((len(response), parts * block), np.float32)
        padded[:, : response.shape[-1]] = response
        self._block = block
        self._parts = fft.rfft(padded.reshape(len(response), parts, block), 2 * block)
        self._heard = np.zeros((parts, block + 1), np.complex64)  # the newest first
        self._past = np.zeros(block, np.float32)

    def push(self, sound: Float32[np.ndarray, " block"]) -> Float32[np.ndarray, "ears block"]:
        """The next block."""
        self._heard = np.roll(self._heard, 1, axis=0)
        self._heard[0] = fft.rfft(np.concatenate([self._past, sound]))
        self._past = sound
        return fft.irfft((self._parts * self._heard).sum(axis=1))[:, self._block :]
