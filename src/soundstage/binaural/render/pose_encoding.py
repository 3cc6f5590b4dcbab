"""What a neural renderer is told of a pose: a row of numbers, 120 times a second.

- `published`: the row of the binaural speech data set, x y z qx qy qz qw by the markers on two
  heads (`tracked_speech`), as in Richard et al. (2021) and Leng et al. (2022);
- `directions` (ours): what a head in the open makes a difference of. With the unit vector u from
  the head to the mouth, at the distance r,

      u_x, u_y, u_z,  u_x·u_y, u_x·u_z, u_y·u_z, u_x² − u_y², u_z²,  log₂ r,  cos γ

  the spherical harmonics of the first two orders but for their factors, and γ the angle between
  the axis of the mouth and the way to the head. Unlike a quaternion, which turns its sign where a
  talker has gone around the head, nothing in it jumps.

The second comes with the distance law: the networks hear the sound at 1/r of its level, r held to
the distances that they have learned, and what is beyond these is left to a gain behind them. So a
source may be anywhere (`neural_stream`).
"""

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from soundstage.binaural.binaural_speech_poses import POSE_RATE, to_tracked
from soundstage.binaural.geometry import (
    SPEED_OF_SOUND,
    Poses,
    ear_positions,
    rotate,
)

ViewName = Literal["published", "directions"]
VIEWS: tuple[ViewName, ...] = get_args(ViewName)
NUMBERS: dict[ViewName, int] = {"published": 7, "directions": 10}
NETWORK_RATE = 48_000  # Hz, of the recordings that networks learn from
ROW_HOP = NETWORK_RATE // POSE_RATE  # samples from row to row
_AHEAD = np.array([1.0, 0.0, 0.0])


def view_rows(
    name: ViewName, poses: Poses, held_to: tuple[float, float]
) -> Float[np.ndarray, "numbers rows"]:
    """What a network is told.

    Args:
        name: of the view.
        poses: of the mouth, seen from between the ears.
        held_to: nearest and farthest distance in meters that it has learned; a pose that lies
            nearer or farther is told as if it were there.
    """
    distance = np.linalg.norm(poses.positions, axis=-1, keepdims=True)
    direction = poses.positions / distance
    known = distance.clip(*held_to)
    if name == "published":
        return to_tracked(Poses(direction * known, poses.orientations)).T
    x, y, z = direction.T
    facing = -(rotate(_AHEAD, poses.orientations) * direction).sum(axis=-1)
    second = [x * y, x * z, y * z, x**2 - y**2, z**2]
    return np.stack([x, y, z, *second, np.log2(known[:, 0]), facing])


def is_leveled(name: ViewName) -> bool:
    """Whether networks that are told this hear sound by the law of distance."""
    return name == "directions"


def ear_delays(
    positions: Float[np.ndarray, "rows 3"], rate: int = NETWORK_RATE
) -> Float[np.ndarray, "2 rows"]:
    """Samples that sound takes to the left and the right ear (Leng et al. 2022, eq. 2)."""
    ways = positions[:, None] - ear_positions()
    return np.linalg.norm(ways, axis=-1).T * (rate / SPEED_OF_SOUND)


def towards_head(positions: Float[np.ndarray, "rows 3"]) -> Float[np.ndarray, "rows 4"]:
    """Orientations of mouths that point at the middle of the head and are upright otherwise."""
    x, y, z = -positions.T
    yaw, pitch = np.arctan2(y, x) / 2, -np.arctan2(z, np.hypot(x, y)) / 2
    # Yaw about z, then pitch about the y of the body: q_yaw·q_pitch
    return np.stack(
        [
            -np.sin(yaw) * np.sin(pitch),
            np.cos(yaw) * np.sin(pitch),
            np.sin(yaw) * np.cos(pitch),
            np.cos(yaw) * np.cos(pitch),
        ],
        axis=-1,
    )
