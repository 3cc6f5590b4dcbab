"""From mid and side to the whole steps of left and right.

Mid and side are quantized, and left and right are their sum and difference in whole steps, so that
(L+R)/2 is a whole number too: the quantized mid. An input with the bit depth of the result, and a
gain of 1, returns bit for bit.
"""

import numpy as np

from soundstage.audio import Quantizer
from soundstage.stereo import to_left_right
from soundstage.upmixing.engine import MidSide


class PairQuantizer:
    """Quantizes the blocks of one take, in order.

    Args:
        bits: of the target, 8 to 32; None for floats, which only get the gain.
        gain: of mid and side.
        mid_fits: whether the mid has no finer steps than the target before the gain.
        seed: of the dither.
    """

    def __init__(self, bits: int | None, gain: float, *, mid_fits: bool, seed: int) -> None:
        self._gain = gain
        self._dither_mid = not mid_fits or gain != 1
        self._bottom, self._top = (-(1 << bits - 1), (1 << bits - 1) - 1) if bits else (0, 0)
        self._quantizers = (
            [Quantizer(bits, seed=2 * seed), Quantizer(bits, seed=2 * seed + 1)] if bits else []
        )

    def __call__(self, block: MidSide) -> np.ndarray:
        """Left and right, (2, frames): int32 steps, or floats."""
        if not self._quantizers:
            return np.stack(to_left_right(block.mid * self._gain, block.side * self._gain))
        for_mid, for_side = self._quantizers
        # In double precision: in single, the gain alone costs half a step of 24 bits. And the
        # headroom below passes the range of int32 where the target has 32 bits
        mid = for_mid.quantize(self._scaled(block.mid), dither=self._dither_mid).astype(np.int64)
        side = for_side.quantize(self._scaled(block.side)).astype(np.int64)
        # At full scale the step added by dither must not push left or right beyond it
        room = np.minimum(self._top - mid, mid - self._bottom)
        pair = np.stack(to_left_right(mid, side.clip(-room, room)))
        return pair.astype(np.int32)

    def _scaled(self, samples: np.ndarray) -> np.ndarray:
        return np.multiply(samples, self._gain, dtype=np.float64)
