"""A room around the head: a box whose walls all absorb the share that gives a wanted reverberation.

A sound in a diffuse field meets a wall c·S/(4V) times a second and keeps 1 − α of its energy each
time, so that it has fallen by 60 dB after (Eyring 1930)

    RT60 = 24·ln 10/c · V / (−S·ln(1 − α)),    α = 1 − exp(−24·ln 10/c · V/(S·RT60))

with c = 343 m/s, 24·ln 10/c = 0.161 s/m. RT60 is the whole decay in its octave band, that in the
air of the room included.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from soundstage.binaural.geometry import SPEED_OF_SOUND, to_spherical
from soundstage.binaural.room.octave_filters import OCTAVE_BANDS
from soundstage.binaural.trajectories import PointError, Trajectory
from soundstage.errors import OptionError

SIZES = (1.0, 100.0)  # m
RT60S = (0.05, 20.0)  # s
DEADEST = 0.99  # absorption beyond which Eyring's room has hardly any walls
EAR_HEIGHT = 1.5  # m, between a listener who sits and one who stands
HEAD_SPACE = 0.1  # m from the middle of the head to a wall
SOURCE_SPACE = 0.05  # m from a source to a wall
_EYRING = 24 * np.log(10) / SPEED_OF_SOUND  # s/m
_STEP = 1.0  # degrees of a way along the sphere, which bulges 4 mm between them at 100 m


@dataclass(frozen=True)
class ShoeBox:
    """A box, and where the head is in it, looking along +x. Immutable.

    Attributes:
        size: along x, y and z, in meters, 1 to 100 each.
        rt60: wanted reverberation time in seconds, 0.05 to 20: one for all, or one for each of
            `OCTAVE_BANDS`.
        listener: the middle of the head, in meters from the corner where x, y and z are least, at
            least 0.1 m from the walls. None is the middle of the floor, 1.5 m up, or half of the
            height in a room lower than 3 m.

    Raises:
        OptionError: a number is out of its range, or no absorption gives the wanted time.

    >>> room = ShoeBox((6.0, 4.0, 3.0), 0.4)
    >>> round(float(room.absorption[0]), 3), room.listener
    (0.235, (3.0, 2.0, 1.5))
    """

    size: Sequence[float]
    rt60: float | Sequence[float]
    listener: Sequence[float] | None = None

    def __post_init__(self) -> None:
        size = _three("size of a room", self.size)
        for name, length in zip("xyz", size, strict=True):
            if not SIZES[0] <= length <= SIZES[1]:
                raise OptionError(
                    f"A room is {SIZES[0]:g} to {SIZES[1]:g} m long, wide and high, and this is "
                    f"{length:g} m along {name}."
                )
        object.__setattr__(self, "size", size)
        listener = (size[0] / 2, size[1] / 2, min(EAR_HEIGHT, size[2] / 2))
        if self.listener is not None:
            listener = _three("place of the head", self.listener)
        for name, place, length in zip("xyz", listener, size, strict=True):
            if not HEAD_SPACE <= place <= length - HEAD_SPACE:
                raise OptionError(
                    f"The head is at {place:g} m along {name}, and in a room of {length:g} m it "
                    f"can be from {HEAD_SPACE:g} to {length - HEAD_SPACE:g} m."
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
        """Where the walls are from the middle of the head, in meters: the lower, the upper."""
        lower = -np.array(self.listener, dtype=float)
        return np.stack([lower, lower + self.size])

    @property
    def decay_times(self) -> Float[np.ndarray, " bands"]:
        """The reverberation time of each octave band, in seconds."""
        return np.broadcast_to(np.array(self.rt60, dtype=float), OCTAVE_BANDS.shape)

    @property
    def absorption(self) -> Float[np.ndarray, " bands"]:
        """α, the share of energy that every wall takes, in each octave band."""
        return -np.expm1(-_EYRING * self.volume / (self.surface * self.decay_times))

    @property
    def reflection_gains(self) -> Float[np.ndarray, " bands"]:
        """√(1 − α), by which a reflection multiplies an amplitude, in each octave band."""
        return np.sqrt(1 - self.absorption)

    def check(self, trajectory: Trajectory) -> None:
        """Whether a source stays in the room, at least 5 cm from its walls.

        Raises:
            PointError: an OptionError that knows the first point where, or on the way to which,
                the source does not.
        """
        times, points = trajectory.times, np.arange(len(trajectory.times))
        if trajectory.along_sphere:
            times, points = _between(trajectory)
        positions = trajectory.at(times).positions
        lower, upper = self.walls
        space = np.minimum(positions - lower, upper - positions).min(axis=1)
        if (space < SOURCE_SPACE - 1e-9).any():
            first = int((space < SOURCE_SPACE - 1e-9).argmax())
            place = ", ".join(f"{value:.2f}" for value in positions[first])
            walls = ", ".join(
                f"{name} = {low:.2f} and {high:.2f}"
                for name, low, high in zip("xyz", lower, upper, strict=True)
            )
            raise PointError(
                int(points[first]),
                f"at {times[first]:.4g} s the source is at ({place}) m, and the walls of the room, "
                f"from the middle of the head, are at {walls} m; stay {SOURCE_SPACE:g} m from them "
                "or take a larger room.",
            )

    def _check_rt60(self) -> None:
        if np.shape(self.rt60) not in ((), OCTAVE_BANDS.shape):
            raise OptionError(
                f"The reverberation time is one number or {len(OCTAVE_BANDS)}, one for each octave "
                f"band from {OCTAVE_BANDS[0]:g} to {OCTAVE_BANDS[-1]:g} Hz."
            )
        given = np.array(self.rt60, dtype=float)
        fixed = tuple(given.tolist()) if given.ndim else float(given)
        object.__setattr__(self, "rt60", fixed)
        deadest = _EYRING * self.volume / (-self.surface * np.log1p(-DEADEST))
        shortest = max(RT60S[0], deadest)
        for time in np.atleast_1d(given):
            if not shortest <= time <= RT60S[1]:
                x, y, z = self.size
                raise OptionError(
                    f"A reverberation time of {time:g} s cannot be had in a room of "
                    f"{x:g} x {y:g} x {z:g} m, where it goes from "
                    f"{np.ceil(1000 * shortest - 1e-6) / 1000:g} to {RT60S[1]:g} s."
                )


def room_of(size: str | None, rt60: str | None, listener: str | None) -> ShoeBox | None:
    """The room that is asked for on a command line, or None for the open.

    Raises:
        OptionError: a text cannot be understood, a size comes without a reverberation time or the
            other way round, or there is no such room.
    """
    if size is None or rt60 is None:
        if size is None and rt60 is None and listener is None:
            return None
        raise OptionError(
            "A room has a size and a reverberation time: give both, as in --room 6x4x3 --rt60 0.4."
        )
    return ShoeBox(parse_room(size), parse_rt60(rt60), parse_place(listener) if listener else None)


def parse_place(text: str) -> tuple[float, ...]:
    """A place in meters.

    Raises:
        OptionError: it is not three numbers with commas between them.

    >>> parse_place("2,1.5,1.2")
    (2.0, 1.5, 1.2)
    """
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError:
        raise OptionError(
            f"A place is given as x,y,z in meters, such as 2,1.5,1.2, and not as {text!r}."
        ) from None
    return x, y, z


def parse_room(text: str) -> tuple[float, float, float]:
    """The size of a room in meters.

    Raises:
        OptionError: it is not three numbers with an x between them.

    >>> parse_room("6x4x2.5")
    (6.0, 4.0, 2.5)
    """
    try:
        x, y, z = (float(part) for part in text.lower().replace("×", "x").split("x"))
    except ValueError:
        raise OptionError(
            f"A room is given as its length, width and height in meters, such as 6x4x3, and not "
            f"as {text!r}."
        ) from None
    return x, y, z


def parse_rt60(text: str) -> float | tuple[float, ...]:
    """A reverberation time in seconds, or those of all octave bands from some frequencies.

    Between the frequencies the time goes evenly with log frequency; beyond them it stays.

    Raises:
        OptionError: it is neither a number nor a list of different frequency:time.

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
            raise ValueError("frequencies are above 0 and different")
    except ValueError:
        raise OptionError(
            "A reverberation time is given in seconds, such as 0.4, or as frequency:seconds, such "
            f"as 125:0.6,1000:0.4,8000:0.3, and not as {text!r}."
        ) from None
    return tuple(np.interp(np.log(OCTAVE_BANDS), np.log(frequencies), times).round(9).tolist())


def _three(name: str, values: Sequence[float]) -> tuple[float, float, float]:
    if np.shape(values) != (3,):
        raise OptionError(f"The {name} is three numbers, x, y and z in meters.")
    x, y, z = (float(value) for value in values)
    return x, y, z


def _between(
    trajectory: Trajectory,
) -> tuple[Float[np.ndarray, " times"], Float[np.ndarray, " times"]]:
    """Times a degree apart on all ways, and the index of the point that each leads to."""
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
