"""Power spectra of a stream, some 43 a second at any rate, without torch.

P = |Σ w·x|² / Σ w²     so that white noise of variance σ² has the mean σ² in every bin
"""

import numpy as np
from jaxtyping import Float

FRAME_SECONDS = 2048 / 44_100
HOP_SECONDS = 1024 / 44_100


class PowerFrames:
    """From blocks of samples to the power spectra of the Hann frames that they complete.

    A frame is the power of two nearest to 46 ms; frames begin every 23 ms from the first sample.

    Args:
        rate: of the stream, in Hz.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.frame = 1 << round(np.log2(FRAME_SECONDS * rate))
        self.hop = round(HOP_SECONDS * rate)
        window = np.hanning(self.frame + 1)[:-1]
        self._window = (window / np.sqrt((window**2).sum())).astype(np.float32)
        self._pending = np.zeros(0, np.float32)

    @property
    def frequencies(self) -> Float[np.ndarray, " bins"]:
        """Of the bins, in Hz."""
        return np.fft.rfftfreq(self.frame, 1 / self.rate)

    def push(self, samples: Float[np.ndarray, " length"]) -> Float[np.ndarray, "frames bins"]:
        """The spectra that these samples complete; samples after the last whole frame are left."""
        samples = np.concatenate([self._pending, samples.astype(np.float32, copy=False)])
        count = max((samples.size - self.frame) // self.hop + 1, 0)
        self._pending = samples[count * self.hop :]
        if not count:
            return np.zeros((0, self.frame // 2 + 1), np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(samples, self.frame)
        spectra = np.fft.rfft(frames[: (count - 1) * self.hop + 1 : self.hop] * self._window)
        return spectra.real**2 + spectra.imag**2
