"""Trajectory options of a user: a position, a preset or a file."""

from dataclasses import dataclass
from pathlib import Path

from soundstage.binaural.presets import (
    DURATIONS,
    RADIUS,
    SPEEDS,
    TURNS,
    approach,
    check_range,
    constant,
    fly_by,
    orbit,
)
from soundstage.binaural.trajectories import FARTHEST, Trajectory
from soundstage.binaural.trajectory_files import read_trajectory
from soundstage.errors import OptionError

POSITION = ("azimuth", "elevation", "distance")
KINDS = ("trajectory", "orbit", "fly_by", "approach")


@dataclass(frozen=True)
class TrajectoryOptions:
    """Position or movement of a source, as given on the command line.

    Attributes:
        azimuth: degrees counter-clockwise; the direction of an approach, the start of an orbit.
        elevation: degrees up.
        distance: in meters; the closest distance of a fly-by, the final one of an approach.
        trajectory: a trajectory file.
        orbit: seconds per turn, counter-clockwise, or clockwise if negative.
        fly_by: speed in m/s, past the left ear, or the right one if the azimuth is negative.
        approach: initial distance in meters.

    Raises:
        OptionError: two kinds of movement, a position beside a file, or an elevation of a fly-by,
            which is horizontal.
    """

    azimuth: float | None = None
    elevation: float | None = None
    distance: float | None = None
    trajectory: Path | None = None
    orbit: float | None = None
    fly_by: float | None = None
    approach: float | None = None

    def __post_init__(self) -> None:
        kinds = [name for name in KINDS if getattr(self, name) is not None]
        if len(kinds) > 1:
            raise OptionError(
                "A source has one trajectory: choose "
                + " or ".join(f"`{name}`" for name in kinds)
                + "."
            )
        position = [name for name in POSITION if getattr(self, name) is not None]
        if position and kinds == ["trajectory"]:
            raise OptionError(
                "The `trajectory` file sets the position: leave out "
                + ", ".join(f"`{name}`" for name in position)
                + "."
            )
        if kinds == ["fly_by"] and self.elevation is not None:
            raise OptionError("`fly_by` passes at ear height: leave out `elevation`.")

    @property
    def is_set(self) -> bool:
        """Whether any option is given, which a stereo file cannot follow."""
        return self != TrajectoryOptions()

    def build(self, seconds: float, *, around_head: bool = True) -> Trajectory | None:
        """The trajectory of a sound of this duration; None if no option is given.

        Args:
            seconds: duration of the sound.
            around_head: see `Trajectory`; of a trajectory file.

        Raises:
            InputError: the trajectory file cannot be used.
            OptionError: an option is out of its range.
        """
        if not self.is_set:
            return None
        azimuth, elevation = self.azimuth or 0.0, self.elevation or 0.0
        distance = RADIUS if self.distance is None else self.distance
        duration = min(max(seconds, DURATIONS[0]), DURATIONS[1])
        if self.trajectory is not None:
            return read_trajectory(self.trajectory, around_head=around_head)
        if self.orbit is not None:
            check_range("orbit", abs(self.orbit), TURNS)
            return orbit(
                abs(self.orbit),
                duration,
                radius=distance,
                elevation=elevation,
                start_azimuth=azimuth,
                direction="clockwise" if self.orbit < 0 else "counter-clockwise",
            )
        if self.fly_by is not None:
            check_range("fly_by", self.fly_by, SPEEDS)
            if self.fly_by * duration > 2 * FARTHEST:
                raise OptionError(
                    f"`fly_by` of {self.fly_by:g} m/s over {duration:,.1f} s starts "
                    f"{self.fly_by * duration / 2:,.0f} m away; the limit is {FARTHEST:,g} m: "
                    f"choose at most {2 * FARTHEST / duration:.3g} m/s."
                )
            return fly_by(self.fly_by, distance, duration, side="right" if azimuth < 0 else "left")
        if self.approach is not None:
            return approach(self.approach, distance, duration, azimuth=azimuth, elevation=elevation)
        return constant(azimuth, elevation, distance)
