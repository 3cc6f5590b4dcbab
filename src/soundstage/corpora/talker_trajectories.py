"""How somebody walks who talks to a listener: around, nearer and off, with stops and glances.

A walk leads from place to place at a speed drawn for each way, with stops between; places are
angles φ around the listener and shares u of the room there is between the nearest and the farthest,

    r(φ, u) = r_min + u·(R(φ) − r_min),    R(φ)^−p = r_max^−p + Σ_walls d_wall(φ)^−p

with R a soft minimum, free of corners. Angles and shares run evenly from place to place and are
then smoothed in time, so that turns are round and no way leads through the listener or a wall. The
mouth points at the listener or along the way, by turns, as fast as a head turns, and never quite.
"""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from soundstage.binaural import Poses, ShoeBox
from soundstage.binaural.binaural_speech_poses import POSE_RATE

NEAREST, FARTHEST = 0.55, 2.5  # m from the middle of the head, across the floor
SPEEDS = (0.3, 1.2)  # m/s of a way; turns and sways come on top
STOP = 0.35  # how often there is one after a way
STOPS = (0.3, 2.5)  # s
HEIGHTS = (1.1, 1.75)  # m of the mouth above the floor: who sits, and who stands
HEIGHTS_LAST = (3.0, 12.0)  # s
AT_LISTENER = 0.7  # share of the time that the mouth points there
LOOKS_LAST = (1.0, 6.0)  # s
FASTEST_TURN = np.radians(150)  # a second
WALL_SPACE = 0.35  # m
_SOFTNESS = 8  # p
_ROUND = 0.45  # s, standard deviation of the smoothing of ways
_HEIGHT_ROUND = 0.5  # s
_GAZE = 0.25  # s in which a look nearly gets there
_SWAY, _SWAY_ROUND = 0.012, 0.4  # m rms, s
_WOBBLE = np.radians([9.0, 5.0, 3.0])  # rms of yaw, pitch and roll
_WOBBLE_ROUND = 0.35  # s
_POINTS = 48  # of a way, whose length is measured along them


def walk(room: ShoeBox, seconds: float, generator: np.random.Generator) -> Poses:
    """Of the mouth, from the middle of the head of who listens in a room, 120 times a second.

    Args:
        room: in which the head has a meter of space around it.
        seconds: of the walk.
        generator: draws everything.
    """
    count = round(seconds * POSE_RATE)
    reach = _Reach(room)
    angle, share = _course(reach, count, generator)
    radius = reach.radius(angle, share)
    floor = room.walls[0, 2]
    height = _held(HEIGHTS, HEIGHTS_LAST, _HEIGHT_ROUND, count, generator) + floor
    positions = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
    positions += _wandering(np.full(3, _SWAY), _SWAY_ROUND, count, generator)
    return Poses(positions, _looks(positions, generator))


class _Reach:
    """Where there is room to walk."""

    def __init__(self, room: ShoeBox) -> None:
        self._walls = np.abs(room.walls[:, :2]) - WALL_SPACE

    def radius(
        self, angle: Float[np.ndarray, " points"], share: Float[np.ndarray, " points"]
    ) -> Float[np.ndarray, " points"]:
        """In meters."""
        lower, upper = self._walls
        inverse = np.full(angle.shape, FARTHEST**-_SOFTNESS)
        for axis, part in enumerate((np.cos(angle), np.sin(angle))):
            wall = np.where(part > 0, upper[axis], lower[axis])
            inverse += (np.abs(part) / wall) ** _SOFTNESS
        farthest = inverse ** (-1 / _SOFTNESS)
        return NEAREST + share * (farthest - NEAREST)


def _course(
    reach: _Reach, count: int, generator: np.random.Generator
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Angles, which run on beyond a turn, and shares, at every pose."""
    time, angle, share = [0.0], [generator.uniform(-np.pi, np.pi)], [generator.uniform()]
    while time[-1] < count / POSE_RATE:
        turn = generator.normal(0, np.radians(90))
        angles = np.linspace(angle[-1], angle[-1] + turn, _POINTS)
        shares = np.linspace(share[-1], generator.uniform(), _POINTS)
        ways = reach.radius(angles, shares) * np.exp(1j * angles)
        lengths = np.cumsum(np.abs(np.diff(ways)))
        time.extend(time[-1] + lengths / generator.uniform(*SPEEDS))
        angle.extend(angles[1:])
        share.extend(shares[1:])
        if generator.uniform() < STOP:
            time.append(time[-1] + generator.uniform(*STOPS))
            angle.append(angle[-1])
            share.append(share[-1])
    at = np.arange(count) / POSE_RATE
    smooth = _ROUND * POSE_RATE
    angles, shares = (
        gaussian_filter1d(np.interp(at, time, each), smooth) for each in (angle, share)
    )
    return angles, shares


def _held(
    bounds: tuple[float, float],
    last: tuple[float, float],
    smooth: float,
    count: int,
    generator: np.random.Generator,
) -> Float[np.ndarray, " points"]:
    """Values that are held for a while and go over smoothly into the next."""
    most = int(count / POSE_RATE / last[0]) + 2
    ends = generator.uniform(*last, most).cumsum()
    values = generator.uniform(*bounds, most)
    which = np.searchsorted(ends, np.arange(count) / POSE_RATE).clip(max=most - 1)
    return gaussian_filter1d(values[which], smooth * POSE_RATE)


def _wandering(
    rms: Float[np.ndarray, " columns"], smooth: float, count: int, generator: np.random.Generator
) -> Float[np.ndarray, "points columns"]:
    """Smooth noise; beyond twice its rms it bends back."""
    width = smooth * POSE_RATE
    noise = generator.standard_normal((count, len(rms)))
    noise = gaussian_filter1d(noise, width, axis=0) * np.sqrt(2 * np.sqrt(np.pi) * width)
    return 2 * rms * np.tanh(noise / 2)


def _looks(
    positions: Float[np.ndarray, "points 3"], generator: np.random.Generator
) -> Float[np.ndarray, "points 4"]:
    count = len(positions)
    x, y, z = positions.T
    along = gaussian_filter1d(np.gradient(x + 1j * y), _ROUND * POSE_RATE)
    share = _held((0, 1), LOOKS_LAST, 1e-3, count, generator)
    wanted = np.where(share < AT_LISTENER, np.angle(-x - 1j * y), np.angle(along))
    pitch = 0.7 * np.arctan2(-z, np.hypot(x, y)) * (share < AT_LISTENER)
    iid_fluctuation = _wandering(_WOBBLE, _WOBBLE_ROUND, count, generator)
    yaw = gaussian_filter1d(_followed(wanted), _GAZE * POSE_RATE) + iid_fluctuation[:, 0]
    pitch = gaussian_filter1d(pitch, _GAZE * POSE_RATE) + iid_fluctuation[:, 1]
    angles = np.stack([yaw, -pitch, iid_fluctuation[:, 2]], axis=1)  # a turn about y looks down
    return Rotation.from_euler("ZYX", angles).as_quat()


def _followed(wanted: Float[np.ndarray, " points"]) -> Float[np.ndarray, " points"]:
    """Yaw of who follows wanted angles, the shorter way round, no faster than a head turns."""
    most, towards = FASTEST_TURN / POSE_RATE, 1 / (_GAZE * POSE_RATE)
    yaw, now = np.empty(len(wanted)), float(wanted[0])
    for point, angle in enumerate(wanted.tolist()):
        off = (angle - now + np.pi) % (2 * np.pi) - np.pi
        now += min(max(towards * off, -most), most)
        yaw[point] = now
    return yaw
