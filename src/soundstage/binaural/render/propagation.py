"""Propagation delay and Doppler shift between a moving source and a moving head.

Sound that arrives at t was emitted at e by a source at s(e), at the distance r from the head, which
is at h(t) and has the orientation R(t). With the distance r₀ of zero delay,

    p = R(t)⁻¹·(s(e) − h(t)),    r = |p|,    e = t − (r − r₀)/c

This is solved by fixed-point iteration; each step reduces the error by the ratio of the speeds of
source and sound. It is solved at control points only; between them values are
interpolated with Catmull-Rom splines (1974).
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, Float64
from numpy.lib.stride_tricks import sliding_window_view

from soundstage.binaural.geometry import SPEED_OF_SOUND, rotate
from soundstage.binaural.listener import Listener

_TOLERANCE = 1e-9  # s
_MAX_STEPS = 60  # error of 2 ms at nine tenths of the speed of sound


Meters = TypeVar("Meters", float, Float64[np.ndarray, "*points"])


class DistanceModel(NamedTuple):
    """Delay and gain by distance."""

    no_delay: float
    """Distance in meters with zero delay: the smallest of all sources of a scene."""
    unit_gain: float
    """Distance in meters with a gain of 1."""

    def delay(self, distances: Meters, rate: int) -> Meters:
        """Delay in frames, at a rate in Hz."""
        return (distances - self.no_delay) * (rate / SPEED_OF_SOUND)

    def gain(self, distances: Meters) -> Meters:
        """Amplitude gain: half at twice the distance."""
        return self.unit_gain / distances


Positions = Callable[[Float[np.ndarray, "*points times"]], Float[np.ndarray, "*points times 3"]]


class Arrivals(NamedTuple):
    """Emission of sound that arrives at given times, for one or several points of origin."""

    positions: Float64[np.ndarray, "*points times 3"]
    """p: at the time of emission, in meters from the head and along its axes."""
    paths: Float64[np.ndarray, "*points times 3"]
    """s − h: the same, along the axes of the scene."""
    distances: Float64[np.ndarray, "*points times"]
    """In meters."""
    emitted: Float64[np.ndarray, "*points times"]
    """Time of emission, in seconds."""


def arrivals(
    positions: Positions,
    times: Float[np.ndarray, "*#points times"],
    no_delay: float,
    listener: Listener | None = None,
) -> Arrivals:
    """Solve for the emission of sound that arrives at given times.

    Args:
        positions: position of each point at given times, in meters.
        times: of arrival, in seconds.
        no_delay: r₀ in meters; no point comes closer.
        listener: the head; None is in the origin, looking ahead.
    """
    emitted = times
    head = None if listener is None else listener.positions_at(times)
    for _ in range(_MAX_STEPS):
        paths = positions(emitted)
        if head is not None:
            paths = paths - head
        distances = np.sqrt((paths * paths).sum(axis=-1))
        solved = times - (distances - no_delay) / SPEED_OF_SOUND
        error = np.abs(solved - emitted).max()
        emitted = solved
        if error < _TOLERANCE:
            break
    if listener is None:
        return Arrivals(paths, paths, distances, emitted)
    orientations = listener.orientations_at(times.ravel()).reshape(*times.shape, 4)
    return Arrivals(rotate(paths, orientations, inverse=True), paths, distances, emitted)


def control_frames(start: int, frames: int, step: int) -> Float64[np.ndarray, " controls"]:
    """Frames of the control points, a step apart, for `frames` frames from `start` on."""
    return start + step * np.arange(-1.0, frames // step + 2)


def between_controls(
    values: Float64[np.ndarray, "*batch controls"], step: int
) -> Float64[np.ndarray, "*batch frames"]:
    """Interpolate values at `control_frames` to each frame."""
    curves = sliding_window_view(values, 4, axis=-1) @ _cubics(step)
    return curves.reshape(*values.shape[:-1], -1)


@cache
def _cubics(step: int) -> Float64[np.ndarray, "4 frames"]:
    """Catmull-Rom weights of the two control points before and the two after each frame."""
    u = np.arange(step) / step
    return 0.5 * np.stack(
        [
            -u + 2 * u**2 - u**3,
            2 - 5 * u**2 + 3 * u**3,
            u + 4 * u**2 - 3 * u**3,
            -(u**2) + u**3,
        ]
    )
