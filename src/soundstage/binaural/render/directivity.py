"""Directivity of a talker.

The level at an angle θ from the axis of the mouth, relative to the axis, is modeled in each octave
band as

    G(θ) = −A·sin²(θ/2) + B·sin²θ    dB

rotationally symmetric, with −A the level behind and B the excess at the side over the mean of front
and back. A and B are least-squares fits to levels of normal speech in the horizontal plane at 15°
spacing (Monson, Hunter and Story 2012, "Horizontal directivity of low- and high-frequency energy in
speech and singing"), with a residual of at most 1.1 dB rms in a band. Shadow and reflections of the
torso, above and below the axis, are not modeled.
"""

import numpy as np
from jaxtyping import Float, Float32, Int

from soundstage.binaural.geometry import rotate
from soundstage.binaural.listener import SeenTrajectory
from soundstage.binaural.room.absorption import TAPS, minimum_phase_response
from soundstage.binaural.trajectories import Trajectory

BEHIND = np.array([3.7, 5.3, 6.6, 7.4, 13.6, 19.5, 24.6, 24.7])  # A in dB, of `OCTAVE_BANDS`
BESIDE = np.array([0.3, 0.3, 1.5, 1.3, 1.1, 2.8, 3.2, 4.8])  # B in dB
AHEAD = np.array([1.0, 0.0, 0.0])  # direction of an upright talker
_ANGLES = np.arange(181.0)  # degrees; steps of at most 0.3 dB


def talker_gains(degrees: Float[np.ndarray, "*angles"]) -> Float[np.ndarray, "*angles bands"]:
    """Levels in dB relative to the axis, in `OCTAVE_BANDS`.

    Args:
        degrees: angle from the axis of the mouth.

    >>> talker_gains(np.array([0.0, 180.0]))[:, 3]
    array([ 0. , -7.4])
    """
    angle = np.deg2rad(degrees)[..., None]
    return -BEHIND * np.sin(angle / 2) ** 2 + BESIDE * np.sin(angle) ** 2


class Directivity:
    """Minimum-phase filters of a talker by angle.

    Args:
        rate: in Hz.

    Attributes:
        filters: one for each degree from the axis of the mouth.
        diffuse: filter of the mean power over the sphere, for late reverberation.
    """

    def __init__(self, rate: int) -> None:
        gains = talker_gains(_ANGLES)
        self.filters: Float32[np.ndarray, "angles taps"]
        self.filters = minimum_phase_response(gains, TAPS, rate).astype(np.float32)
        self.diffuse: Float32[np.ndarray, " taps"]
        self.diffuse = minimum_phase_response(_mean(gains), TAPS, rate).astype(np.float32)

    def nearest(self, cosines: Float[np.ndarray, "*points"]) -> Int[np.ndarray, "*points"]:
        """Index of the filter for the cosine of each angle."""
        return np.rint(np.rad2deg(np.arccos(cosines.clip(-1, 1)))).astype(np.int64)


def towards_head(
    trajectory: Trajectory | SeenTrajectory,
    emitted: Float[np.ndarray, "*points"],
    positions: Float[np.ndarray, "*points 3"],
    signs: Float[np.ndarray, "*#points 3"],
) -> Float[np.ndarray, "*points"]:
    """Cosines of the angles between the axis of a mouth and the direction to the head.

    Args:
        trajectory: of the talker, with orientations, along the same axes as the positions.
        emitted: time of emission, in seconds.
        positions: of the talker or its image at that time, in meters from the center of the head.
        signs: −1 along the axes in which an image is mirrored.
    """
    axes = rotate(AHEAD, trajectory.at(emitted.ravel()).orientations).reshape(positions.shape)
    along = (axes * signs * positions).sum(axis=-1)
    return -along / np.linalg.norm(positions, axis=-1)


def _mean(gains: Float[np.ndarray, "angles bands"]) -> Float[np.ndarray, " bands"]:
    """Mean power over a sphere around the talker, in dB."""
    shares = np.sin(np.deg2rad(_ANGLES))
    return 10 * np.log10(shares @ 10 ** (gains / 10) / shares.sum())
