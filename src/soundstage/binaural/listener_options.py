"""Options of a user for the listener's head: turned, or a file of its pose over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from soundstage.binaural.listener import Listener
from soundstage.binaural.trajectory_files import SUFFIXES, read_listener
from soundstage.errors import OptionError, quoted

ANGLES = ("yaw", "pitch", "roll")


@dataclass(frozen=True)
class ListenerOptions:
    """Pose of the head, as given on the command line.

    Attributes:
        yaw: degrees to the left.
        pitch: degrees up, after the yaw.
        roll: degrees to the right, after the pitch.
        trajectory: a file of its pose over time.

    Raises:
        OptionError: angles beside a file.
    """

    yaw: float | None = None
    pitch: float | None = None
    roll: float | None = None
    trajectory: Path | None = None

    def __post_init__(self) -> None:
        angles = [f"`{name}`" for name in ANGLES if getattr(self, name) is not None]
        if angles and self.trajectory is not None:
            raise OptionError(
                f"The `listener` file sets the orientation: leave out {', '.join(angles)}."
            )

    @property
    def is_set(self) -> bool:
        """Whether any option is given."""
        return self != ListenerOptions()

    def build(self) -> Listener | None:
        """The head; None if no option is given.

        Raises:
            InputError: the file cannot be used.
            OptionError: an angle is not finite.
        """
        if self.trajectory is not None:
            return read_listener(self.trajectory)
        if not self.is_set:
            return None
        return Listener.turned(self.yaw or 0.0, self.pitch or 0.0, self.roll or 0.0)


def place_and_file(values: Sequence[str]) -> tuple[str | None, Path | None]:
    """The place of the head in the room, and the file of its pose, of the option `listener`.

    Args:
        values: a position such as "2,2,1.5", the name of a file, or both.

    Raises:
        OptionError: a value is neither, or there are two of a kind.

    >>> place_and_file(["2,2,1.5"])
    ('2,2,1.5', None)
    """
    files = [each for each in values if Path(each).suffix.lower() in SUFFIXES]
    places = [each for each in values if each not in files]
    unclear = [each for each in places if "," not in each]
    if unclear:
        raise OptionError(
            "`listener` is a position in the room in meters, such as 2,2,1.5, or a file of the "
            f"pose ({', '.join(SUFFIXES)}), not {quoted(unclear[0])}."
        )
    for each in (files, places):
        if len(each) > 1:
            raise OptionError(
                "`listener` is a place in the room, a file of the pose, or one of each, not "
                f"{' and '.join(each)}."
            )
    return places[0] if places else None, Path(files[0]) if files else None
