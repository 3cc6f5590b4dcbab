"""Shoebox room: size, position of the head, and wall absorption from the reverberation time.

A sound in a diffuse field hits a wall c·S/(4V) times per second and keeps 1 − α of its energy each
time, so it decays by 60 dB in (Eyring 1930)

    RT60 = 24·ln 10/c · V / (−S·ln(1 − α)),    α = 1 − exp(−24·ln 10/c · V/(S·RT60))

with c = 343 m/s and 24·ln 10/c = 0.161 s/m. RT60 is the total decay in an octave band, including
air absorption.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from soundstage.binaural.geometry import SPEED_OF_SOUND, to_spherical
from soundstage.binaural.listener import Listener
from soundstage.binaural.pose_trajectory import PointError, refuse_points
from soundstage.binaural.room.absorption import OCTAVE_BANDS
from soundstage.binaural.trajectories import Trajectory
from soundstage.errors import OptionError

SIZES = (1.0, 100.0)  # m
RT60S = (0.05, 20.0)  # s
FURNISHED = 0.25  # mean absorption of the walls of a furnished living room
MAX_ABSORPTION = 0.99  # Eyring's formula has no meaning near 1
EAR_HEIGHT = 1.5  # m, between seated and standing
HEAD_SPACE = 0.1  # m from the center of the head to a wall
SOURCE_SPACE = 0.05  # m from a source to a wall
_EYRING = 24 * np.log(10) / SPEED_OF_SOUND  # s/m
_ROUNDING = 1e-9  # m, tolerance of the bounds
_STEP = 1.0  # degrees between checked points along the sphere; the sagitta at 100 m is 4 mm


@dataclass(frozen=True)
class ShoeBox:
    """A shoebox room with a head that looks along +x. Immutable.

    Attributes:
        size: along x, y and z, in meters, 1 to 100 each.
        rt60: reverberation time in seconds, 0.05 to 20: one value, or one for each of
            `OCTAVE_BANDS`. None is that of walls that absorb a quarter of the energy, as in a
            furnished living room.
        listener: center of the head, in meters from the corner with the smallest x, y and z, at
            least 0.1 m from the walls; of a head that walks, the origin of the scene. None is the
            center of the floor, 1.5 m up, or half of the height if the room is lower than 3 m.

    Raises:
        OptionError: a value is out of its range, or no absorption gives this reverberation time.

    >>> room = ShoeBox((6.0, 4.0, 3.0), 0.4)
    >>> round(float(room.absorption[0]), 3), room.listener
    (0.235, (3.0, 2.0, 1.5))
    """

    size: Sequence[float]
    rt60: float | Sequence[float] | None = None
    listener: Sequence[float] | None = None

    def __post_init__(self) -> None:
        size = _three("size of a room", self.size)
        for name, length in zip("xyz", size, strict=True):
            if not SIZES[0] <= length <= SIZES[1]:
                raise OptionError(
                    f"The size of a room is {SIZES[0]:g} to {SIZES[1]:g} m along {name}, "
                    f"not {length:g} m."
                )
        object.__setattr__(self, "size", size)
        listener = (size[0] / 2, size[1] / 2, min(EAR_HEIGHT, size[2] / 2))
        if self.listener is not None:
            listener = _three("position of the head", self.listener)
        for name, position, length in zip("xyz", listener, size, strict=True):
            if not HEAD_SPACE <= position <= length - HEAD_SPACE:
                raise OptionError(
                    f"The position of the head along {name} is {HEAD_SPACE:g} to "
                    f"{length - HEAD_SPACE:g} m in this room, not {position:g} m."
                )
        object.__setattr__(self, "listener", listener)
        self._check_rt60()

    @property
    def volume(self) -> float:
        """In cubic meters."""
        return float(np.prod(self.size))

    @property
    def surface(self) -> float:
        """Of all six walls, in square meters."""
        x, y, z = self.size
        return 2 * (x * y + y * z + z * x)

    @property
    def walls(self) -> Float[np.ndarray, "2 3"]:
        """Positions of the walls relative to the head, in meters: lower, then upper."""
        lower = -np.array(self.listener, dtype=float)
        return np.stack([lower, lower + self.size])

    @property
    def decay_times(self) -> Float[np.ndarray, " bands"]:
        """Reverberation time of each octave band, in seconds."""
        return np.broadcast_to(np.array(self.rt60, dtype=float), OCTAVE_BANDS.shape)

    @property
    def absorption(self) -> Float[np.ndarray, " bands"]:
        """α, the share of energy that a wall absorbs, in each octave band."""
        return -np.expm1(-_EYRING * self.volume / (self.surface * self.decay_times))

    @property
    def reflection_gains(self) -> Float[np.ndarray, " bands"]:
        """√(1 − α), the amplitude gain of a reflection, in each octave band."""
        return np.sqrt(1 - self.absorption)

    def check(self, trajectory: Trajectory) -> None:
        """Refuse a trajectory that leaves the room or comes within 5 cm of a wall.

        Raises:
            PointError: an OptionError with the index of the first point at or before which it does.
        """
        times, points = trajectory.times, np.arange(len(trajectory.times))
        if trajectory.along_sphere:
            times, points = _check_points(trajectory)
        positions = trajectory.at(times).positions
        lower, upper = self.walls
        space = np.minimum(positions - lower, upper - positions).min(axis=1)
        if (space < SOURCE_SPACE - _ROUNDING).any():
            first = int((space < SOURCE_SPACE - _ROUNDING).argmax())
            raise PointError(
                int(points[first]),
                f"at {times[first]:.4g} s the source is at ({_meters(positions[first])}) m, but "
                f"relative to the head {self._walls_text()}; stay {SOURCE_SPACE:g} m away from "
                "them or use a larger room.",
            )

    def check_listener(self, listener: Listener) -> None:
        """Refuse a head that leaves the room or comes within 10 cm of a wall.

        Raises:
            PointError: an OptionError with the index of the first point at which it does.
        """
        lower, upper = self.walls
        positions = listener.positions
        space = np.minimum(positions - lower, upper - positions).min(axis=1)
        refuse_points(
            space < HEAD_SPACE - _ROUNDING,
            lambda point: (
                f"at {listener.times[point]:.4g} s the head is at ({_meters(positions[point])}) m, "
                f"but relative to the origin of the scene {self._walls_text()}; stay "
                f"{HEAD_SPACE:g} m away from them or use a larger room."
            ),
        )

    def heard_from(self, position: Sequence[float]) -> "ShoeBox":
        """The same room with the head at a position relative to the one here, in meters."""
        moved = np.array(position) - self.walls[0]
        inside = moved.clip(HEAD_SPACE, np.array(self.size) - HEAD_SPACE)
        return replace(self, listener=tuple(inside.tolist()))

    def _walls_text(self) -> str:
        walls = ", ".join(
            f"{name} = {low:.2f} and {high:.2f}"
            for name, low, high in zip("xyz", *self.walls, strict=True)
        )
        return f"the walls of the room are at {walls} m"

    def _check_rt60(self) -> None:
        rt60 = self._rt60_of(FURNISHED) if self.rt60 is None else self.rt60
        if np.shape(rt60) not in ((), OCTAVE_BANDS.shape):
            raise OptionError(
                f"The reverberation time is one value, or {len(OCTAVE_BANDS)} for the octave bands "
                f"from {OCTAVE_BANDS[0]:g} to {OCTAVE_BANDS[-1]:g} Hz."
            )
        values = np.array(rt60, dtype=float)
        object.__setattr__(self, "rt60", tuple(values.tolist()) if values.ndim else float(values))
        shortest = max(RT60S[0], self._rt60_of(MAX_ABSORPTION))
        for time in np.atleast_1d(values):
            if not shortest <= time <= RT60S[1]:
                x, y, z = self.size
                raise OptionError(
                    f"The reverberation time of a room of {x:g} x {y:g} x {z:g} m is "
                    f"{np.ceil(1000 * shortest - 1e-6) / 1000:g} to {RT60S[1]:g} s, not {time:g} s."
                )

    def _rt60_of(self, absorption: float) -> float:
        """The reverberation time in seconds that walls of this absorption give."""
        return float(_EYRING * self.volume / (-self.surface * np.log1p(-absorption)))


def room_of(size: str | None, rt60: str | None, listener: str | None) -> ShoeBox | None:
    """A room from text, such as "6x4x3", "0.4" and "2,1.5,1.2"; None for the free field.

    Raises:
        OptionError: a text cannot be parsed, the size is missing, or a value is out of its range.
    """
    if size is None:
        if rt60 is None and listener is None:
            return None
        raise OptionError("A room needs a size in meters, such as `room` 6x4x3.")
    return ShoeBox(
        parse_room(size),
        None if rt60 is None else parse_rt60(rt60),
        None if listener is None else parse_position(listener),
    )


def parse_position(text: str) -> tuple[float, ...]:
    """Parse a position in meters.

    Raises:
        OptionError: it is not three numbers separated by commas.

    >>> parse_position("2,1.5,1.2")
    (2.0, 1.5, 1.2)
    """
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError:
        raise OptionError(
            f"A position is x,y,z in meters, such as 2,1.5,1.2, not {text!r}."
        ) from None
    return x, y, z


def parse_room(text: str) -> tuple[float, float, float]:
    """Parse the size of a room in meters.

    Raises:
        OptionError: it is not three numbers separated by x.

    >>> parse_room("6x4x2.5")
    (6.0, 4.0, 2.5)
    """
    try:
        x, y, z = (float(part) for part in text.lower().replace("×", "x").split("x"))
    except ValueError:
        raise OptionError(
            "The size of a room is length, width and height in meters, such as 6x4x3, "
            f"not {text!r}."
        ) from None
    return x, y, z


def parse_rt60(text: str) -> float | tuple[float, ...]:
    """Parse a reverberation time in seconds, or frequency:seconds pairs.

    Between the frequencies the time is linear in log frequency; beyond them it is constant.

    Raises:
        OptionError: it is neither a number nor a list of frequency:seconds.

    >>> parse_rt60("0.4")
    0.4
    >>> parse_rt60("500:0.6,2000:0.4")
    (0.6, 0.6, 0.6, 0.5, 0.4, 0.4, 0.4, 0.4)
    """
    try:
        if ":" not in text:
            return float(text)
        pairs = sorted(tuple(map(float, part.split(":"))) for part in text.split(","))
        frequencies, times = np.array(pairs).T
        if (
            not (np.isfinite(frequencies) & (frequencies > 0)).all()
            or (np.diff(frequencies) == 0).any()
        ):
            raise ValueError("frequencies must be positive and distinct")
    except ValueError:
        raise OptionError(
            "A reverberation time is in seconds, such as 0.4, or frequency:seconds, such as "
            f"125:0.6,1000:0.4,8000:0.3, not {text!r}."
        ) from None
    return tuple(np.interp(np.log(OCTAVE_BANDS), np.log(frequencies), times).round(9).tolist())


def _three(name: str, values: Sequence[float]) -> tuple[float, float, float]:
    if np.shape(values) != (3,):
        raise OptionError(f"The {name} is three numbers: x, y and z in meters.")
    x, y, z = (float(value) for value in values)
    return x, y, z


def _meters(position: Float[np.ndarray, "3"]) -> str:
    return ", ".join(f"{value:.2f}" for value in position)


def _check_points(
    trajectory: Trajectory,
) -> tuple[Float[np.ndarray, " times"], Float[np.ndarray, " times"]]:
    """Times at most a degree apart, and the index of the next point at each."""
    azimuth, elevation, _ = to_spherical(trajectory.positions).T
    turned = np.abs((np.diff(azimuth) + 180) % 360 - 180)
    angles = np.maximum(turned, np.abs(np.diff(elevation)))
    steps = np.maximum(np.ceil(angles / _STEP), 1).astype(int)
    point = np.append(0, np.repeat(np.arange(1, len(steps) + 1), steps))
    step = np.arange(1, steps.sum() + 1) - np.repeat(steps.cumsum() - steps, steps)
    share = np.append(0, step / np.repeat(steps, steps))
    start = np.maximum(point - 1, 0)
    times = trajectory.times
    return times[start] + share * (times[point] - times[start]), point
