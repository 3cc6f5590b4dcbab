"""A sound on its way to the ears, through what follows its source and through what does not.

Whatever lengths are pushed, all is made in chunks of one length: the arithmetic, and so every bit
of the result, does not depend on how a sound is cut.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Float, Float32, Float64

from soundstage.binaural.render.delay_line import DelayLine
from soundstage.binaural.render.partitioned_convolver import FixedFilter

CHUNK = 16_384  # frames
NOTHING = np.zeros((2, 1), np.float32)


class Line(Protocol):
    """What a `DelayLine` can do; see there."""

    @property
    def end(self) -> int:
        """The first sample that cannot be read yet."""
        ...

    def push(self, samples: Float[np.ndarray, " frames"]) -> None:
        """Add the next ones."""
        ...

    def read(self, places: Float64[np.ndarray, "*points"]) -> Float32[np.ndarray, "*points"]:
        """The signal at places in samples from its beginning."""
        ...

    def forget(self, before: float) -> None:
        """Let go of what no place from `before` on needs."""
        ...


class MovingPart(Protocol):
    """Something that is heard of a source that moves."""

    @property
    def lead(self) -> int:
        """Frames that the line must be ahead."""
        ...

    @property
    def longest(self) -> int:
        """Frames after which what was sent has been heard."""
        ...

    def chunk(self, line: Line, start: int, frames: int) -> Float32[np.ndarray, "2 frames"]:
        """What is heard from the frame `start` on."""
        ...


class MovingStream:
    """One sound on its way to the ears.

    Args:
        moving: what follows the source.
        fixed: the response of all that does not.
        line: that the moving parts read.

    Attributes:
        tail: frames that are heard after the end of the sound.
    """

    def __init__(
        self,
        moving: Sequence[MovingPart],
        fixed: Float32[np.ndarray, "2 taps"] = NOTHING,
        line: Line | None = None,
    ) -> None:
        self._moving, self._filter = moving, FixedFilter(fixed, CHUNK)
        longest = max((part.longest for part in moving), default=0)
        self.tail = max(longest, fixed.shape[-1]) - 1
        self._ahead, self._behind = max((part.lead for part in moving), default=0), longest
        self._line = line or DelayLine()
        self._sound = np.zeros(0, np.float32)  # less than a chunk
        self._waiting: list[Float32[np.ndarray, " chunk"]] = []  # on the line, and not heard yet
        self._made = self._pushed = 0

    def push(self, mono: Float[np.ndarray, " frames"]) -> Float32[np.ndarray, "2 ready"]:
        """The next of the sound; what is ready by now."""
        self._pushed += len(mono)
        return self._push(mono)

    def finish(self) -> Float32[np.ndarray, "2 rest"]:
        """What is still on its way: in all, `tail` frames more than were pushed."""
        if not self._pushed:
            return np.zeros((2, 0), np.float32)
        rest = self._pushed + self.tail - self._made
        silence = np.zeros(rest + 3 * CHUNK, np.float32)
        return self._push(silence)[:, :rest]

    def _push(self, mono: Float[np.ndarray, " frames"]) -> Float32[np.ndarray, "2 ready"]:
        self._sound = np.concatenate([self._sound, mono.astype(np.float32, copy=False)])
        made = [np.zeros((2, 0), np.float32)]
        while len(self._sound) >= CHUNK:
            sound, self._sound = self._sound[:CHUNK], self._sound[CHUNK:]
            self._waiting.append(sound)
            if self._moving:  # the line is of no use to what rests
                self._line.push(sound)
            if not self._moving or self._line.end >= self._made + CHUNK + self._ahead:
                made.append(self._chunk(self._waiting.pop(0)))
        return np.concatenate(made, axis=-1)

    def _chunk(self, sound: Float32[np.ndarray, " chunk"]) -> Float32[np.ndarray, "2 chunk"]:
        made = self._filter.push(sound)
        for part in self._moving:
            made += part.chunk(self._line, self._made, CHUNK)
        self._made += CHUNK
        self._line.forget(self._made - self._behind)
        return made
