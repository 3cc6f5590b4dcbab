"""A live stream: mono blocks in, stereo blocks out."""

from typing import Any

import numpy as np
from jaxtyping import Float

from soundstage.audio.reading import MAX_SAMPLE
from soundstage.audio.samples import as_samples
from soundstage.errors import InputError
from soundstage.precision import in_single_precision
from soundstage.upmixing.engine import Block, UpmixStream


class StereoStream:
    """Mono blocks of any size in, stereo blocks out, in bounded memory.

    The output lags by up to three seconds, or four with a filter on the side. All blocks together
    are the samples that a call with a `width` and `spread_noise` gives for the whole sound, unless
    the method surveys a song first.
    """

    def __init__(self, stream: UpmixStream, *, several: bool) -> None:
        self._stream, self._several = stream, several

    @in_single_precision
    def push(self, block: Float[np.ndarray, " frames"]) -> Float[np.ndarray, "2 ready"] | Any:
        """The complete samples; a list of them for several seeds.

        Args:
            block: of one channel, as NumPy array, torch tensor or list; integers have the full
                scale of their type.

        Raises:
            InputError: it is not one channel of real samples, or one is not finite or 200 dB and
                more beyond full scale.
        """
        return self._stereo(self._stream.push(_as_mono(block)))

    @in_single_precision
    def finish(self) -> Float[np.ndarray, "2 rest"] | Any:
        """The remaining samples."""
        return self._stereo(self._stream.finish())

    def _stereo(self, takes: list[Block]) -> np.ndarray | list[np.ndarray]:
        blocks = [take.left_right() for take in takes]
        return blocks if self._several else blocks[0]


def _as_mono(block: Any) -> Float[np.ndarray, " frames"]:
    samples = block
    if not (isinstance(block, np.ndarray) and block.dtype in (np.float32, np.float64)):
        samples = as_samples(block)
    if samples.ndim == 2 and 1 in samples.shape:
        samples = samples.reshape(-1)
    if samples.ndim != 1:
        raise InputError(f"A block of shape {samples.shape} is not one channel: give (frames,).")
    if not (np.abs(samples) <= MAX_SAMPLE).all():
        raise InputError("A block has samples that are not finite, or 200 dB beyond full scale.")
    return np.asarray(samples)
