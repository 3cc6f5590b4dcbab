"""Encodings of a pose as input of the neural renderers, 120 times a second.

- `published`: the tracked pose of the binaural speech data set, x y z qx qy qz qw of the markers
  (`binaural_speech_poses`), as in Richard et al. (2021) and Leng et al. (2022);
- `directions` (ours): the features that matter to a head in the free field. With the unit vector u
  from the head to the mouth, at the distance r,

      u_x, u_y, u_z,  u_x·u_y, u_x·u_z, u_y·u_z, u_x² − u_y², u_z²,  log₂ r,  cos γ

  which are the spherical harmonics of first and second order up to constants, and γ the angle
  between the axis of the mouth and the direction to the head. It is continuous, unlike a
  quaternion, which changes its sign after a turn around the head.

With `directions` the input of the network is scaled by 1/r, with r clipped to the distances of the
training data; the rest of the distance law is a gain after the network (`neural_stream`). So a
source can be at any distance.
"""

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from soundstage.binaural.binaural_speech_poses import POSE_RATE, to_tracked
from soundstage.binaural.geometry import SPEED_OF_SOUND, Poses, ear_positions, rotate

PoseEncoding = Literal["published", "directions"]
POSE_ENCODINGS: tuple[PoseEncoding, ...] = get_args(PoseEncoding)
POSE_FEATURES: dict[PoseEncoding, int] = {"published": 7, "directions": 10}
NETWORK_RATE = 48_000  # Hz, sample rate of the training recordings
POSE_HOP = NETWORK_RATE // POSE_RATE  # samples between poses
_AHEAD = np.array([1.0, 0.0, 0.0])


def encode_poses(
    encoding: PoseEncoding, poses: Poses, distances: tuple[float, float]
) -> Float[np.ndarray, "features poses"]:
    """Encode poses of the mouth relative to the point midway between the ears.

    Args:
        encoding: name.
        poses: of the mouth.
        distances: smallest and largest distance in the training data, in meters; others are
            clipped to them.
    """
    distance = np.linalg.norm(poses.positions, axis=-1, keepdims=True)
    direction = poses.positions / distance
    clipped = distance.clip(*distances)
    if encoding == "published":
        return to_tracked(Poses(direction * clipped, poses.orientations)).T
    x, y, z = direction.T
    facing = -(rotate(_AHEAD, poses.orientations) * direction).sum(axis=-1)
    second_order = [x * y, x * z, y * z, x**2 - y**2, z**2]
    return np.stack([x, y, z, *second_order, np.log2(clipped[:, 0]), facing])


def uses_distance_law(encoding: PoseEncoding) -> bool:
    """Whether the input of the network is scaled by 1/r."""
    return encoding == "directions"


def ear_delays(
    positions: Float[np.ndarray, "points 3"], rate: int = NETWORK_RATE
) -> Float[np.ndarray, "2 points"]:
    """Propagation delay to the left and the right ear, in samples (Leng et al. 2022, eq. 2)."""
    paths = positions[:, None] - ear_positions()
    return np.linalg.norm(paths, axis=-1).T * (rate / SPEED_OF_SOUND)


def facing_head(positions: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 4"]:
    """Orientations without roll of mouths that point at the center of the head."""
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
