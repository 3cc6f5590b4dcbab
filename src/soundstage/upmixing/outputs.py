"""What is written of mid and side: left and right, mid and side themselves, or the side alone.

For integers mid and side are quantized first. Left and right are their sum and difference in whole
steps, so that (L+R)/2 is a whole number too: the quantized mid. An input with the bit depth of the
result, and a gain of 1, returns bit for bit.
"""

import numpy as np
from jaxtyping import Float, Int32

from soundstage.audio import Quantizer, SoundFormat
from soundstage.stereo import to_left_right
from soundstage.upmixing.engine import MidSide


def channels_of(block: MidSide, outputs: str) -> Float[np.ndarray, "channels frames"]:
    """The channels of a block.

    Args:
        block: mid and side.
        outputs: "stereo", "mid-side" or "side".
    """
    if outputs == "side":
        return block.side[None]
    return np.stack(block) if outputs == "mid-side" else block.left_right()


class OutputBlocks:
    """Turns the blocks of one take, in order, into those that its file takes.

    Args:
        form: of the file.
        outputs: as for `channels_of`.
        gain: of mid and side.
        mid_fits: whether the mid has no finer steps than the file before the gain.
        seed: of the dither.
    """

    def __init__(
        self, form: SoundFormat, outputs: str, *, gain: float, mid_fits: bool, seed: int
    ) -> None:
        self._outputs, self._gain = outputs, gain
        self._dithers_mid = not mid_fits or gain != 1
        self._quantizers: list[Quantizer] = []
        self._is_double = form.encoding == "DOUBLE" or gain != 1
        if bits := form.integer_bits:
            self._bottom, self._top = -(1 << bits - 1), (1 << bits - 1) - 1
            self._quantizers = [Quantizer(bits, seed=2 * seed), Quantizer(bits, seed=2 * seed + 1)]

    @property
    def rounds_mid(self) -> bool:
        """Whether the mid in whole steps is not the input's, but rounded, with dither."""
        return self._dithers_mid

    def __call__(
        self, block: MidSide
    ) -> Float[np.ndarray, "channels frames"] | Int32[np.ndarray, "channels frames"]:
        """Whole steps of an integer format, or floats."""
        if self._quantizers:
            return self._in_steps(block).astype(np.int32)
        if self._is_double:
            block = MidSide(*map(self._scaled, block))
        return channels_of(block, self._outputs)

    def _in_steps(self, block: MidSide) -> np.ndarray:
        for_mid, for_side = self._quantizers
        side = for_side.quantize(self._scaled(block.side)).astype(np.int64)
        if self._outputs == "side":
            return side[None]
        mid = for_mid.quantize(self._scaled(block.mid), dither=self._dithers_mid).astype(np.int64)
        if self._outputs == "mid-side":
            return np.stack([mid, side])
        # At full scale the step added by dither must not push left or right beyond it. The room is
        # up to 2^32 steps of 32 bits
        room = np.minimum(self._top - mid, mid - self._bottom)
        return np.stack(to_left_right(mid, side.clip(-room, room)))

    def _scaled(self, samples: np.ndarray) -> np.ndarray:
        # In single precision a gain alone would cost half a step of 24 bits
        return np.multiply(samples, self._gain, dtype=np.float64)
