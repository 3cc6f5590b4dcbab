"""Stream of a moving source: the sum of time-varying parts and one fixed filter.

Its channels are the ears, or those of an ambisonic field. The sound is processed in chunks of one
size, so that the result is the same to the bit for any size of the blocks that are pushed.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Float, Float32, Float64

from soundstage.binaural.render.convolvers import PartitionedConvolver
from soundstage.binaural.render.delay_line import DelayLine

CHUNK = 16_384  # frames
SILENCE = np.zeros((2, 1), np.float32)


class SampleLine(Protocol):
    """Interface of `DelayLine`; see there."""

    @property
    def end(self) -> int:
        """First sample that cannot be read yet."""
        ...

    def push(self, samples: Float[np.ndarray, " frames"]) -> None:
        """Append samples."""
        ...

    def read(self, positions: Float64[np.ndarray, "*points"]) -> Float32[np.ndarray, "*points"]:
        """The signal at fractional positions, in samples from its start."""
        ...

    def forget(self, before: float) -> None:
        """Forget the samples that positions from `before` on do not need."""
        ...


class MovingPart(Protocol):
    """A time-varying part of the ear signals, or of an ambisonic field."""

    @property
    def lead(self) -> int:
        """Frames of the line that must be available beyond a chunk."""
        ...

    @property
    def length(self) -> int:
        """Length of the response, in frames: largest delay plus taps."""
        ...

    def chunk(
        self, line: SampleLine, start: int, frames: int
    ) -> Float32[np.ndarray, "channels frames"]:
        """The channels from the frame `start` on."""
        ...


class MovingStream:
    """The ear signals of one source, or its ambisonic field.

    Args:
        moving: time-varying parts.
        fixed: response of all fixed parts, for each channel.
        line: input of the time-varying parts.

    Attributes:
        tail: frames of output after the end of the input.
    """

    def __init__(
        self,
        moving: Sequence[MovingPart],
        fixed: Float32[np.ndarray, "channels taps"] = SILENCE,
        line: SampleLine | None = None,
    ) -> None:
        self._moving, self._channels = moving, len(fixed)
        self._filter = PartitionedConvolver(fixed, CHUNK)
        length = max((part.length for part in moving), default=0)
        self.tail = max(length, fixed.shape[-1]) - 1
        self._lead, self._length = max((part.lead for part in moving), default=0), length
        self._line = line or DelayLine()
        self._sound = np.zeros(0, np.float32)  # of the next chunk
        self._waiting: list[
            Float32[np.ndarray, " chunk"]
        ] = []  # chunks on the line, not rendered yet
        self._rendered = self._pushed = 0

    def push(self, mono: Float[np.ndarray, " frames"]) -> Float32[np.ndarray, "channels ready"]:
        """Append input; return the output that is ready."""
        self._pushed += len(mono)
        return self._push(mono)

    def finish(self) -> Float32[np.ndarray, "channels rest"]:
        """The rest of the output: in all, `tail` frames more than the input."""
        if not self._pushed:
            return np.zeros((self._channels, 0), np.float32)
        rest = self._pushed + self.tail - self._rendered
        silence = np.zeros(rest + 3 * CHUNK, np.float32)
        return self._push(silence)[:, :rest]

    def _push(self, mono: Float[np.ndarray, " frames"]) -> Float32[np.ndarray, "channels ready"]:
        self._sound = np.concatenate([self._sound, mono.astype(np.float32, copy=False)])
        chunks = [np.zeros((self._channels, 0), np.float32)]
        while len(self._sound) >= CHUNK:
            sound, self._sound = self._sound[:CHUNK], self._sound[CHUNK:]
            self._waiting.append(sound)
            if self._moving:
                self._line.push(sound)
            if not self._moving or self._line.end >= self._rendered + CHUNK + self._lead:
                chunks.append(self._chunk(self._waiting.pop(0)))
        return np.concatenate(chunks, axis=-1)

    def _chunk(self, sound: Float32[np.ndarray, " chunk"]) -> Float32[np.ndarray, "channels chunk"]:
        channels = self._filter.push(sound)
        for part in self._moving:
            channels += part.chunk(self._line, self._rendered, CHUNK)
        self._rendered += CHUNK
        self._line.forget(self._rendered - self._length)
        return channels
