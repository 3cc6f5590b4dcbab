"""The engine: runs any method at any sample rate, on a signal of any length, in bounded memory.

    L = M + S,   R = M − S     so that     (L + R)/2 = M

The mid M goes to the method at the method's sample rate, the method generates the side S there, the
controls act on S, and S returns to the rate of the input, where it is added to M. M itself is never
resampled: the fold-down is exact at every rate. Above half the method's rate (22 kHz) S is zero.

A sound field (`sound_field`) has several sides; the first one is S. They all go the same way.

Facts about the input, if they are known, add two stages: surface noise stays in the middle, and the
width has a limit by content. The method then gets the mid without its clicks.

A method always gets blocks of exactly `METHOD_BLOCK` samples and computes on one thread. Every bit
of the result is therefore independent of the size of the incoming blocks and of the number of
threads, which changes the rounding of long transforms.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.audio import StreamResampler
from soundstage.errors import SoundstageError
from soundstage.parallel import single_thread
from soundstage.spectra import SampleQueue, StreamingConvolver
from soundstage.stereo import to_left_right
from soundstage.stereo.click_removal import ClickRemover
from soundstage.upmixing.controls import FILTER_TAPS, Controls, side_filter
from soundstage.upmixing.downmix import Channels
from soundstage.upmixing.side_stages import SideStages, stages_of

METHOD_BLOCK = 65_536  # samples at the method's rate, 1.5 s at 44.1 kHz
FIELD_BLOCK = 16_384  # samples of all sides of a field at a time
INAUDIBLE = 1e-9  # −180 dB: below it, the ringing of a filter in digital silence becomes silence
NOT_FINITE = "The method computes samples that are not numbers: use other weights."
FLUSH = 0.25  # seconds of silence after the signal, which empty the resamplers


class SideStream(Protocol):
    """One mid and the sides of all its takes, block by block.

    Blocks come in order and in any size. The output lags behind; with `finish` it has as many
    samples as the input.
    """

    def push(self, mid: Float[Tensor, " length"], /) -> Float[Tensor, "takes n_outputs ready"]:
        """The samples that `mid` completes."""
        ...

    def finish(self) -> Float[Tensor, "takes n_outputs rest"]:
        """The remaining samples."""
        ...


class UpmixMethod(Protocol):
    """A method with its weights; it has no state of any signal."""

    rate: int
    """Its sample rate in Hz."""
    n_outputs: int
    """1: the side alone, with an exact fold-down. 2: a new mid, then the side. 3, 8 or 15: the
    sides of a sound field, which is no method of its own (`sound_field`)."""

    def stream(self, seeds: Sequence[int], /) -> SideStream:
        """Start a signal, with one take a seed; a take does not depend on the others."""
        ...


@contextmanager
def reproducible() -> Iterator[None]:
    """One thread and no gradients, for the calling thread only."""
    with single_thread(), torch.inference_mode():
        yield


class MidSide(NamedTuple):
    """Blocks of equal length; L = M + S and R = M − S."""

    mid: Float[np.ndarray, " frames"]
    side: Float[np.ndarray, " frames"]

    def left_right(self) -> Float[np.ndarray, "2 frames"]:
        """The stereo block."""
        return np.stack(to_left_right(self.mid, self.side))


class FieldBlock(NamedTuple):
    """Blocks of a sound field: its mid, which is W, and its sides (`sound_field`)."""

    mid: Float[np.ndarray, " frames"]
    sides: Float[np.ndarray, "sides frames"]

    @property
    def side(self) -> Float[np.ndarray, " frames"]:
        """That of the stereo image."""
        return self.sides[0]

    def left_right(self) -> Float[np.ndarray, "2 frames"]:
        """Cardioids that face left and right."""
        return np.stack(to_left_right(self.mid, self.side))


Block = MidSide | FieldBlock


class UpmixStream:
    """Upmixes one mono signal block by block, into one take a seed.

    Args:
        method: with its weights.
        rate: sample rate of the signal in Hz.
        seeds: one a take, as `as_seeds` returns them.
        controls: of all takes.
        channels: facts about the input, for surface noise and a width by content; without them
            noise is spread, and the width is 1 by default.
    """

    def __init__(
        self,
        method: UpmixMethod,
        rate: int,
        *,
        seeds: Sequence[int],
        controls: Controls | None = None,
        channels: Channels | None = None,
    ) -> None:
        controls = controls or Controls()
        self._padding = int(FLUSH * rate)
        if rate == method.rate and getattr(method, "is_own", False):
            self._padding = 0  # nothing is resampled, and it would meet silence that is not there
        self._remover = None
        noise = channels.noise if channels else None
        if noise and len(noise.clicks) and not controls.spread_noise and method.n_outputs != 2:
            self._remover = ClickRemover(noise.clicks_at(rate))
        self._to_method = StreamResampler(rate, method.rate, 1)
        with reproducible():
            self._stream = method.stream(list(seeds))
            self._return = _ReturnPath(method, rate, controls, channels, len(seeds))
        self._method_input, self._mid = SampleQueue(), SampleQueue()

    def push(self, mid: Float[np.ndarray, " frames"]) -> list[Block]:
        """Mid and side of each take, as far as complete, all of one length.

        The takes share the mid, float64 if the input is, unless the method makes its own.
        """
        mid = np.array(mid)  # a copy: a caller may reuse its buffer
        self._mid.push(torch.from_numpy(mid))
        if self._remover:
            mid = self._remover.push(mid)
        with reproducible():
            self._advance(self._to_method.push(mid[None].astype(np.float32, copy=False)))
        return self._ready(min(len(self._mid), len(self._return)))

    def finish(self) -> list[Block]:
        """The rest; in all, as many samples as were pushed."""
        silence = np.zeros((1, self._padding), np.float32)
        with reproducible():
            if self._remover:
                last = self._remover.finish()[None].astype(np.float32, copy=False)
                self._advance(self._to_method.push(last))
            self._advance(self._to_method.push(silence))
            self._advance(self._to_method.finish())
            self._feed(len(self._method_input))
            self._return.push(self._stream.finish())
            self._return.finish()
        return self._ready(len(self._mid))

    def _advance(self, incoming: Float[np.ndarray, "1 frames"]) -> None:
        self._method_input.push(torch.from_numpy(incoming[0]))
        while len(self._method_input) >= METHOD_BLOCK:
            self._feed(METHOD_BLOCK)

    def _feed(self, count: int) -> None:
        mid = self._method_input.pop(count)
        self._return.push_mid(mid)
        self._return.push(self._stream.push(mid))

    def _ready(self, count: int) -> list[Block]:
        return self._return.pop(self._mid.pop(count).numpy())


class _ReturnPath:
    """From the outputs of the method to the rate of the input, through the controls."""

    def __init__(
        self,
        method: UpmixMethod,
        rate: int,
        controls: Controls,
        channels: Channels | None,
        takes: int,
    ) -> None:
        n_outputs = method.n_outputs
        self._n_mids = 1 if n_outputs == 2 else 0
        width = 1.0 if controls.width is None else controls.width
        self._width, self._shape = np.float32(width), (takes, n_outputs)
        self._n_sides = n_outputs - self._n_mids  # of a take
        sides = takes * self._n_sides
        self._from_method = StreamResampler(method.rate, rate, takes * n_outputs)
        self._filters = []
        if controls.filters:
            response = torch.from_numpy(side_filter(controls, method.rate))
            self._filters = [
                StreamingConvolver(response, advance=FILTER_TAPS // 2) for _ in range(sides)
            ]
        self._stages = SideStages(
            stages_of(controls, channels, method.rate, sides, of_a_take=self._n_sides), sides
        )
        self._new_mid = SampleQueue((takes, self._n_mids))  # waits for the changed side
        self._ready = SampleQueue((takes * n_outputs,))

    def __len__(self) -> int:
        return len(self._ready)

    def push_mid(self, mid: Float[Tensor, " length"]) -> None:
        """The input of the method, before its outputs."""
        self._stages.push_mid(mid)

    def push(self, outputs: Float[Tensor, "takes n_outputs ready"]) -> None:
        if not bool(torch.isfinite(outputs).all()):
            raise SoundstageError(NOT_FINITE)
        # A field of 15 sides, of which a method delivers a long window at once, needs memory
        for part in outputs.split(FIELD_BLOCK, dim=-1) if self._n_sides > 1 else [outputs]:
            self._push(part)

    def _push(self, outputs: Float[Tensor, "takes n_outputs ready"]) -> None:
        if not self._filters and not self._stages:
            self._resample(outputs)
            return
        self._new_mid.push(outputs[:, : self._n_mids])
        sides = outputs[:, self._n_mids :].flatten(0, 1)
        if self._filters:
            pairs = zip(self._filters, sides, strict=True)
            sides = torch.stack([each.push(side) for each, side in pairs])
        self._resample(self._with_mid(self._stages.push(sides)))

    def finish(self) -> None:
        if self._filters:
            rest = torch.stack([each.finish() for each in self._filters])
            self._resample(self._with_mid(self._stages.push(rest)))
        if self._stages:
            self._resample(self._with_mid(self._stages.finish()))
        self._ready.push(torch.from_numpy(self._from_method.finish()))

    def pop(self, mid: Float[np.ndarray, " count"]) -> list[Block]:
        """The takes, with the mid of the input or with one of the method."""
        outputs = self._ready.pop(mid.size).numpy().reshape(*self._shape, mid.size)
        sides = outputs[:, self._n_mids :] * self._width
        sides[np.abs(sides) < INAUDIBLE] = 0
        if self._n_sides > 1:
            return [FieldBlock(mid, each) for each in sides]
        return [
            MidSide(take[0] if self._n_mids else mid, side[0])
            for take, side in zip(outputs, sides, strict=True)
        ]

    def _with_mid(
        self, sides: Float[Tensor, "sides ready"]
    ) -> Float[Tensor, "takes n_outputs ready"]:
        of_takes = sides.unflatten(0, (-1, self._n_sides))
        return torch.cat([self._new_mid.pop(sides.shape[-1]), of_takes], dim=1)

    def _resample(self, outputs: Float[Tensor, "takes n_outputs ready"]) -> None:
        samples = outputs.flatten(0, 1).contiguous().numpy()
        self._ready.push(torch.from_numpy(self._from_method.push(samples)))


def upmix_blocks(
    blocks: Iterable[Float[np.ndarray, " frames"]],
    method: UpmixMethod,
    rate: int,
    *,
    seeds: Sequence[int],
    controls: Controls | None = None,
    channels: Channels | None = None,
) -> Iterator[list[Block]]:
    """`UpmixStream` over an iterable of blocks.

    Yields:
        Of every take a block, all of one length; together as long as the input.
    """
    stream = UpmixStream(method, rate, seeds=seeds, controls=controls, channels=channels)
    for block in blocks:
        ready = stream.push(block)
        if ready[0].mid.size:
            yield from _parts(ready)
    yield from _parts(stream.finish())


def _parts(takes: list[Block]) -> Iterator[list[Block]]:
    """The same; a field in blocks that need little memory."""
    if not isinstance(takes[0], FieldBlock):
        yield takes
        return
    for start in range(0, max(takes[0].mid.size, 1), FIELD_BLOCK):
        part = slice(start, start + FIELD_BLOCK)
        yield [
            FieldBlock(take.mid[part], take.sides[:, part])
            for take in takes
            if isinstance(take, FieldBlock)
        ]
