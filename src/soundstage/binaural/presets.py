"""Trajectory presets: a constant position, an orbit, a fly-by, an approach.

Azimuth is in degrees counter-clockwise from ahead, elevation in degrees up, distances in meters
from the center of the head. A preset starts at 0 s.
"""

from typing import Literal

import numpy as np

from soundstage.binaural.trajectories import FARTHEST, NEAREST, Trajectory
from soundstage.errors import OptionError

RADIUS = 1.5  # m, a usual distance of HRTF measurements: beyond the near field, within a room
DURATIONS = (0.01, 86_400.0)  # s, up to a day
TURNS = (0.1, 86_400.0)  # s; a rotating loudspeaker takes 0.15 s
SPEEDS = (0.01, 300.0)  # m/s, below the speed of sound
_POINTS_A_TURN = 3  # fewer would make the shorter arc between points ambiguous


def constant(azimuth: float, elevation: float = 0.0, radius: float = RADIUS) -> Trajectory:
    """A source at rest."""
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
    """A source that circles the head at constant speed and height.

    Args:
        seconds_per_turn: 0.1 to 86,400.
        duration: in seconds, 0.01 to 86,400; the source is at rest afterwards.
        radius: distance from the center of the head.
        elevation: of the orbit, −90 to 90.
        start_azimuth: azimuth at 0 s.
        direction: counter-clockwise turns from ahead to the left.

    Raises:
        OptionError: an argument is out of its range.
    """
    check_range("seconds_per_turn", seconds_per_turn, TURNS)
    check_range("duration", duration, DURATIONS)
    if direction not in ("counter-clockwise", "clockwise"):
        raise OptionError(f"`direction` is counter-clockwise or clockwise, not {direction!r}.")
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
    """A source that passes one ear in a straight line, from ahead to behind.

    Its position is x = v·(T/2 − t), y = ±d; it is closest at half of its duration T.

    Args:
        speed: v in meters per second, 0.01 to 300.
        closest: d, the distance at the ear axis, in meters.
        duration: T in seconds, 0.01 to 86,400.
        side: the ear that it passes.

    Raises:
        OptionError: an argument is out of its range, or the trajectory is too long.
    """
    check_range("speed", speed, SPEEDS)
    check_range("closest", closest, (NEAREST, FARTHEST))
    check_range("duration", duration, DURATIONS)
    if side not in ("left", "right"):
        raise OptionError(f"`side` is left or right, not {side!r}.")
    x, y = speed * duration / 2, closest if side == "left" else -closest
    return Trajectory(np.array([0.0, duration]), np.array([[x, y, 0.0], [-x, y, 0.0]]))


def approach(
    start: float, end: float, duration: float, *, azimuth: float = 0.0, elevation: float = 0.0
) -> Trajectory:
    """A source that approaches at constant speed from one direction, or recedes.

    Args:
        start: initial distance.
        end: final distance, at which the source then stays.
        duration: in seconds, 0.01 to 86,400.
        azimuth: direction of arrival.
        elevation: direction of arrival.

    Raises:
        OptionError: an argument is out of its range.
    """
    check_range("duration", duration, DURATIONS)
    points = np.array([[azimuth, elevation, start], [azimuth, elevation, end]])
    return Trajectory.from_spherical(np.array([0.0, duration]), points)


def check_range(name: str, value: float, bounds: tuple[float, float]) -> None:
    """Refuse a value that is not a number within the bounds.

    Raises:
        OptionError: it is out of its range.
    """
    low, high = bounds
    if not low <= value <= high:
        raise OptionError(f"`{name}` is {low:g} to {high:,g}, not {value:g}.")
