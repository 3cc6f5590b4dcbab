"""Trajectories of the motion that words state.

A verb of motion alone moves nothing: "a man walking behind me" is behind. What moves goes

    from one direction to another, around the listener, past, toward or away

A path between opposite directions goes the way that the words state ("behind me", "overhead"), and
in front of the listener if they state none. Vehicles pass on straight lines; what moves otherwise
keeps its distance. No path goes through the head.
"""

from dataclasses import dataclass
from typing import NamedTuple

from soundstage.errors import OptionError, quoted
from soundstage.scene.description import Waypoint
from soundstage.scene.prompts.direction import Direction, opposite, wrapped
from soundstage.scene.prompts.motion_words import Path

PASS_FAR, PASS_NEAR = 8.0, 2.0  # m: ends and nearest point of a pass
APPROACH_FAR, APPROACH_NEAR = 20.0, 1.5  # m
RADIUS = 2.0  # m, of an orbit and of an arc
HEAD_RADIUS = 0.7  # m, of an orbit around the head
ORBIT_ELEVATION = 45.0  # degrees, of an orbit overhead
BESIDE = 15.0  # degrees from ahead and behind, where a pass on one side begins and ends
SWINGS = 2  # there and back of "back and forth"


@dataclass(frozen=True)
class Motion:
    """What the words of an event state about its motion."""

    words: str
    """For sentences."""
    kinds: frozenset[str] = frozenset()
    """Of its verbs and their manners."""
    path: Path | None = None
    place: Direction | None = None
    """Where it passes, starts, or comes near."""
    origin: Direction | None = None
    """Where it comes from: "from the left"."""
    goal: Direction | None = None
    """Where it goes: "drives to the left"."""
    distance: float | None = None
    around_head: bool = False
    turns: float | None = None
    sense: int = 0
    passes: bool = False
    """Whether it passes, or is a vehicle, which goes on straight lines."""


class Trajectory(NamedTuple):
    """Waypoints, how to connect them, and the words for the user."""

    waypoints: tuple[Waypoint, ...]
    along_sphere: bool
    meaning: str


def trajectory_of(motion: Motion) -> Trajectory | None:
    """The trajectory of an event; None if it is at rest or its direction is not stated.

    Raises:
        OptionError: the words do not make one path.
    """
    if "sway" in motion.kinds:
        return _sway(motion)
    if motion.path is not None:
        return _along_path(motion, motion.path.points)
    if "circle" in motion.kinds:
        return _orbit(motion)
    if motion.origin is not None and motion.goal is not None:
        return _along_path(motion, (motion.origin, motion.goal))
    if "approach" in motion.kinds or "recede" in motion.kinds:
        return _radial(motion, nearing="approach" in motion.kinds)
    if motion.goal is not None:
        ahead = abs(_azimuth(motion.goal, motion)) < 45
        return _along_path(motion, (Direction(depth=-1 if ahead else 1), motion.goal))
    if motion.origin is not None and motion.passes:
        opposite = wrapped(_azimuth(motion.origin, motion) + 180)
        return _along_path(motion, (motion.origin, Direction(azimuth=opposite)))
    return _pass_by(motion) if "pass" in motion.kinds else None


def _azimuth(direction: Direction, motion: Motion) -> float:
    azimuth = direction.to_azimuth()
    if azimuth is None:
        raise _unclear(motion)
    return azimuth


def _unclear(motion: Motion) -> OptionError:
    return OptionError(
        f"{quoted(motion.words)} is not understood as a motion: state where it goes from and to, "
        'as in "from left to right".'
    )


def _orbit(motion: Motion) -> Trajectory:
    if motion.goal is not None:
        raise _unclear(motion)
    begin = motion.origin or motion.place or Direction(depth=1)
    start, elevation = begin.to_azimuth() or 0.0, min(begin.to_elevation(), ORBIT_ELEVATION)
    turns, sense = motion.turns or 1.0, motion.sense or 1
    radius = motion.distance or (HEAD_RADIUS if motion.around_head else RADIUS)
    points = (
        Waypoint(0, start, elevation, radius),
        Waypoint(1, start + 360 * turns * sense, elevation, radius),
    )
    name = "clockwise" if sense < 0 else "counter-clockwise"
    said = "" if motion.sense else " (not stated)"
    return Trajectory(points, True, f"around the listener, {name}{said}, turns: {turns:g}")


def _radial(motion: Motion, *, nearing: bool) -> Trajectory:
    stated = (motion.origin if nearing else motion.goal) or motion.place
    place = stated or Direction(depth=1)
    azimuth, elevation = place.to_azimuth() or 0.0, place.to_elevation()
    far, near = APPROACH_FAR, APPROACH_NEAR
    if motion.distance is not None and motion.distance > 2 * near:
        far = motion.distance
    elif motion.distance is not None:
        near = motion.distance
    ends_of = (far, near) if nearing else (near, far)
    points = tuple(
        Waypoint(share, azimuth, elevation, distance)
        for share, distance in zip((0, 1), ends_of, strict=True)
    )
    said = "" if stated else " (not stated)"
    name = "toward the listener from" if nearing else "away from the listener, to"
    return Trajectory(points, False, f"{name} azimuth {azimuth:g}°{said}")


