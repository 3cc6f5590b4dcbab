"""`warp`: geometric warping, the propagation delay to each ear only.

The first step of the neural renderers (Richard et al. 2021, §3.1): an ear at p receives at t the
sound that the source at s emitted at

    ρ(t) = t − |s(t) − p|/c

with linear interpolation between samples. There is neither head shadow nor distance attenuation; it
is the baseline of the papers.
"""

import numpy as np
from jaxtyping import Float, Float32, Float64

from soundstage.binaural.geometry import HEAD_RADIUS, ear_positions
from soundstage.binaural.listener import SeenTrajectory
from soundstage.binaural.render.moving_stream import MovingStream, SampleLine
from soundstage.binaural.render.propagation import DistanceModel, between_controls, control_frames
from soundstage.binaural.render_options import BINAURAL
from soundstage.binaural.trajectories import Trajectory

CONTROL = 32  # frames between control points


class WarpRenderer:
    """The method `warp`."""

    channels = BINAURAL

    def stream(
        self,
        trajectory: Trajectory | SeenTrajectory,
        rate: int,
        *,
        no_delay: float | None = None,
    ) -> MovingStream:
        """Start rendering a source; see `Renderer.stream`."""
        nearest = trajectory.min_distance if no_delay is None else no_delay
        return MovingStream([WarpedSound(trajectory, rate, nearest)], line=LinearLine())


class WarpedSound:
    """The part of a `MovingStream` that is delayed to each ear.

    Args:
        trajectory: of the source.
        rate: in Hz.
        no_delay: distance from the center of the head, in meters, with zero delay to the near ear.
    """

    lead = 0

    def __init__(self, trajectory: Trajectory | SeenTrajectory, rate: int, no_delay: float) -> None:
        self._trajectory, self._rate = trajectory, rate
        self._distance_model = DistanceModel(max(no_delay - HEAD_RADIUS, 0.0), 1.0)
        self._max_delay = self._distance_model.delay(trajectory.max_distance + HEAD_RADIUS, rate)
        self.length = int(np.ceil(self._max_delay)) + 1

    def chunk(self, line: SampleLine, start: int, frames: int) -> Float32[np.ndarray, "2 frames"]:
        """The ear signals from the frame `start` on."""
        times = control_frames(start, frames, CONTROL) / self._rate
        paths = self._trajectory.positions_at(times)[:, None] - ear_positions()
        delays = self._distance_model.delay(np.linalg.norm(paths, axis=-1).T, self._rate)
        delays = between_controls(delays, CONTROL).clip(0, self._max_delay)
        return line.read(np.arange(start, start + frames) - delays)


class LinearLine:
    """A `DelayLine` with linear interpolation."""

    def __init__(self) -> None:
        self._samples = np.zeros(1, np.float32)
        self._first = -1  # position of the oldest sample

    @property
    def end(self) -> int:
        """First sample that is not available; positions up to one sample before it can be read."""
        return self._first + len(self._samples)

    def push(self, samples: Float[np.ndarray, " frames"]) -> None:
        """Append samples."""
        self._samples = np.concatenate([self._samples, samples.astype(np.float32, copy=False)])

    def read(self, positions: Float64[np.ndarray, "*points"]) -> Float32[np.ndarray, "*points"]:
        """The signal at fractional positions, in samples from its start; silence before it.

        Raises:
            ValueError: a position is not available yet, or has been dropped.
        """
        lowest, highest = positions.min(initial=np.inf), positions.max(initial=-np.inf)
        if highest > self.end - 1 or (lowest < self._first and self._first >= 0):
            raise ValueError("position not on the delay line: dropped or not yet available")
        at = np.arange(self._first, self.end)
        return np.interp(positions, at, self._samples, left=0.0).astype(np.float32)

    def forget(self, before: float) -> None:
        """Forget the samples that positions from `before` on do not need."""
        unneeded = min(int(np.floor(before)) - self._first, len(self._samples) - 1)
        if unneeded > 0:
            self._samples = self._samples[unneeded:].copy()
            self._first += unneeded
