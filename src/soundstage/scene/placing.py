"""Where each sound of a scene is.

A stated place is kept. Without one, the first event is ahead and further ones alternate between the
sides, away from those that are placed already. Several sounds of one event stand close together
around its place; an event all around is on a circle, in equal steps.

A motion is given by waypoints over the duration of its event. Straight lines become points in x, y
and z, orbits points of azimuth, elevation and radius (`soundstage.binaural.trajectories`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from soundstage.binaural import Trajectory, to_cartesian
from soundstage.binaural.presets import RADIUS
from soundstage.binaural.trajectories import NEAREST
from soundstage.binaural.trajectory_files import trajectory_of_points
from soundstage.scene.description import SceneEvent
from soundstage.scene.prompts.direction import azimuth_words, wrapped

PREFERRED = (0.0, 45.0, -45.0, 90.0, -90.0, 22.5, -22.5, 67.5, -67.5, 135.0, -135.0, 180.0)
"""Azimuths of events without a stated place, the first best."""
APART = 20.0  # degrees between an event without a stated place and the others
COPIES = 6  # directions of a sound all around: enough for an even field (Hiyama et al. 2002)
SPREAD = 10.0  # degrees between sounds of one event
WIDEST = 40.0  # degrees to each side of its place
NEARER, FARTHER = 0.85, 1.25  # range of the distances of sounds of one event
LONGEST_ARC = 100.0  # degrees between two points of an orbit: the shorter arc must be the one meant
DIGITS = 4  # of values in a scene file


@dataclass(frozen=True)
class Place:
    """A direction and distance."""

    azimuth: float
    elevation: float = 0.0
    distance: float = RADIUS

    def entry(self) -> dict[str, Any]:
        """As a source of a scene file has it."""
        return {
            "azimuth": round(self.azimuth, DIGITS),
            "elevation": round(self.elevation, DIGITS),
            "distance": round(self.distance, DIGITS),
        }

    @property
    def words(self) -> str:
        """For the user."""
        azimuth = round(wrapped(self.azimuth), 1)
        words = f"{azimuth:g}° ({azimuth_words(azimuth)})"
        if self.elevation:
            words = f"{words}, {abs(self.elevation):g}° {'up' if self.elevation > 0 else 'down'}"
        return f"{words}, {self.distance:.3g} m away"

    @property
    def position(self) -> np.ndarray:
        """In meters."""
        return to_cartesian(np.array([self.azimuth, self.elevation, self.distance]))


def chosen_azimuths(events: Sequence[SceneEvent]) -> list[float]:
    """The azimuth of each event; of a moving one, its first."""
    taken = [each for each in map(_stated, events) if each is not None]
    chosen = []
    for event in events:
        azimuth = _stated(event)
        if azimuth is None and event.around:
            azimuth = 0.0
        elif azimuth is None:
            azimuth = _free(taken)
            taken.append(azimuth)
        chosen.append(azimuth)
    return chosen


def is_chosen(event: SceneEvent) -> bool:
    """Whether the prompt leaves the direction open."""
    return _stated(event) is None and not event.around


def places(event: SceneEvent, azimuth: float, random: np.random.Generator) -> list[Place]:
    """The places of the sounds of an event at rest.

    Args:
        event: with its number of sounds.
        azimuth: of the event.
        random: for the distances of several sounds.
    """
    distance = RADIUS if event.distance is None else event.distance
    if event.around:
        count = event.count if event.count > 1 else COPIES
        step = 360.0 / count
        return [Place((number + 0.5) * step, event.elevation, distance) for number in range(count)]
    if event.count == 1:
        return [Place(azimuth, event.elevation, distance)]
    half = min(SPREAD * (event.count - 1) / 2 + SPREAD / 2, WIDEST)
    offsets = np.linspace(half, -half, event.count)
    factors = random.uniform(NEARER, FARTHER, event.count)
    return [
        Place(azimuth + float(offset), event.elevation, max(distance * float(factor), NEAREST))
        for offset, factor in zip(offsets, factors, strict=True)
    ]


def motion(
    event: SceneEvent, start: float, seconds: float, scale: float = 1.0
) -> list[dict[str, Any]]:
    """The points of the trajectory of a moving event, as a scene file has them.

    Args:
        event: with waypoints.
        start: in seconds of the scene.
        seconds: duration.
        scale: of all distances.
    """
    points: list[dict[str, Any]] = []
    rows = [(w.share, w.azimuth, w.elevation, w.distance * scale) for w in event.trajectory]
    if event.along_sphere:
        for before, after in pairwise(rows):
            steps = max(int(np.ceil(abs(after[1] - before[1]) / LONGEST_ARC)), 1)
            points += [
                _spherical(
                    np.asarray(before) + step / steps * np.subtract(after, before), start, seconds
                )
                for step in range(steps)
            ]
        return [*points, _spherical(np.asarray(rows[-1]), start, seconds)]
    for share, *place in rows:
        x, y, z = to_cartesian(np.array(place)).tolist()
        points.append(
            {"time": _time(share, start, seconds)}
            | {name: round(value, DIGITS) for name, value in zip("xyz", (x, y, z), strict=True)}
        )
    return points


def motion_words(event: SceneEvent) -> str:
    """A motion for the user: its turns, or its ends."""
    first, last = event.trajectory[0], event.trajectory[-1]
    turned = last.azimuth - first.azimuth
    if event.along_sphere and abs(turned) >= 360:
        sense = "counter-clockwise" if turned > 0 else "clockwise"
        turns = abs(turned) / 360
        return f"{sense} around the head, {turns:g} turn{'s' * (turns != 1)}"
    ends = [Place(each.azimuth, each.elevation, each.distance).words for each in (first, last)]
    return f"from {ends[0]} to {ends[1]}"


def trajectory_of(points: Sequence[dict[str, Any]]) -> Trajectory:
    """The trajectory of these points."""
    return trajectory_of_points(list(points), "trajectory")


def is_periodic(event: SceneEvent) -> bool:
    """Whether a motion ends where it begins."""
    first, last = event.trajectory[0], event.trajectory[-1]
    turned = (last.azimuth - first.azimuth + 180) % 360 - 180
    return abs(turned) < 1e-6 and (first.elevation, first.distance) == (
        last.elevation,
        last.distance,
    )


def _stated(event: SceneEvent) -> float | None:
    return event.trajectory[0].azimuth if event.trajectory else event.azimuth


def _free(taken: Sequence[float]) -> float:
    """The best azimuth that is apart from the others, or else the one farthest from them."""
    gaps = [min((angle(each, other) for other in taken), default=180.0) for each in PREFERRED]
    for azimuth, gap in zip(PREFERRED, gaps, strict=True):
        if gap >= APART:
            return azimuth
    return PREFERRED[int(np.argmax(gaps))]


def angle(one: float, other: float) -> float:
    """Angle between two azimuths, 0 to 180 degrees."""
    return abs((one - other + 180) % 360 - 180)


def _spherical(row: np.ndarray, start: float, seconds: float) -> dict[str, Any]:
    share, azimuth, elevation, radius = row.tolist()
    return {
        "time": _time(share, start, seconds),
        "azimuth": round(azimuth, DIGITS),
        "elevation": round(elevation, DIGITS),
        "radius": round(radius, DIGITS),
    }


def _time(share: float, start: float, seconds: float) -> float:
    return round(start + share * seconds, DIGITS)
