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

from collections.abc import Iterable, Iterator, Sequence
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
from soundstage.upmixing.takes import begin_takes
from soundstage.upmixing.upmixer import Upmixer

METHOD_BLOCK = 65_536  # samples at the method's rate, 1.5 s at 44.1 kHz
INAUDIBLE = 1e-9  # −180 dB: what is left of a filter's ringing in digital silence becomes silence
SEEDS = 1 << 32
FLUSH = 0.25  # seconds of silence after the signal, so that the resamplers give all they hold


@contextmanager
def reproducible() -> Iterator[None]:
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


class UpmixTakes:
    """One mono signal on its way to stereo, in several takes that share all but their sides.

    Args:
        upmixer: the method.
        rate: samples a second of the signal.
        seeds: one a take, each from 0 to `SEEDS` − 1.
        controls: what is asked of the sides.

    Raises:
        OptionError: a seed is out of its range.
    """

    def __init__(
        self, upmixer: Upmixer, rate: int, *, seeds: Sequence[int], controls: Controls | None = None
    ) -> None:
        for seed in seeds:
            if not 0 <= seed < SEEDS:
                raise OptionError(f"The seed goes from 0 to {SEEDS - 1}, and is {seed}.")
        controls = controls or Controls()
        self._padding = int(FLUSH * rate)
        self._to_method = StreamResampler(rate, upmixer.rate, 1)
        self._stream = begin_takes(upmixer, list(seeds))
        self._returns = [_Return(upmixer, rate, controls) for _ in seeds]
        self._method_input, self._mid = SampleQueue(), SampleQueue()

    def push(self, mid: Float[np.ndarray, " frames"]) -> list[MidSide]:
        """Mid and side of each take, as far as the sides are ready, all of one length.

        float64 stays float64 in the mid, which the takes share unless the method makes its own.
        """
        mid = np.array(mid)  # our own: a caller may fill the same buffer again
        self._mid.push(torch.from_numpy(mid))
        with reproducible():
            self._advance(self._to_method.push(mid[None].astype(np.float32, copy=False)))
        return self._ready(min([len(self._mid), *map(len, self._returns)]))

    def finish(self) -> list[MidSide]:
        """The rest; in all, exactly as many samples as were pushed."""
        silence = np.zeros((1, self._padding), np.float32)
        with reproducible():
            self._advance(self._to_method.push(silence))
            self._advance(self._to_method.finish())
            self._collect(self._stream.push(self._method_input.pop(len(self._method_input))))
            self._collect(self._stream.finish())
            for take in self._returns:
                take.finish()
        return self._ready(len(self._mid))

    def _advance(self, incoming: np.ndarray) -> None:
        self._method_input.push(torch.from_numpy(incoming[0]))
        while len(self._method_input) >= METHOD_BLOCK:
            self._collect(self._stream.push(self._method_input.pop(METHOD_BLOCK)))

    def _collect(self, made: list[Float[Tensor, "rows ready"]]) -> None:
        for take, samples in zip(self._returns, made, strict=True):
            take.push(samples)

    def _ready(self, count: int) -> list[MidSide]:
        mid = self._mid.pop(count).numpy()
        return [take.pop(mid) for take in self._returns]


class _Return:
    """The way of one take's side back to the rate of the input, through the controls."""

    def __init__(self, upmixer: Upmixer, rate: int, controls: Controls) -> None:
        self._width = np.float32(controls.width)
        self._rows = upmixer.rows
        self._from_method = StreamResampler(upmixer.rate, rate, upmixer.rows)
        self._filter = None
        if controls.filters:
            response = side_filter(controls, upmixer.rate)
            self._filter = StreamingConvolver(response, advance=FILTER_TAPS // 2)
        self._new_mid = SampleQueue((upmixer.rows - 1,))  # of methods that make one; not filtered
        self._made = SampleQueue((upmixer.rows,))

    def __len__(self) -> int:
        return len(self._made)

    def push(self, made: Float[Tensor, "rows ready"]) -> None:
        if self._filter:
            self._new_mid.push(made[:-1])
            made = self._filtered(self._filter.push(made[-1]))
        self._return(made)

    def finish(self) -> None:
        if self._filter:
            self._return(self._filtered(self._filter.finish()))
        self._made.push(torch.from_numpy(self._from_method.finish()))

    def pop(self, mid: Float[np.ndarray, " count"]) -> MidSide:
        """Beside the mid of the input, or with a mid of the method's own."""
        made = self._made.pop(mid.size).numpy()
        side = made[-1] * self._width
        side[np.abs(side) < INAUDIBLE] = 0
        return MidSide(made[0] if self._rows == 2 else mid, side)

    def _filtered(self, side: Float[Tensor, " ready"]) -> Float[Tensor, "rows ready"]:
        return torch.cat([self._new_mid.pop(side.shape[0]), side[None]])

    def _return(self, made: Float[Tensor, "rows ready"]) -> None:
        self._made.push(torch.from_numpy(self._from_method.push(made.contiguous().numpy())))


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
        self._takes = UpmixTakes(upmixer, rate, seeds=[seed], controls=controls)

    def push(self, mid: Float[np.ndarray, " frames"]) -> MidSide:
        """Mid and side as far as the side is ready; float64 stays float64 in the mid."""
        return self._takes.push(mid)[0]

    def finish(self) -> MidSide:
        """The rest; in all, exactly as many samples as were pushed."""
        return self._takes.finish()[0]


def upmix_takes_blocks(
    blocks: Iterable[Float[np.ndarray, " frames"]],
    upmixer: Upmixer,
    rate: int,
    *,
    seeds: Sequence[int],
    controls: Controls | None = None,
) -> Iterator[list[MidSide]]:
    """Mid and side of every take of a mono signal that comes in blocks of any size.

    As `upmix_blocks`, with one seed a take; the blocks of all takes are equally long.
    """
    stream = UpmixTakes(upmixer, rate, seeds=seeds, controls=controls)
    for block in blocks:
        ready = stream.push(block)
        if ready[0].mid.size:
            yield ready
    yield stream.finish()


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
    for takes in upmix_takes_blocks(blocks, upmixer, rate, seeds=[seed], controls=controls):
        yield takes[0]
