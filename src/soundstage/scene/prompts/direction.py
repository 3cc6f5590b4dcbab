"""A direction as words state it, by side, depth, height or angle, and its azimuth.

Sides and depths are halves of the circle. One alone is its middle (left is 90), both are the
diagonal (behind, to the left: 135), and "slightly" moves the direction a third of the way to the
other axis, as in the general descriptions of Zhao et al. (2025, Fig. 4):

    left, slightly behind      120      behind, slightly to the left      150

An angle with a side counts from ahead, and from behind with a depth behind. Without a side it
counts counter-clockwise, as azimuths in SOFA do (AES69).
"""

from dataclasses import dataclass, replace

SLIGHT, DIAGONAL = 30.0, 45.0  # degrees from an axis
RAISED = 45.0  # degrees of elevation of "above, to the left"
SLIGHTLY_RAISED = 20.0


class ContradictionError(Exception):
    """Two directions that do not go together."""


@dataclass(frozen=True)
class Direction:
    """What the words of a direction state; 0 and None where they state nothing."""

    side: int = 0
    """1 is left, −1 right."""
    depth: int = 0
    """1 is ahead, −1 behind."""
    slight_side: bool = False
    slight_depth: bool = False
    angle: float | None = None
    """Degrees from 0 to 360 without a sense of rotation: a side may give it."""
    azimuth: float | None = None
    """Degrees counter-clockwise."""
    vertical: int = 0
    """1 is above, −1 below."""
    slight_vertical: bool = False
    height: float | None = None
    """Elevation in degrees."""
    distance: float | None = None

    @property
    def is_horizontal(self) -> bool:
        """Whether it states any azimuth."""
        stated = (self.angle, self.azimuth)
        return bool(self.side or self.depth) or any(value is not None for value in stated)

    def merged(self, other: "Direction") -> "Direction":
        """Both directions as one.

        Raises:
            ContradictionError: they do not go together.
        """
        sides, depths = {self.side, other.side} - {0}, {self.depth, other.depth} - {0}
        verticals = {self.vertical, other.vertical} - {0}
        if max(len(sides), len(depths), len(verticals)) > 1:
            raise ContradictionError
        diagonal = self.side and self.depth
        lean_side = diagonal and other.slight_side and not other.depth
        lean_depth = diagonal and other.slight_depth and not other.side
        both = replace(
            self,
            side=sum(sides),
            depth=sum(depths),
            vertical=sum(verticals),
            slight_side=bool(lean_depth) or _slight(self, other, "side"),
            slight_depth=bool(lean_side) or _slight(self, other, "depth"),
            slight_vertical=self.slight_vertical or other.slight_vertical,
            distance=_nearest(self.distance, other.distance),
        )
        for name in ("angle", "azimuth", "height"):
            mine, yours = getattr(self, name), getattr(other, name)
            if mine is not None and yours is not None and mine != yours:
                raise ContradictionError
            both = replace(both, **{name: yours if mine is None else mine})
        if both.angle is not None and both.azimuth is not None:
            raise ContradictionError
        if both.height is not None and both.vertical * both.height < 0:
            raise ContradictionError
        if both.side or both.angle is None:  # an angle may get its side from the next part
            both.to_azimuth()
        return both

    def to_azimuth(self) -> float | None:
        """Degrees counter-clockwise from ahead, above −180 to 180; None if not stated.

        Raises:
            ContradictionError: the words do not go together, or leave the side of an angle open.
        """
        if self.azimuth is not None:
            return self._consistent(wrapped(self.azimuth))
        if self.angle is not None:
            return self._from_angle(self.angle)
        if self.side and self.depth:
            away = SLIGHT if self.slight_side else 90 - SLIGHT if self.slight_depth else DIAGONAL
            return self.side * (away if self.depth > 0 else 180 - away)
        if self.side:
            return self.side * (SLIGHT if self.slight_side else 90.0)
        if self.depth:
            return 0.0 if self.depth > 0 else 180.0
        return 0.0 if self.vertical and not self.slight_vertical else None

    def _from_angle(self, angle: float) -> float:
        if not self.side:
            if self.depth < 0 and angle % 180:
                raise ContradictionError
            return self._consistent(wrapped(angle))
        if self.depth < 0 and angle < 90:
            angle = 180 - angle
        if angle > 180:
            raise ContradictionError
        return self._consistent(wrapped(self.side * angle))

    def _consistent(self, azimuth: float) -> float:
        """The azimuth, if it is within the stated halves of the circle."""
        is_aside = 0 < abs(azimuth) < 180
        if self.side and not (is_aside and (azimuth > 0) == (self.side > 0)):
            raise ContradictionError
        if self.depth and (abs(azimuth) == 90 or (abs(azimuth) < 90) != (self.depth > 0)):
            raise ContradictionError
        return azimuth

    def to_elevation(self) -> float:
        """Degrees up; 0 if not stated."""
        if self.height is not None:
            return self.height
        if self.slight_vertical:
            return self.vertical * SLIGHTLY_RAISED
        return self.vertical * (RAISED if self.is_horizontal else 90.0)


def _slight(one: Direction, two: Direction, axis: str) -> bool:
    """Whether an axis is stated only slightly."""
    stated = [each for each in (one, two) if getattr(each, axis)]
    return bool(stated) and all(getattr(each, f"slight_{axis}") for each in stated)


def _nearest(one: float | None, two: float | None) -> float | None:
    stated = [value for value in (one, two) if value is not None]
    return min(stated, default=None)


def wrapped(azimuth: float) -> float:
    """An azimuth above −180 to 180.

    >>> wrapped(270), wrapped(-180)
    (-90.0, 180.0)
    """
    return 180.0 - (180.0 - azimuth) % 360.0


def opposite(one: float, two: float) -> bool:
    """Whether two azimuths are half a circle apart."""
    return abs(abs(wrapped(one - two)) - 180) < 1


_CLOCK = {True: "half past {}", False: "{} o'clock"}


def clock_words(azimuth: float) -> str:
    """The direction on a clock face whose 12 is ahead; "" between half hours.

    >>> clock_words(90), clock_words(-15), clock_words(20)
    ("9 o'clock", 'half past 12', '')
    """
    half_hours, rest = divmod(-azimuth % 360, 15)
    if rest:
        return ""
    return _CLOCK[bool(half_hours % 2)].format(int(half_hours) // 2 or 12)


def azimuth_words(azimuth: float) -> str:
    """The direction in words of halves of the circle.

    >>> azimuth_words(90), azimuth_words(-170)
    ('on the left', 'behind, to the right')
    """
    azimuth = wrapped(azimuth)
    side = "left" if azimuth > 0 else "right"
    if abs(azimuth) in (0, 180):
        return "behind" if azimuth else "ahead"
    if abs(azimuth) == 90:
        return f"on the {side}"
    return f"{'ahead' if abs(azimuth) < 90 else 'behind'}, to the {side}"


def direction_words(azimuth: float | None, elevation: float = 0.0) -> str:
    """The words of a direction for the user: "azimuth 90° (on the left, 9 o'clock)"."""
    parts = []
    if abs(elevation) == 90:
        return "straight up" if elevation > 0 else "straight down"
    if azimuth is not None:
        where = ", ".join(filter(None, [azimuth_words(azimuth), clock_words(azimuth)]))
        parts.append(f"azimuth {wrapped(azimuth):g}° ({where})")
    if elevation:
        parts.append(f"elevation {elevation:g}°")
    return ", ".join(parts)
