"""Random trajectories of a talker who walks around a listener, with stops and glances.

The talker walks from waypoint to waypoint, at a random speed for each, with stops between. A
waypoint is an angle φ around the listener and a share u of the space between the nearest and the
farthest distance,

    r(φ, u) = r_min + u·(R(φ) − r_min),    R(φ)^−p = r_max^−p + Σ_walls d_wall(φ)^−p

where R is a smooth minimum. Angle and share are interpolated linearly and smoothed in time, so that
a trajectory has no corners and never crosses the listener or a wall. The mouth alternately points
at the listener and along the path, with the speed of a turning head and a random sway.
"""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from soundstage.binaural import Poses, ShoeBox
from soundstage.binaural.binaural_speech_poses import POSE_RATE

NEAREST, FARTHEST = 0.55, 2.5  # m from the center of the head, horizontally
SPEEDS = (0.3, 1.2)  # m/s along the path, without turns and sway
STOP = 0.35  # probability of a stop at a waypoint
STOPS = (0.3, 2.5)  # s
HEIGHTS = (1.1, 1.75)  # m of the mouth above the floor: seated to standing
HEIGHT_SECONDS = (3.0, 12.0)  # duration of a height
AT_LISTENER = 0.7  # share of the time that the mouth points at the listener
GLANCE_SECONDS = (1.0, 6.0)  # duration of a direction of the mouth
MAX_TURN = np.radians(150)  # per second
WALL_SPACE = 0.35  # m
_SOFTNESS = 8  # p
_PATH_SMOOTHING = 0.45  # s, standard deviation
_HEIGHT_SMOOTHING = 0.5  # s
_TURN_TIME = 0.25  # s, time constant of a turn of the head
_SWAY, _SWAY_SMOOTHING = 0.012, 0.4  # m rms, s
_HEAD_SWAY = np.radians([9.0, 5.0, 3.0])  # rms of yaw, pitch and roll
_HEAD_SWAY_SMOOTHING = 0.35  # s
_POINTS = 48  # between waypoints, for the length of the path


def talker_trajectory(room: ShoeBox, seconds: float, generator: np.random.Generator) -> Poses:
    """Random poses of the mouth relative to the listener's head, 120 a second.

    Args:
        room: with a meter of space around the head.
        seconds: duration.
        generator: of all random values.
    """
    count = round(seconds * POSE_RATE)
    space = _WalkingSpace(room)
    angle, share = _path(space, count, generator)
    radius = space.radius(angle, share)
    floor = room.walls[0, 2]
    height = _piecewise(HEIGHTS, HEIGHT_SECONDS, _HEIGHT_SMOOTHING, count, generator) + floor
    positions = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
    positions += _smooth_noise(np.full(3, _SWAY), _SWAY_SMOOTHING, count, generator)
    return Poses(positions, _orientations(positions, generator))


class _WalkingSpace:
    """The floor between the listener and the walls."""

    def __init__(self, room: ShoeBox) -> None:
        self._walls = np.abs(room.walls[:, :2]) - WALL_SPACE

    def radius(
        self, angle: Float[np.ndarray, " points"], share: Float[np.ndarray, " points"]
    ) -> Float[np.ndarray, " points"]:
        """Distance from the listener in meters."""
        lower, upper = self._walls
        inverse = np.full(angle.shape, FARTHEST**-_SOFTNESS)
        for axis, part in enumerate((np.cos(angle), np.sin(angle))):
            wall = np.where(part > 0, upper[axis], lower[axis])
            inverse += (np.abs(part) / wall) ** _SOFTNESS
        farthest = inverse ** (-1 / _SOFTNESS)
        return NEAREST + share * (farthest - NEAREST)


