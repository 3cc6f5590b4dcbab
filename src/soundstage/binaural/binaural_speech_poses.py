"""Poses of the published binaural speech data set (Richard et al., ICLR 2021), to ours and back.

A row of `tx_positions.txt` is x y z qx qy qz qw of a talker as the markers on a dummy head see
them, x ahead, y to the *right*, z up. Markers sit above the heads: the published renderer puts the
ears at e and the mouth at p + Q⁻¹·m, with Q the rotation of the quaternion. We place the mouth, as
seen from between the ears.

The mirror M = diag(1, −1, 1) takes a vector from there to here, and a rotation Q to M·Q·M, whose
quaternion is (−qx, qy, −qz, qw), for the axis of a rotation is a pseudovector. Our orientations
turn a body into the room, so that ours is M·Q⁻¹·M, the conjugate of that:

    q' = (qx, −qy, qz, qw),    p' = M·p + R(q')·M·m − M·(e_left + e_right)/2

The head may have a row of its own, in `rx_positions.txt`; in the data set it is that of the origin.
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from soundstage.binaural.geometry import Poses, rotate

POSE_RATE = 120  # rows a second: one for 400 samples at 48 kHz
EAR_RADIUS = 0.08  # m, from the middle of the dummy's head to an ear
MOUTH = np.array([0.09, 0.0, -0.20])  # m, from the markers of the talker, in our axes
EARS = np.array([0.0, 0.0, -0.22])  # m, the point between them, from the markers of the dummy head
_MIRROR = np.array([1.0, -1.0, 1.0])
_MIRROR_QUATERNION = np.array([1.0, -1.0, 1.0, 1.0])


def from_tracked(rows: Float[np.ndarray, "*points 7"]) -> Poses:
    """Mouth and orientation of a talker, seen from between the ears, out of rows of the data set.

    >>> from_tracked(np.array([1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 1.0])).positions.round(6)
    array([ 1.09, -0.5 ,  0.02])
    """
    orientations = rows[..., 3:] * _MIRROR_QUATERNION
    return Poses(rows[..., :3] * _MIRROR + rotate(MOUTH, orientations) - EARS, orientations)


def seen_by_receiver(
    transmitter: Float[np.ndarray, "points 7"], receiver: Float[np.ndarray, "points 7"]
) -> Poses:
    """As `from_tracked`, by a head that may stand and look anywhere.

    Args:
        transmitter: rows of the talker.
        receiver: rows of the head, by its markers.
    """
    poses, turned = from_tracked(transmitter), receiver[:, 3:] * _MIRROR_QUATERNION
    markers = receiver[:, :3] * _MIRROR
    positions = rotate(poses.positions + EARS - markers, turned, inverse=True) - EARS
    head, talker = Rotation.from_quat(turned), Rotation.from_quat(poses.orientations)
    return Poses(positions, (head.inv() * talker).as_quat())


def to_tracked(poses: Poses) -> Float[np.ndarray, "*points 7"]:
    """The rows that the data set would hold, which networks trained on it read."""
    markers = poses.positions + EARS - rotate(MOUTH, poses.orientations)
    rows = [markers * _MIRROR, poses.orientations * _MIRROR_QUATERNION]
    return np.concatenate(rows, axis=-1)
