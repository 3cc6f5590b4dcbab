"""Rooms by name: typical sizes and reverberation times, and what fits into them.

Sizes are length, width and height in meters; reverberation times are those of textbooks for a room
of that kind and volume (Kuttruff, Room Acoustics, §7 and §9), longer in the bass and shorter in the
treble, where air and furniture absorb. A place without walls has no reverberation at all.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from soundstage.binaural import ShoeBox, Trajectory
from soundstage.binaural.room.shoebox import SOURCE_SPACE, parse_room, parse_rt60
from soundstage.errors import OptionError, quoted
from soundstage.scene.description import ROOM_NAMES

_OPEN = ("outdoors", "forest", "street")
_BOXES = {
    "studio": ((6.0, 5.0, 3.0), "125:0.3,1000:0.2,8000:0.18"),
    "bathroom": ((3.0, 2.2, 2.4), "125:0.7,1000:0.9,8000:0.5"),
    "small room": ((4.0, 3.0, 2.5), "125:0.4,1000:0.35,8000:0.3"),
    "room": ((6.0, 4.5, 2.7), "125:0.5,1000:0.45,8000:0.35"),
    "large room": ((10.0, 8.0, 3.5), "125:0.8,1000:0.7,8000:0.5"),
    "hall": ((20.0, 14.0, 8.0), "125:1.6,1000:1.4,8000:0.8"),
    "large hall": ((40.0, 24.0, 16.0), "125:2.3,1000:2.0,8000:1.0"),
    "church": ((28.0, 15.0, 11.0), "125:3.0,1000:2.6,8000:1.1"),
    "cathedral": ((70.0, 28.0, 25.0), "125:6.0,1000:5.0,8000:1.5"),
    "stairwell": ((6.0, 3.5, 12.0), "125:2.2,1000:2.0,8000:1.0"),
    "garage": ((8.0, 6.0, 3.0), "125:1.4,1000:1.2,8000:0.8"),
    "tunnel": ((80.0, 8.0, 5.0), "125:3.5,1000:3.0,8000:1.2"),
    "cave": ((22.0, 15.0, 8.0), "125:3.2,1000:2.6,8000:1.0"),
}
ROOMS: Mapping[str, ShoeBox | None] = {
    name: None if name in _OPEN else ShoeBox(_BOXES[name][0], parse_rt60(_BOXES[name][1]))
    for name in ROOM_NAMES
}
"""Every name of `ROOM_NAMES`; None has no walls."""
WALL_SPACE = SOURCE_SPACE + 0.05  # m: a source that is moved into a room keeps a little more


def room_named(text: str) -> ShoeBox | None:
    """The room of a name, or of a size such as "6x4x3"; None for a place without walls.

    Raises:
        OptionError: it is neither a name nor a size.

    >>> room_named("bathroom").size
    (3.0, 2.2, 2.4)
    """
    name = " ".join(text.lower().split())
    if name in ROOMS:
        return ROOMS[name]
    if not any(character.isdigit() for character in text):
        raise OptionError(
            f"There is no room {quoted(text)}: choose {', '.join(ROOMS)}, or a size such as 6x4x3."
        )
    return ShoeBox(parse_room(text))


def room_entry(room: ShoeBox) -> dict[str, Any]:
    """The room as a scene file has it."""
    rt60 = room.rt60
    assert rt60 is not None  # the room has filled it in
    assert room.listener is not None
    return {
        "size": list(room.size),
        "rt60": rt60 if isinstance(rt60, float) else list(np.asarray(rt60, float).tolist()),
        "listener": list(room.listener),
    }


def share_inside(room: ShoeBox, trajectory: Trajectory) -> float:
    """The factor of all distances of a trajectory that moves it into a room; 1 if it is inside."""
    times = np.linspace(trajectory.times[0], trajectory.times[-1], 361)
    return fitting_share(room, trajectory.positions_at(times))


def fitting_share(room: ShoeBox, positions: Float[np.ndarray, "points 3"]) -> float:
    """The factor, at most 1, that moves positions into a room, towards the head."""
    lower, upper = room.walls
    free = np.where(positions > 0, upper - WALL_SPACE, -(lower + WALL_SPACE))
    with np.errstate(divide="ignore"):
        shares = free / np.abs(positions)
    return float(min(1.0, shares.min()))
