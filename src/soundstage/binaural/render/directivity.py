"""How a talker radiates: loudest to where the mouth points, dull to where it does not.

The level at an angle θ from the mouth's axis, against that on the axis, is modeled in each octave
band as

    G(θ) = −A·sin²(θ/2) + B·sin²θ    dB

smooth all around and alike on all sides of the axis: −A is the level behind, and B is what the
side has over the mean of front and back. A and B are least-squares fits to the levels of normal
speech, 15° apart in the horizontal plane, of Monson, Hunter and Story (2012, "Horizontal
directivity of low- and high-frequency energy in speech and singing"); what is left is at most
1.1 dB rms in a band. Above and below the axis, where a torso shadows and reflects, it is a guess.
"""

import numpy as np
from jaxtyping import Float, Float32, Int

from soundstage.binaural.geometry import rotate
from soundstage.binaural.room.absorption import TAPS
from soundstage.binaural.room.octave_filters import minimum_phase_response
from soundstage.binaural.trajectories import Trajectory

BEHIND = np.array([3.7, 5.3, 6.6, 7.4, 13.6, 19.5, 24.6, 24.7])  # A in dB, of `OCTAVE_BANDS`
BESIDE = np.array([0.3, 0.3, 1.5, 1.3, 1.1, 2.8, 3.2, 4.8])  # B in dB
AHEAD = np.array([1.0, 0.0, 0.0])  # where the mouth of an upright talker points
_ANGLES = np.arange(181.0)  # degrees; a step is 0.3 dB at most


def talker_gains(degrees: Float[np.ndarray, "*angles"]) -> Float[np.ndarray, "*angles bands"]:
    """Levels in dB against straight ahead, in `OCTAVE_BANDS`.

    Args:
        degrees: between the mouth's axis and the way of the sound.

    >>> talker_gains(np.array([0.0, 180.0]))[:, 3]
    array([ 0. , -7.4])
    """
    angle = np.deg2rad(degrees)[..., None]
    return -BEHIND * np.sin(angle / 2) ** 2 + BESIDE * np.sin(angle) ** 2


class Directivity:
    """Filters of minimum phase for what a talker sends in every direction.

    Args:
        rate: in Hz.

    Attributes:
        filters: one for each degree from the mouth's axis.
        all_around: of the mean power over all directions, which is what reverberation is made of.
    """

    def __init__(self, rate: int) -> None:
        gains = talker_gains(_ANGLES)
        self.filters: Float32[np.ndarray, "angles taps"]
        self.filters = minimum_phase_response(gains, TAPS, rate).astype(np.float32)
        self.all_around: Float32[np.ndarray, " taps"]
        self.all_around = minimum_phase_response(_mean(gains), TAPS, rate).astype(np.float32)

    def nearest(self, cosines: Float[np.ndarray, "*points"]) -> Int[np.ndarray, "*points"]:
        """Which of the filters stands for the angle of each cosine."""
        return np.rint(np.rad2deg(np.arccos(cosines.clip(-1, 1)))).astype(np.int64)


def towards_head(
    trajectory: Trajectory,
    sent: Float[np.ndarray, "*points"],
    positions: Float[np.ndarray, "*points 3"],
    signs: Float[np.ndarray, "*#points 3"],
) -> Float[np.ndarray, "*points"]:
    """Cosines of the angles between where a mouth points and the way from it to the head.

    Args:
        trajectory: whose orientations say where the mouth points.
        sent: when the sound left, in seconds.
        positions: where from, in meters from the middle of the head: of the talker or of an image.
        signs: −1 along the axes in which an image is mirrored, and the talker's look with it.
    """
    looks = rotate(AHEAD, trajectory.at(sent.ravel()).orientations).reshape(positions.shape)
    along = (looks * signs * positions).sum(axis=-1)
    return -along / np.linalg.norm(positions, axis=-1)


def _mean(gains: Float[np.ndarray, "angles bands"]) -> Float[np.ndarray, " bands"]:
    """In dB, of the power that goes through a sphere around the talker."""
    shares = np.sin(np.deg2rad(_ANGLES))
    return 10 * np.log10(shares @ 10 ** (gains / 10) / shares.sum())
