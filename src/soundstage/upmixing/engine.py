"""The engine: any method, at any sample rate, on a signal of any length, in bounded memory.

The mid goes to the method's own rate, the method makes the side there, the controls act on it, and
it comes back to the rate of the input, where it meets the mid again sample by sample. The mid
itself is never resampled, so the fold-down is exact at every rate; above half the method's rate
(22 kHz) there is no side and the result is mono there.

Whatever the size of the blocks that come in, the method is fed blocks of exactly `METHOD_BLOCK`
samples: the arithmetic, and so every bit of the result, does not depend on how a signal is cut. Nor
does it depend on the number of threads, since a long transform rounds differently when it is shared
between several: the engine computes on one.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.audio import StreamResampler
from soundstage.errors import OptionError
from soundstage.spectra import SampleQueue, StreamingConvolver
from soundstage.stereo import to_left_right
from soundstage.upmixing.controls import FILTER_TAPS, Controls, side_filter
from soundstage.upmixing.upmixer import Upmixer

METHOD_BLOCK = 65_536  # samples at the method's rate, 1.5 s at 44.1 kHz
INAUDIBLE = 1e-9  # −180 dB: what is left of a filter's ringing in digital silence becomes silence
SEEDS = 1 << 32
FLUSH = 0.25  # seconds of silence after the signal, so that the resamplers give all they hold


@contextmanager
def _reproducible() -> Iterator[None]:
    """One thread, and no gradients."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)


class MidSide(NamedTuple):
    """Blocks of equal length; L = M + S and R = M − S."""

    mid: Float[np.ndarray, " frames"]
    side: Float[np.ndarray, " frames"]

    def left_right(self) -> Float[np.ndarray, "2 frames"]:
        """The stereo block."""
        return np.stack(to_left_right(self.mid, self.side))


class UpmixStream:
    """One mono signal on its way to stereo.

    Args:
        upmixer: the method.
        rate: samples a second of the signal.
        controls: what is asked of the side.
        seed: which take, from 0 to `SEEDS` − 1.

    Raises:
        OptionError: the seed is out of its range.
    """

    def __init__(
        self, upmixer: Upmixer, rate: int, *, controls: Controls | None = None, seed: int = 0
    ) -> None:
        if not 0 <= seed < SEEDS:
            raise OptionError(f"The seed goes from 0 to {SEEDS - 1}, and is {seed}.")
        controls = controls or Controls()
        self._width = np.float32(controls.width)
        self._rows = upmixer.rows
        self._padding = int(FLUSH * rate)
        self._to_method = StreamResampler(rate, upmixer.rate, 1)
        self._from_method = StreamResampler(upmixer.rate, rate, upmixer.rows)
        self._stream = upmixer.stream(seed=seed)
        self._filter = None
        if controls.filters:
            response = side_filter(controls, upmixer.rate)
            self._filter = StreamingConvolver(response, advance=FILTER_TAPS // 2)
        self._new_mid = SampleQueue((upmixer.rows - 1,))  # of methods that make one; not filtered
        self._method_input, self._mid = SampleQueue(), SampleQueue()
        self._made = SampleQueue((upmixer.rows,))

    def push(self, mid: Float[np.ndarray, " frames"]) -> MidSide:
        """Mid and side as far as the side is ready; float64 stays float64 in the mid."""
        mid = np.array(mid)  # our own: a caller may fill the same buffer again
        self._mid.push(torch.from_numpy(mid))
        with _reproducible():
            self._advance(self._to_method.push(mid[None].astype(np.float32, copy=False)))
        return self._ready(min(len(self._mid), len(self._made)))

    def finish(self) -> MidSide:
        """The rest; in all, exactly as many samples as were pushed."""
        silence = np.zeros((1, self._padding), np.float32)
        with _reproducible():
            self._advance(self._to_method.push(silence))
            self._advance(self._to_method.finish())
            self._collect(self._stream.push(self._method_input.pop(len(self._method_input))))
            self._collect(self._stream.finish())
            if self._filter:
                self._return(self._filtered(self._filter.finish()))
            self._made.push(torch.from_numpy(self._from_method.finish()))
        return self._ready(len(self._mid))

    def _advance(self, incoming: np.ndarray) -> None:
        self._method_input.push(torch.from_numpy(incoming[0]))
        while len(self._method_input) >= METHOD_BLOCK:
            self._collect(self._stream.push(self._method_input.pop(METHOD_BLOCK)))

    def _collect(self, made: Float[Tensor, "rows ready"]) -> None:
        """Through the side filter, if there is one, towards the rate of the input."""
        if self._filter:
            self._new_mid.push(made[:-1])
            made = self._filtered(self._filter.push(made[-1]))
        self._return(made)

    def _filtered(self, side: Float[Tensor, " ready"]) -> Float[Tensor, "rows ready"]:
        return torch.cat([self._new_mid.pop(side.shape[0]), side[None]])

    def _return(self, made: Float[Tensor, "rows ready"]) -> None:
        self._made.push(torch.from_numpy(self._from_method.push(made.contiguous().numpy())))

    def _ready(self, count: int) -> MidSide:
        mid, made = self._mid.pop(count).numpy(), self._made.pop(count).numpy()
        side = made[-1] * self._width
        side[np.abs(side) < INAUDIBLE] = 0
        return MidSide(made[0] if self._rows == 2 else mid, side)


def upmix_blocks(
    blocks: Iterable[Float[np.ndarray, " frames"]],
    upmixer: Upmixer,
    rate: int,
    *,
    controls: Controls | None = None,
    seed: int = 0,
) -> Iterator[MidSide]:
    """Mid and side of a mono signal that comes in blocks of any size.

    Args:
        blocks: samples, one-dimensional.
        upmixer: out of `load_method`.
        rate: samples a second.
        controls: what is asked of the side.
        seed: which take.

    Yields:
        Blocks that together are as long as the input.
    """
    stream = UpmixStream(upmixer, rate, controls=controls, seed=seed)
    for block in blocks:
        ready = stream.push(block)
        if ready.mid.size:
            yield ready
    yield stream.finish()
