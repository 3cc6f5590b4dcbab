"""From floating point to whole steps, with triangular dither.

The error of plain rounding follows the signal and is heard as distortion in quiet passages. The sum
of two uniform random numbers of one step each (TPDF) added before rounding makes the mean and the
power of the error independent of the signal (Lipshitz, Wannamaker and Vanderkooy, "Quantization and
dither", J. Audio Eng. Soc. 40, 1992).
"""

import numpy as np
from jaxtyping import Float, Int32

SILENCE = (
    1e-3  # steps: below this a sample is digital silence, and dither would be all that is left
)


class Quantizer:
    """Turns blocks of one signal, in order, into steps of full scale 2^(bits−1).

    The noise is drawn frame by frame and, within a frame, channel by channel, so the result does
    not depend on how the signal is cut into blocks.

    Args:
        bits: of the target, 8 to 32.
        seed: of the dither.
    """

    def __init__(self, bits: int, *, seed: int = 0) -> None:
        self.bits = bits
        self._full = 2.0 ** (bits - 1)
        self._random = np.random.Generator(np.random.PCG64(seed))

    def quantize(
        self, samples: Float[np.ndarray, "*channels frames"], *, dither: bool = True
    ) -> Int32[np.ndarray, "*channels frames"]:
        """The next block in steps, from −2^(bits−1) to 2^(bits−1) − 1.

        Args:
            samples: from −1 to 1. Only what full scale itself, or the dither on it, exceeds the
                largest step by is cut off.
            dither: False rounds to the nearest step and draws nothing.

        Raises:
            ValueError: a sample is beyond full scale or not finite; turn the signal down first.
        """
        steps = np.multiply(samples, self._full, dtype=np.float64)
        peak = np.abs(steps).max(initial=0.0)
        if not peak <= self._full + 0.5:
            raise ValueError(f"peak of {peak / self._full:.6g} does not fit into {self.bits} bits")
        if dither:
            frames = steps.shape[-1]
            draws = self._random.random((frames, steps.size // max(frames, 1), 2))
            noise = (draws[..., 0] - draws[..., 1]).T.reshape(steps.shape)
            steps += np.where(np.abs(steps) < SILENCE, 0.0, noise)
        return np.rint(steps).clip(-self._full, self._full - 1).astype(np.int32)
