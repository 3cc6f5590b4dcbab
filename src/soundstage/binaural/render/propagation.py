"""How far a moving source was when it sent what is heard now: distance, delay and Doppler.

A source at the distance r(t) sends at e what arrives at t. With the distance r₀ that takes no time,

    e = t − (r(e) − r₀)/c

which is solved by iteration; each step is nearer by the source's speed over that of sound. It is
solved at some frames only, and what follows from it is read between them along the cubics of
Catmull and Rom (1974), which pass through every value without a corner.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, Float64
from numpy.lib.stride_tricks import sliding_window_view

from soundstage.binaural.geometry import SPEED_OF_SOUND

_NEAR = 1e-9  # s
_STEPS = 60  # a source at nine tenths of the speed of sound comes within 2 ms


Meters = TypeVar("Meters", float, Float64[np.ndarray, "*points"])


class DistanceModel(NamedTuple):
    """Which distances change nothing."""

    no_delay: float
    """In meters; the nearest that any source of a scene comes."""
    unit_gain: float
    """In meters; a sound from there is as loud as it is given."""

    def delay(self, distances: Meters, rate: int) -> Meters:
        """In frames at a rate in Hz."""
        return (distances - self.no_delay) * (rate / SPEED_OF_SOUND)

    def gain(self, distances: Meters) -> Meters:
        """Of amplitude: half at twice the distance."""
        return self.unit_gain / distances


Positions = Callable[[Float[np.ndarray, "*points times"]], Float[np.ndarray, "*points times 3"]]


class Arrivals(NamedTuple):
    """Of sound that is heard at some times, for one or several points that it comes from."""

    positions: Float64[np.ndarray, "*points times 3"]
    """In meters, when it was sent."""
    distances: Float64[np.ndarray, "*points times"]
    """In meters."""
    sent: Float64[np.ndarray, "*points times"]
    """In seconds."""


def arrivals(
    positions: Positions, times: Float[np.ndarray, "*points times"], no_delay: float
) -> Arrivals:
    """Where sound was sent that is heard at these times.

    Args:
        positions: where each point is at given times, in meters from the middle of the head.
        times: in seconds.
        no_delay: r₀ in meters; nothing comes nearer.
    """
    sent = times
    for _ in range(_STEPS):
        places = positions(sent)
        distances = np.sqrt((places * places).sum(axis=-1))
        solved = times - (distances - no_delay) / SPEED_OF_SOUND
        off = np.abs(solved - sent).max()
        sent = solved
        if off < _NEAR:
            break
    return Arrivals(places, distances, sent)


def control_frames(start: int, frames: int, step: int) -> Float64[np.ndarray, " controls"]:
    """Frames, a step apart, where values are needed to know them in frames from `start` on."""
    return start + step * np.arange(-1.0, frames // step + 2)


def between_controls(
    values: Float64[np.ndarray, "*batch controls"], step: int
) -> Float64[np.ndarray, "*batch frames"]:
    """Values at every frame, out of those at `control_frames`."""
    curves = sliding_window_view(values, 4, axis=-1) @ _cubics(step)
    return curves.reshape(*values.shape[:-1], -1)


@cache
def _cubics(step: int) -> Float64[np.ndarray, "4 frames"]:
    """Weights of the values before, at, after and beyond."""
    u = np.arange(step) / step
    return 0.5 * np.stack(
        [
            -u + 2 * u**2 - u**3,
            2 - 5 * u**2 + 3 * u**3,
            u + 4 * u**2 - 3 * u**3,
            -(u**2) + u**3,
        ]
    )
