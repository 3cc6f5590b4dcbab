"""Sources in whole steps whose sum is the input in whole steps, and the proof of a sum.

Every source but the residual is quantized with dither of its own. The residual is the quantized
input less all others, which takes their errors of rounding: nothing is lost, step by step.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int32

from soundstage import interruption
from soundstage.audio import Quantizer, SoundFormat, open_sound
from soundstage.errors import OutputError

READ_FRAMES = 1 << 16  # frames read at a time
SLACK = 1.5 + 1e-3  # steps: rounding makes 1/2, triangular dither up to 1
_EPSILON = 2.0**-23  # twice the error of one rounding in single precision
_SMALLEST = 1e-30  # absolute error allowed to floats


class SourceSteps:
    """Quantizes the blocks of all sources of a sound, in order.

    Args:
        bits: of the files.
        count: number of sources.
        residual: index of the one that takes what the others leave.
        dither_sum: whether the input has finer steps than the files, or a gain.
    """

    def __init__(self, bits: int, count: int, residual: int, *, dither_sum: bool) -> None:
        self._residual, self._dither_sum = residual, dither_sum
        self._bottom, self._top = -(1 << bits - 1), (1 << bits - 1) - 1
        self._for_sum = Quantizer(bits, seed=count)
        self._quantizers = {k: Quantizer(bits, seed=k) for k in range(count) if k != residual}

    def __call__(
        self,
        total: Float[np.ndarray, "channels frames"],
        sources: Float[np.ndarray, "sources channels frames"],
    ) -> Int32[np.ndarray, "sources channels frames"]:
        """The next block in steps.

        Args:
            total: the input, from −1 to 1.
            sources: likewise; the residual is not read.
        """
        steps = np.zeros(sources.shape, np.int64)
        for k, quantizer in self._quantizers.items():
            steps[k] = quantizer.quantize(sources[k])
        rest = self._for_sum.quantize(total, dither=self._dither_sum) - steps.sum(axis=0)
        # Errors of many sources may push the residual beyond full scale: another one takes them
        for k in self._quantizers:
            excess = rest - rest.clip(self._bottom, self._top)
            if not excess.any():
                break
            moved = (steps[k] + excess).clip(self._bottom, self._top) - steps[k]
            steps[k] += moved
            rest -= moved
        steps[self._residual] = rest
        return steps.astype(np.int32)


def prove_sum(
    files: Sequence[Path],
    folder: Path,
    form: SoundFormat,
    blocks: Callable[[], Iterator[Float[np.ndarray, "channels frames"]]],
    slack: float,
) -> float | None:
    """Read complete files back, before they get their names, and compare their sum with the input.

    Args:
        files: their present paths.
        folder: of the files, for messages.
        form: of the files.
        blocks: starts a pass over the input times the gain of the files, in double precision.
        slack: error in steps that is allowed to integers.

    Returns:
        Power of the error under that of the input in dB, −∞ if there is none; None for a lossy
        format, whose sum is not exact.

    Raises:
        OutputError: the sum is not the input.
    """
    if form.is_lossy:
        return None
    error = power = 0.0
    with ExitStack() as stack:
        sounds = [stack.enter_context(open_sound(path)) for path in files]
        readers = [_Reader(sound.blocks(READ_FRAMES), sound.channels) for sound in sounds]
        for block in blocks():
            interruption.check()
            parts = [reader.read(block.shape[-1]) for reader in readers]
            if any(part.shape != block.shape for part in parts):
                raise _refused(folder)
            difference = sum(parts) - block
            bound: float | np.ndarray = slack / 2 ** ((form.integer_bits or 1) - 1)
            if form.is_floating:
                bound = _EPSILON * sum(map(np.abs, parts)) + _SMALLEST
            if (np.abs(difference) > bound).any():
                raise _refused(folder)
            error += float(np.square(difference).sum())
            power += float(np.square(block).sum())
        if any(reader.read(1).size for reader in readers):
            raise _refused(folder)
    return 10 * math.log10(error / power) if error and power else -math.inf


class _Reader:
    """Reads as many frames of a file as are asked for, in double precision."""

    def __init__(self, blocks: Iterator[np.ndarray], channels: int) -> None:
        self._blocks, self._held = blocks, np.zeros((channels, 0))

    def read(self, frames: int) -> Float[np.ndarray, "channels frames"]:
        """The next frames; fewer at the end."""
        parts, size = [self._held], self._held.shape[1]
        while size < frames and (block := next(self._blocks, None)) is not None:
            parts.append(block.astype(np.float64))
            size += block.shape[1]
        joined = np.concatenate(parts, axis=1)
        self._held = joined[:, frames:]
        return joined[:, :frames]


def _refused(folder: Path) -> OutputError:
    return OutputError(
        f"The sources in {folder}, read back, do not add up to the input: the disk may be damaged; "
        "choose another folder."
    )
