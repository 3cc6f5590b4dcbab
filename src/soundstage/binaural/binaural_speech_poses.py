"""Conversion of poses between the binaural speech data set (Richard et al., ICLR 2021) and ours.

A line of `tx_positions.txt` is the tracked pose x y z qx qy qz qw of a talker, relative to the
markers on a dummy head, x ahead, y to the *right*, z up. The markers are above the heads: the
published renderer puts the ears at e and the mouth at p + Q⁻¹·m, where Q is the rotation of the
quaternion. Here a pose is the mouth relative to the point midway between the ears.

The mirror M = diag(1, −1, 1) maps their vectors to ours and a rotation Q to M·Q·M, with the
quaternion (−qx, qy, −qz, qw), because a rotation axis is a pseudovector. Our orientations rotate
body coordinates into room coordinates, hence M·Q⁻¹·M, the conjugate:

    q' = (qx, −qy, qz, qw),    p' = M·p + R(q')·M·m − M·(e_left + e_right)/2

`rx_positions.txt` holds the pose of the head; in the data set it is the origin throughout.
"""

import numpy as np
from jaxtyping import Float

from soundstage.binaural.geometry import Poses, rotate

POSE_RATE = 120  # Hz: one pose per 400 samples at 48 kHz
MOUTH = np.array([0.09, 0.0, -0.20])  # m, relative to the talker's markers, in our axes
EARS = np.array([0.0, 0.0, -0.22])  # m, their midpoint, relative to the dummy head's markers
_MIRROR = np.array([1.0, -1.0, 1.0])
_MIRROR_QUATERNION = np.array([1.0, -1.0, 1.0, 1.0])


def from_tracked(tracked: Float[np.ndarray, "*points 7"]) -> Poses:
    """Convert tracked poses of a talker to the pose of the mouth relative to the ears' midpoint.

    >>> from_tracked(np.array([1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 1.0])).positions.round(6)
    array([ 1.09, -0.5 ,  0.02])
    """
    orientations = tracked[..., 3:] * _MIRROR_QUATERNION
    return Poses(tracked[..., :3] * _MIRROR + rotate(MOUTH, orientations) - EARS, orientations)


def head_from_tracked(receiver: Float[np.ndarray, "*points 7"]) -> Poses:
    """Convert tracked poses of a head to the pose of its ears' midpoint, as `from_tracked`.

    >>> head_from_tracked(np.array([1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 1.0])).positions.round(6)
    array([ 1. , -0.5,  0. ])
    """
    orientations = receiver[..., 3:] * _MIRROR_QUATERNION
    return Poses(receiver[..., :3] * _MIRROR + rotate(EARS, orientations) - EARS, orientations)


def seen_by_receiver(
    transmitter: Float[np.ndarray, "points 7"], receiver: Float[np.ndarray, "points 7"]
) -> Poses:
    """As `from_tracked`, relative to a head with a pose of its own.

    Args:
        transmitter: tracked poses of the talker.
        receiver: tracked poses of the head.
    """
    from scipy.spatial.transform import Rotation

    poses, turned = from_tracked(transmitter), receiver[:, 3:] * _MIRROR_QUATERNION
    markers = receiver[:, :3] * _MIRROR
    positions = rotate(poses.positions + EARS - markers, turned, inverse=True) - EARS
    head, talker = Rotation.from_quat(turned), Rotation.from_quat(poses.orientations)
    return Poses(positions, (head.inv() * talker).as_quat())


def to_tracked(poses: Poses) -> Float[np.ndarray, "*points 7"]:
    """Convert poses of the mouth back to tracked poses of the data set; inverts `from_tracked`."""
    markers = poses.positions + EARS - rotate(MOUTH, poses.orientations)
    tracked = [markers * _MIRROR, poses.orientations * _MIRROR_QUATERNION]
    return np.concatenate(tracked, axis=-1)
