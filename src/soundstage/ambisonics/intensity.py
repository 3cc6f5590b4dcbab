"""Where the sound of a field comes from: intensity, diffuseness, and energy by direction.

In W and the first degree (X, Y, Z) of AmbiX the intensity and the energy density are

    I = ⟨W·(X, Y, Z)⟩,   E = ½·⟨W² + X² + Y² + Z²⟩,   diffuseness = 1 − |I|/E

(Pulkki 2007, "Spatial sound reproduction with directional audio coding"): I points to the source,
and the diffuseness is 0 for a plane wave and 1 for a diffuse field. Beams of all degrees, with
max-rE weights, share the energy out among directions.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from soundstage.ambisonics.conventions import channels_of, order_of
from soundstage.ambisonics.harmonics import degrees, even_directions, harmonics
from soundstage.ambisonics.loudspeakers import order_weights

_FIRST = [3, 1, 2]  # X, Y, Z in ACN
_SILENCE = 1e-20


class FieldDirection(NamedTuple):
    """The mean direction of a field."""

    azimuth: float
    """In degrees counter-clockwise, −180 to 180."""
    elevation: float
    """In degrees up."""
    diffuseness: float
    """0 to 1."""


class FieldMoments:
    """Mean products of all channels of a field, block by block.

    Args:
        order: 1 to 3.
    """

    def __init__(self, order: int) -> None:
        self._sums, self.frames = np.zeros((channels_of(order),) * 2), 0

    def push(self, field: Float[np.ndarray, "channels frames"]) -> None:
        """The next frames of AmbiX channels."""
        rows = field.astype(np.float64)
        self._sums += rows @ rows.T
        self.frames += field.shape[1]

    def mean(self) -> Float[np.ndarray, "channels channels"]:
        """The products."""
        return self._sums / max(self.frames, 1)


def direction_of(field: Float[np.ndarray, "channels frames"]) -> FieldDirection:
    """The mean direction of a field by its intensity."""
    moments = FieldMoments(order_of(len(field)))
    moments.push(field)
    return direction_of_moments(moments.mean())


def direction_of_moments(moments: Float[np.ndarray, "channels channels"]) -> FieldDirection:
    """The mean direction, from `FieldMoments`; that of silence is ahead, and diffuse."""
    intensity = moments[0, _FIRST]
    energy = np.trace(moments[:4, :4]) / 2
    length = float(np.linalg.norm(intensity))
    azimuth = float(np.degrees(np.arctan2(intensity[1], intensity[0])))
    elevation = float(np.degrees(np.arcsin(intensity[2] / max(length, _SILENCE))))
    return FieldDirection(azimuth, elevation, float(1 - min(length / max(energy, _SILENCE), 1)))


def energy_by_direction(
    moments: Float[np.ndarray, "channels channels"], directions: Float[np.ndarray, "*points 3"]
) -> Float[np.ndarray, "*points"]:
    """Shares of the energy that beams with max-rE weights find in some directions.

    Args:
        moments: out of `FieldMoments`.
        directions: to look in.

    Returns:
        Relative to the mean over all directions: 1 everywhere in a diffuse field.
    """
    order = order_of(len(moments))
    mean = _beam_energy(moments, even_directions(500), order).mean()
    return _beam_energy(moments, directions, order) / max(mean, _SILENCE)


def _beam_energy(
    moments: Float[np.ndarray, "channels channels"],
    directions: Float[np.ndarray, "*points 3"],
    order: int,
) -> Float[np.ndarray, "*points"]:
    degree = degrees(order)
    beams = harmonics(directions, order) * (2 * degree + 1) * order_weights(order, "max-re")[degree]
    return np.einsum("...i,ij,...j->...", beams, moments, beams)
