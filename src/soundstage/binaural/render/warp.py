"""`warp`: nothing but the time that sound takes to either ear.

The geometric warp that neural renderers start from (Richard et al. 2021, §3.1): an ear at p hears
at t what the source at s sent at

    ρ(t) = t − |s(t) − p|/c

read between samples along a straight line. There is no head between the ears and no distance in
the level; it is here as the baseline of the papers.
"""

import numpy as np
from jaxtyping import Float, Float32, Float64

from soundstage.binaural.geometry import HEAD_RADIUS, ear_positions
from soundstage.binaural.render.moving_stream import Line, MovingStream
from soundstage.binaural.render.propagation import DistanceModel, between_controls, control_frames
from soundstage.binaural.trajectories import Trajectory

CONTROL = 32  # frames from one place of the source to the next


class WarpRenderer:
    """Delays alone."""

    def stream(
        self, trajectory: Trajectory, rate: int, *, no_delay: float | None = None
    ) -> MovingStream:
        """Begin a sound; see `Renderer.stream`."""
        nearest = trajectory.nearest if no_delay is None else no_delay
        return MovingStream([WarpedSound(trajectory, rate, nearest)], line=LinearLine())


class WarpedSound:
    """Of one source, chunk by chunk.

    Args:
        trajectory: of the source.
        rate: in Hz.
        no_delay: distance from the middle of the head, in meters, from which sound takes no more
            than the radius of the head.

    Attributes:
        lead: frames that the line must be ahead: none.
        longest: frames after which what was sent has been heard.
    """

    lead = 0

    def __init__(self, trajectory: Trajectory, rate: int, no_delay: float) -> None:
        self._trajectory, self._rate = trajectory, rate
        self._leveling = DistanceModel(max(no_delay - HEAD_RADIUS, 0.0), 1.0)
        self._latest = self._leveling.delay(trajectory.farthest + HEAD_RADIUS, rate)
        self.longest = int(np.ceil(self._latest)) + 1

    def chunk(self, line: Line, start: int, frames: int) -> Float32[np.ndarray, "2 frames"]:
        """What is heard from the frame `start` on."""
        times = control_frames(start, frames, CONTROL) / self._rate
        ways = self._trajectory.positions_at(times)[:, None] - ear_positions()
        delays = self._leveling.delay(np.linalg.norm(ways, axis=-1).T, self._rate)
        late = between_controls(delays, CONTROL).clip(0, self._latest)
        return line.read(np.arange(start, start + frames) - late)


class LinearLine:
    """A `DelayLine` with straight lines between samples."""

    def __init__(self) -> None:
        self._samples = np.zeros(1, np.float32)
        self._first = -1  # place of the oldest that is kept

    @property
    def end(self) -> int:
        """The first sample at which it cannot be read yet, but for that sample itself."""
        return self._first + len(self._samples)

    def push(self, samples: Float[np.ndarray, " frames"]) -> None:
        """Add the next ones."""
        self._samples = np.concatenate([self._samples, samples.astype(np.float32, copy=False)])

    def read(self, places: Float64[np.ndarray, "*points"]) -> Float32[np.ndarray, "*points"]:
        """The signal at places in samples from its beginning; silence before it.

        Raises:
            ValueError: a place is not there yet, or let go.
        """
        lowest, highest = places.min(initial=np.inf), places.max(initial=-np.inf)
        if highest > self.end - 1 or (lowest < self._first and self._first >= 0):
            raise ValueError("a place that is not on the line any more, or not yet")
        at = np.arange(self._first, self.end)
        return np.interp(places, at, self._samples, left=0.0).astype(np.float32)

    def forget(self, before: float) -> None:
        """Let go of what no place from `before` on needs."""
        unneeded = min(int(np.floor(before)) - self._first, len(self._samples) - 1)
        if unneeded > 0:
            self._samples = self._samples[unneeded:].copy()
            self._first += unneeded
