"""Trajectories that need no file: a place, an orbit, a fly-by, an approach.

Angles and sides are those of `geometry`: azimuth in degrees counter-clockwise from ahead, elevation
in degrees up, distances in meters from the middle of the head. A preset starts at 0 s.
"""

from typing import Literal

import numpy as np

from soundstage.binaural.trajectories import FARTHEST, NEAREST, Trajectory
from soundstage.errors import OptionError

RADIUS = 1.5  # m, in the range where heads are measured: beyond the near field, within a room
DURATIONS = (0.01, 86_400.0)  # s, up to a day
TURNS = (0.1, 86_400.0)  # s; a rotating loudspeaker takes 0.15 s
SPEEDS = (0.01, 300.0)  # m/s, below that of sound: nothing is heard of what comes faster
_POINTS_A_TURN = 3  # the fewest from which the shorter way round is the way meant


def constant(azimuth: float, elevation: float = 0.0, radius: float = RADIUS) -> Trajectory:
    """A source that stays where it is."""
    return Trajectory.from_spherical(np.zeros(1), np.array([[azimuth, elevation, radius]]))


def orbit(
    seconds_per_turn: float,
    duration: float,
    *,
    radius: float = RADIUS,
    elevation: float = 0.0,
    start_azimuth: float = 0.0,
    direction: Literal["counter-clockwise", "clockwise"] = "counter-clockwise",
) -> Trajectory:
    """A source that circles the head evenly at one height, as seen from above.

    Args:
        seconds_per_turn: 0.1 to 86,400.
        duration: in seconds, 0.01 to 86,400; the source rests afterwards.
        radius: distance from the middle of the head.
        elevation: of the whole orbit, −90 to 90.
        start_azimuth: where it begins.
        direction: counter-clockwise goes from ahead to the left.

    Raises:
        OptionError: an argument is out of its range.
    """
    _check("seconds_per_turn", seconds_per_turn, TURNS)
    _check("duration", duration, DURATIONS)
    if direction not in ("counter-clockwise", "clockwise"):
        raise OptionError(f"An orbit goes counter-clockwise or clockwise, not {direction!r}.")
    steps = int(np.ceil(_POINTS_A_TURN * duration / seconds_per_turn))
    times = np.linspace(0, duration, steps + 1)
    turn = 360 if direction == "counter-clockwise" else -360
    spherical = np.full((len(times), 3), [start_azimuth, elevation, radius])
    spherical[:, 0] += turn * times / seconds_per_turn
    return Trajectory.from_spherical(times, spherical)


def fly_by(
    speed: float,
    closest: float,
    duration: float,
    *,
    side: Literal["left", "right"] = "left",
) -> Trajectory:
    """A source that comes from ahead and leaves behind, straight past one ear.

    It lies at x = v·(T/2 − t) and y = ±d, so that it is nearest at half of its time T.

    Args:
        speed: v in meters a second, 0.01 to 300.
        closest: d, its distance as it passes the ear axis.
        duration: T in seconds, 0.01 to 86,400.
        side: on which it passes.

    Raises:
        OptionError: an argument is out of its range, or the way too long.
    """
    _check("speed", speed, SPEEDS)
    _check("closest", closest, (NEAREST, FARTHEST))
    _check("duration", duration, DURATIONS)
    if side not in ("left", "right"):
        raise OptionError(f"A fly-by passes left or right, not {side!r}.")
    x, y = speed * duration / 2, closest if side == "left" else -closest
    return Trajectory(np.array([0.0, duration]), np.array([[x, y, 0.0], [-x, y, 0.0]]))


def approach(
    start: float, end: float, duration: float, *, azimuth: float = 0.0, elevation: float = 0.0
) -> Trajectory:
    """A source that comes nearer evenly in one direction, or leaves where `end` is farther.

    Args:
        start: its first distance.
        end: its last, at which it rests afterwards.
        duration: of the way, in seconds, 0.01 to 86,400.
        azimuth: of the direction.
        elevation: of the direction.

    Raises:
        OptionError: an argument is out of its range.
    """
    _check("duration", duration, DURATIONS)
    points = np.array([[azimuth, elevation, start], [azimuth, elevation, end]])
    return Trajectory.from_spherical(np.array([0.0, duration]), points)


def _check(name: str, value: float, bounds: tuple[float, float]) -> None:
    low, high = bounds
    if not low <= value <= high:
        raise OptionError(f"{name} goes from {low:g} to {high:,g}, and is {value:g}.")