def _path(
    space: _WalkingSpace, count: int, generator: np.random.Generator
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Unwrapped angles and shares at every pose."""
    time, angle, share = [0.0], [generator.uniform(-np.pi, np.pi)], [generator.uniform()]
    while time[-1] < count / POSE_RATE:
        turn = generator.normal(0, np.radians(90))
        angles = np.linspace(angle[-1], angle[-1] + turn, _POINTS)
        shares = np.linspace(share[-1], generator.uniform(), _POINTS)
        points = space.radius(angles, shares) * np.exp(1j * angles)
        lengths = np.cumsum(np.abs(np.diff(points)))
        time.extend(time[-1] + lengths / generator.uniform(*SPEEDS))
        angle.extend(angles[1:])
        share.extend(shares[1:])
        if generator.uniform() < STOP:
            time.append(time[-1] + generator.uniform(*STOPS))
            angle.append(angle[-1])
            share.append(share[-1])
    at = np.arange(count) / POSE_RATE
    smooth = _PATH_SMOOTHING * POSE_RATE
    angles, shares = (
        gaussian_filter1d(np.interp(at, time, each), smooth) for each in (angle, share)
    )
    return angles, shares


def _piecewise(
    bounds: tuple[float, float],
    seconds: tuple[float, float],
    smoothing: float,
    count: int,
    generator: np.random.Generator,
) -> Float[np.ndarray, " points"]:
    """Random values within bounds, constant for random durations, with smooth transitions."""
    pieces = int(count / POSE_RATE / seconds[0]) + 2
    ends = generator.uniform(*seconds, pieces).cumsum()
    values = generator.uniform(*bounds, pieces)
    piece = np.searchsorted(ends, np.arange(count) / POSE_RATE).clip(max=pieces - 1)
    return gaussian_filter1d(values[piece], smoothing * POSE_RATE)


def _smooth_noise(
    rms: Float[np.ndarray, " columns"], smoothing: float, count: int, generator: np.random.Generator
) -> Float[np.ndarray, "points columns"]:
    """Low-pass noise, limited softly to twice its rms."""
    width = smoothing * POSE_RATE
    noise = generator.standard_normal((count, len(rms)))
    noise = gaussian_filter1d(noise, width, axis=0) * np.sqrt(2 * np.sqrt(np.pi) * width)
    return 2 * rms * np.tanh(noise / 2)


def _orientations(
    positions: Float[np.ndarray, "points 3"], generator: np.random.Generator
) -> Float[np.ndarray, "points 4"]:
    count = len(positions)
    x, y, z = positions.T
    velocity = gaussian_filter1d(np.gradient(x + 1j * y), _PATH_SMOOTHING * POSE_RATE)
    share = _piecewise((0, 1), GLANCE_SECONDS, 1e-3, count, generator)
    target = np.where(share < AT_LISTENER, np.angle(-x - 1j * y), np.angle(velocity))
    pitch = 0.7 * np.arctan2(-z, np.hypot(x, y)) * (share < AT_LISTENER)
    sway = _smooth_noise(_HEAD_SWAY, _HEAD_SWAY_SMOOTHING, count, generator)
    yaw = gaussian_filter1d(_followed(target), _TURN_TIME * POSE_RATE) + sway[:, 0]
    pitch = gaussian_filter1d(pitch, _TURN_TIME * POSE_RATE) + sway[:, 1]
    angles = np.stack([yaw, -pitch, sway[:, 2]], axis=1)  # a rotation about y pitches down
    return Rotation.from_euler("ZYX", angles).as_quat()


def _followed(target: Float[np.ndarray, " points"]) -> Float[np.ndarray, " points"]:
    """Yaw that follows target angles along the shorter arc, at most at `MAX_TURN`."""
    limit, rate = MAX_TURN / POSE_RATE, 1 / (_TURN_TIME * POSE_RATE)
    yaw, current = np.empty(len(target)), float(target[0])
    for point, angle in enumerate(target.tolist()):
        error = (angle - current + np.pi) % (2 * np.pi) - np.pi
        current += min(max(rate * error, -limit), limit)
        yaw[point] = current
    return yaw
