"""Encoding: the channels of a source are its sound times the harmonics of its direction.

    B_n(t) = Y_n(d(t))·s(t)

Harmonics of a source that moves go in straight lines between control points. A near source has
curved wavefronts, see `near_field`.
"""

import numpy as np
from jaxtyping import Float

from soundstage.ambisonics.harmonics import degrees, harmonics
from soundstage.ambisonics.near_field import NearField

CONTROL = 64  # frames between control points of a moving source, 1.5 ms


def control_points(frames: int) -> Float[np.ndarray, " points"]:
    """Frames at which a moving source of some length has its positions."""
    return CONTROL * np.arange(-(-frames // CONTROL) + 1)


def encode(
    mono: Float[np.ndarray, " frames"],
    positions: Float[np.ndarray, "*points 3"],
    order: int,
    *,
    rate: int | None = None,
) -> Float[np.ndarray, "channels frames"]:
    """A sound field with one source: AmbiX.

    Args:
        mono: its sound.
        positions: x ahead, y left, z up: one, or one at each of `control_points`.
        order: 1 to 3.
        rate: in Hz, for sources nearer than 1.5 m, whose positions are in meters; None takes all
            waves as plane, and positions as directions.

    >>> encode(np.array([0.5, -0.5]), np.array([0.0, 1.0, 0.0]), 1)[:2].tolist()  # W and Y
    [[0.5, -0.5], [0.5, -0.5]]
    """
    positions = np.asarray(positions, dtype=float)
    gains = _of_frames(harmonics(positions, order), mono.size, mono.dtype)
    if rate is None:
        return gains * mono
    near = NearField(order, rate)
    weights = _of_frames(near.weights(np.linalg.norm(positions, axis=-1)), mono.size, mono.dtype)
    return gains * near.degrees(near.push(mono), weights)[degrees(order)]


def _of_frames(
    values: Float[np.ndarray, "*points columns"], frames: int, dtype: np.dtype
) -> Float[np.ndarray, "columns frames"]:
    """Values of every frame, from those of one position or of the control points."""
    if values.ndim == 1:
        return values[:, None].astype(dtype)
    start, end = values[:-1, :, None].astype(dtype), values[1:, :, None].astype(dtype)
    share = (np.arange(CONTROL) / CONTROL).astype(dtype)
    between = start + (end - start) * share
    return between.transpose(1, 0, 2).reshape(values.shape[1], -1)[:, :frames]