def _pass_by(motion: Motion) -> Trajectory:
    """Past the listener on one side; in front, behind or above in a sense that is not stated."""
    place = motion.place or Direction(depth=1)
    azimuth = _azimuth(place, motion)
    if place.vertical or azimuth in (0, 180):
        ends_of = Direction(depth=1), Direction(depth=-1)
        if not place.vertical:
            ends_of = Direction(side=1), Direction(side=-1)
        found = _along_path(motion, ends_of)
        return found._replace(meaning=found.meaning + " (sense not stated)")
    side = 1 if azimuth > 0 else -1
    far, near = PASS_FAR, motion.distance or PASS_NEAR
    far = max(far, 3 * near)
    points = tuple(
        Waypoint(share, side * angle, 0.0, distance)
        for share, angle, distance in ((0, BESIDE, far), (0.5, 90, near), (1, 180 - BESIDE, far))
    )
    name = "left" if side > 0 else "right"
    return Trajectory(points, False, f"past on the {name}, from ahead to behind")


def _sway(motion: Motion) -> Trajectory:
    sides = (Direction(side=1), Direction(side=-1))
    one, two = motion.path.points[:2] if motion.path else sides
    points = (one, two) * SWINGS + (one,)
    return _along_path(motion, points)


def _along_path(motion: Motion, points: tuple[Direction, ...]) -> Trajectory:
    azimuths = _filled([point.to_azimuth() for point in points], motion)
    via = motion.path.via if motion.path and motion.path.via else motion.place
    straight = motion.passes and len(points) == 2 and opposite(*azimuths)
    distances = _distances(motion, points, straight)
    if via is not None and via.vertical:
        return _over(motion, azimuths, distances, via)
    waypoints = [Waypoint(0, azimuths[0], points[0].to_elevation(), distances[0])]
    share = 1 / (len(points) - 1)
    for index, (goal, point) in enumerate(zip(azimuths[1:], points[1:], strict=True), start=1):
        here = waypoints[-1]
        middle = _middle(here.azimuth, goal, via, motion)
        end = middle + wrapped(goal - middle)
        if middle != (here.azimuth + end) / 2 or opposite(here.azimuth, end):
            nearest = motion.distance or PASS_NEAR if straight else None
            distance = nearest or (distances[index - 1] + distances[index]) / 2
            height = via.to_elevation() if via else (here.elevation + point.to_elevation()) / 2
            waypoints.append(Waypoint((index - 0.5) * share, middle, height, distance))
        waypoints.append(Waypoint(index * share, end, point.to_elevation(), distances[index]))
    meaning = " → ".join(f"{wrapped(point.azimuth):g}°" for point in waypoints)
    return Trajectory(tuple(waypoints), not straight, f"moves, azimuth {meaning}")


def _filled(azimuths: list[float | None], motion: Motion) -> list[float]:
    """The azimuths, with that of a neighbor where only a distance or a height is stated."""
    stated = [azimuth for azimuth in azimuths if azimuth is not None]
    if not stated:
        place = motion.place.to_azimuth() if motion.place else 0.0
        stated = [place or 0.0]
    filled, last = [], stated[0]
    for azimuth in azimuths:
        last = last if azimuth is None else azimuth
        filled.append(last)
    return filled


def _middle(begin: float, goal: float, via: Direction | None, motion: Motion) -> float:
    """The azimuth half way, unwrapped from the begin."""
    if via is not None and (azimuth := via.to_azimuth()) is not None:
        away = wrapped(azimuth - begin)
        if away == 0 or wrapped(azimuth - goal) == 0:
            raise _unclear(motion)
        return begin + away
    way = wrapped(goal - begin)
    if opposite(begin, goal):
        return min(
            (begin + 90, begin - 90),  # the way in front; on the right from ahead to behind
            key=lambda each: (round(abs(wrapped(each))), wrapped(each)),
        )
    return begin + way / 2


def _distances(motion: Motion, points: tuple[Direction, ...], straight: bool) -> list[float]:
    default = motion.distance or RADIUS
    if straight:
        default = max(PASS_FAR, 3 * (motion.distance or 0.0))
    return [point.distance or default for point in points]


def _over(
    motion: Motion, azimuths: list[float], distances: list[float], via: Direction
) -> Trajectory:
    """Over or under the listener, on straight lines."""
    elevation = 90.0 * via.vertical
    near = motion.distance or via.distance or PASS_NEAR
    far = [max(distance, PASS_FAR if motion.passes else 2 * near) for distance in distances]
    points = (
        Waypoint(0, azimuths[0], 0.0, far[0]),
        Waypoint(0.5, 0.0, elevation, near),
        Waypoint(1, azimuths[-1], 0.0, far[-1]),
    )
    name = "over" if elevation > 0 else "under"
    return Trajectory(
        points,
        False,
        f"moves, azimuth {azimuths[0]:g}° → {name} the listener → {azimuths[-1]:g}°",
    )
