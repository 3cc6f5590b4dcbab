"""Sample rate conversion of signals of any length, by soxr in its very high quality."""

from collections.abc import Iterable, Iterator

import numpy as np
import soxr
from jaxtyping import Float

Block = Float[np.ndarray, "channels frames"]


def resampled_frames(frames: int, rate_in: int, rate_out: int) -> int:
    """Length after resampling: frames·out/in, rounded to the nearest, halves up."""
    return (2 * frames * rate_out + rate_in) // (2 * rate_in)


class StreamResampler:
    """Resamples block by block; the result does not depend on the blocks.

    The delay of the filter is compensated. Equal rates pass every block through unchanged. The
    precision, single or double, is that of the first block.

    Args:
        rate_in: of the input, in Hz.
        rate_out: of the output, in Hz.
        channels: number of channels.
    """

    def __init__(self, rate_in: int, rate_out: int, channels: int) -> None:
        self.rate_in, self.rate_out, self.channels = rate_in, rate_out, channels
        self._stream: soxr.ResampleStream | None = None
        self._dtype: np.dtype = np.dtype(np.float32)
        self._taken = self._given = 0

    def push(self, block: Block) -> Block:
        """The output that this block completes; may be empty."""
        if self.rate_in == self.rate_out or not block.shape[-1]:
            return block
        self._taken += block.shape[-1]
        return self._convert(block, last=False)

    def finish(self) -> Block:
        """The rest of the output; all blocks together have `resampled_frames` frames."""
        rest = np.zeros((self.channels, 0), self._dtype)
        if self._stream is None:
            return rest
        missing = resampled_frames(self._taken, self.rate_in, self.rate_out) - self._given
        rest = self._convert(rest, last=True)[:, :missing]
        return np.pad(rest, ((0, 0), (0, missing - rest.shape[1])))

    def _convert(self, block: Block, *, last: bool) -> Block:
        if self._stream is None:
            self._dtype = np.dtype(np.float64 if block.dtype == np.float64 else np.float32)
            self._stream = soxr.ResampleStream(
                self.rate_in, self.rate_out, self.channels, dtype=self._dtype, quality="VHQ"
            )
        rows = np.ascontiguousarray(block.T, dtype=self._dtype)
        out = self._stream.resample_chunk(rows, last=last).reshape(-1, self.channels).T
        self._given += out.shape[1]
        return out


def resample(samples: Block, rate_in: int, rate_out: int) -> Block:
    """A signal at another rate, with `resampled_frames` frames."""
    stream = StreamResampler(rate_in, rate_out, samples.shape[0])
    return np.concatenate([stream.push(samples), stream.finish()], axis=1)


def resampled_blocks(
    blocks: Iterable[Float[np.ndarray, " frames"]], rate_in: int, rate_out: int
) -> Iterator[Float[np.ndarray, " frames"]]:
    """One channel at another rate, block by block; equal rates change nothing."""
    stream = StreamResampler(rate_in, rate_out, 1)
    for block in blocks:
        if (ready := stream.push(block[None])[0]).size:
            yield ready
    if (rest := stream.finish()[0]).size:
        yield rest
