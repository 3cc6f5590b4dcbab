"""What a user asks for in words and numbers, as a trajectory: a place, a preset or a file."""

from dataclasses import dataclass
from pathlib import Path

from soundstage.binaural.presets import DURATIONS, RADIUS, approach, constant, fly_by, orbit
from soundstage.binaural.trajectories import FARTHEST, Trajectory
from soundstage.binaural.trajectory_files import read_trajectory
from soundstage.errors import OptionError


@dataclass(frozen=True)
class Way:
    """Where a source shall be.

    Attributes:
        azimuth: in degrees counter-clockwise; of an approach its direction, of an orbit its start.
        elevation: in degrees up.
        distance: in meters; of a fly-by that at which it passes, of an approach the last.
        path: a trajectory file.
        orbit: seconds a turn, counter-clockwise, or clockwise where negative.
        fly_by: speed in meters a second, past the left ear, or the right with a negative azimuth.
        approach: the first distance in meters.

    Raises:
        OptionError: more than one way is asked for, a place beside a file, or an elevation of a
            fly-by, which is level.
    """

    azimuth: float | None = None
    elevation: float | None = None
    distance: float | None = None
    path: Path | None = None
    orbit: float | None = None
    fly_by: float | None = None
    approach: float | None = None

    def __post_init__(self) -> None:
        names = ("path", "orbit", "fly_by", "approach")
        asked = [name for name in names if self._has(name)]
        if len(asked) > 1:
            raise OptionError(f"A source goes one way: choose {' or '.join(map(_option, asked))}.")
        placed = [name for name in ("azimuth", "elevation", "distance") if self._has(name)]
        if placed and asked == ["path"]:
            raise OptionError(
                "--path says where the source is in its file: leave out "
                f"{', '.join(map(_option, placed))}."
            )
        if asked == ["fly_by"] and self._has("elevation"):
            raise OptionError("--fly-by passes at the height of the ears: leave out --elevation.")

    @property
    def is_asked(self) -> bool:
        """Whether there is anything that a stereo file cannot follow."""
        return self != Way()

    def trajectory(self, seconds: float) -> Trajectory | None:
        """The way of a sound of this length; None where nothing is asked.

        Raises:
            InputError: the file of the path cannot be used.
            OptionError: a number is out of its range.
        """
        if not self.is_asked:
            return None
        azimuth, elevation = self.azimuth or 0.0, self.elevation or 0.0
        distance = RADIUS if self.distance is None else self.distance
        duration = min(max(seconds, DURATIONS[0]), DURATIONS[1])
        if self.path is not None:
            return read_trajectory(self.path)
        if self.orbit is not None:
            return orbit(
                abs(self.orbit),
                duration,
                radius=distance,
                elevation=elevation,
                start_azimuth=azimuth,
                direction="clockwise" if self.orbit < 0 else "counter-clockwise",
            )
        if self.fly_by is not None:
            if self.fly_by * duration > 2 * FARTHEST:
                raise OptionError(
                    f"--fly-by {self.fly_by:g} over {duration:,.1f} s of sound begins "
                    f"{self.fly_by * duration / 2:,.0f} m away, and {FARTHEST:,g} m is the most: "
                    f"choose up to {2 * FARTHEST / duration:.3g} m/s."
                )
            return fly_by(self.fly_by, distance, duration, side="right" if azimuth < 0 else "left")
        if self.approach is not None:
            return approach(self.approach, distance, duration, azimuth=azimuth, elevation=elevation)
        return constant(azimuth, elevation, distance)

    def _has(self, name: str) -> bool:
        return getattr(self, name) is not None


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
