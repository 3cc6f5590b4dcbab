"""What is written of mid and side: left and right, mid and side themselves, the side, or a field.

For integers mid and side are quantized first. Left and right are their sum and difference in whole
steps, so that (L+R)/2 is a whole number too: the quantized mid. An input with the bit depth of the
result, and a gain of 1, returns bit for bit. So does one in W, which FuMa alone turns down.

The mid of a stereo file has half steps. Its sum returns bit for bit too where the side, in half
steps, is even where the mid is even, and odd where it is odd.
"""

import numpy as np
from jaxtyping import Float, Int32

from soundstage.audio import Quantizer, SoundFormat
from soundstage.stereo import to_left_right
from soundstage.upmixing.engine import Block, FieldBlock
from soundstage.upmixing.file_options import field_order


def channels_of(block: Block, outputs: str) -> Float[np.ndarray, "channels frames"]:
    """The channels of a block.

    Args:
        block: mid and side, or the sides of a field.
        outputs: a key of `file_options.OUTPUTS`.
    """
    if isinstance(block, FieldBlock):
        return field_channels(block, outputs)
    if outputs == "side":
        return block.side[None]
    return np.stack(block) if outputs == "mid-side" else block.left_right()


def field_channels(block: FieldBlock, outputs: str) -> Float[np.ndarray, "channels frames"]:
    """The channels of a sound field, in the convention of the file."""
    from soundstage.ambisonics.conventions import from_ambix
    from soundstage.upmixing.sound_field import front

    order = field_order(outputs)
    sides = block.sides + front(order)[1:, None].astype(block.mid.dtype) * block.mid
    return from_ambix(np.concatenate([block.mid[None], sides]), outputs[:-1])


class OutputBlocks:
    """Turns the blocks of one take, in order, into those that its file takes.

    Args:
        form: of the file.
        outputs: as for `channels_of`.
        gain: of mid and side.
        mid_fits: whether the mid has no finer steps than the file before the gain.
        in_halves: the mid, if it fits, is that of a stereo file: half steps fit too.
        side_fits: the same of the side.
        seed: of the dither.
    """

    def __init__(
        self,
        form: SoundFormat,
        outputs: str,
        *,
        gain: float,
        mid_fits: bool,
        in_halves: bool = False,
        side_fits: bool = False,
        seed: int,
    ) -> None:
        self._outputs, self._gain = outputs, gain
        self._dithers_mid = not mid_fits or gain != 1
        self._dithers_side = not side_fits or gain != 1
        self._in_halves = in_halves and not self._dithers_mid and outputs == "stereo"
        self._quantizers: list[Quantizer] = []
        self._is_double = form.encoding == "DOUBLE" or gain != 1
        if bits := form.integer_bits:
            self._bottom, self._top = -(1 << bits - 1), (1 << bits - 1) - 1
            self._quantizers = [Quantizer(bits, seed=2 * seed), Quantizer(bits, seed=2 * seed + 1)]
        if outputs.startswith("fuma"):
            self._dithers_mid = True  # W is the mid times √½

    @property
    def rounds_mid(self) -> bool:
        """Whether the mid in whole steps is not the input's, but rounded, with dither."""
        return self._dithers_mid

    def __call__(
        self, block: Block
    ) -> Float[np.ndarray, "channels frames"] | Int32[np.ndarray, "channels frames"]:
        """Whole steps of an integer format, or floats."""
        if self._quantizers:
            return self._in_steps(block).astype(np.int32)
        if self._is_double:
            block = type(block)(*map(self._scaled, block))
        return channels_of(block, self._outputs)

    def _in_steps(self, block: Block) -> np.ndarray:
        for_mid, for_side = self._quantizers
        if isinstance(block, FieldBlock):
            channels = field_channels(block, self._outputs)
            w = for_mid.quantize(self._scaled(channels[:1]), dither=self._dithers_mid)
            return np.concatenate([w, for_side.quantize(self._scaled(channels[1:]))])
        if self._in_halves:
            return self._in_half_steps(block)
        side = for_side.quantize(self._scaled(block.side), dither=self._dithers_side)
        side = side.astype(np.int64)
        if self._outputs == "side":
            return side[None]
        mid = for_mid.quantize(self._scaled(block.mid), dither=self._dithers_mid).astype(np.int64)
        if self._outputs == "mid-side":
            return np.stack([mid, side])
        # At full scale the step added by dither must not push left or right beyond it. The room is
        # up to 2^32 steps of 32 bits
        room = np.minimum(self._top - mid, mid - self._bottom)
        return np.stack(to_left_right(mid, side.clip(-room, room)))

    def _in_half_steps(self, block: Block) -> np.ndarray:
        """Left and right in whole steps, whose sum is that of the mid, odd or even."""
        full = -self._bottom
        mid = np.rint(np.multiply(block.mid, 2 * full, dtype=np.float64)).astype(np.int64)
        odd = mid & 1
        even_part = np.asarray(block.side, np.float64) - odd / (2 * full)
        side = self._quantizers[1].quantize(even_part, dither=self._dithers_side)
        room = np.minimum(2 * self._top - mid, mid - 2 * self._bottom)
        halves = (2 * side.astype(np.int64) + odd).clip(-room, room)
        return np.stack(to_left_right(mid, halves)) // 2

    def _scaled(self, samples: np.ndarray) -> np.ndarray:
        # In single precision a gain alone would cost half a step of 24 bits
        return np.multiply(samples, self._gain, dtype=np.float64)
