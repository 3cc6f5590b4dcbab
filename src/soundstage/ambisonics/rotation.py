"""Rotation and mirroring of a sound field.

A rotation R sends a source at d to R·d. It leaves the degrees l apart, so the matrix of each degree
follows from the harmonics y_l at a few directions d_j, exactly:

    M_l·y_l(d_j) = y_l(R·d_j)   for all j,   M_l = Y_l(R·d)ᵀ·pinv(Y_l(d)ᵀ)

(Zotter and Frank 2019, Ambisonics, §5.2.2). A head that turns hears the field turn the other way.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float, Float32

from soundstage.ambisonics.conventions import channels_of, order_of
from soundstage.ambisonics.harmonics import even_directions, harmonics
from soundstage.errors import OptionError, quoted

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

Axis = Literal["left-right", "front-back", "up-down"]
CONTROL = 256  # frames between rotations: 6 ms, in which a head turns by 3 degrees at most
_MIRRORED = {"left-right": (1, -1, 1), "front-back": (-1, 1, 1), "up-down": (1, 1, -1)}
_DIRECTIONS = even_directions(24)  # more than the 7 harmonics of degree 3, and evenly spread


def rotation_matrix(
    rotation: "Rotation", order: int
) -> Float[np.ndarray, "*rotations channels channels"]:
    """Matrices that rotate the channels of a sound field.

    Args:
        rotation: one or several; a source at d goes to R·d.
        order: 1 to 3.
    """
    rotations = rotation.as_matrix()
    return _transformed(np.einsum("...ij,dj->...di", rotations, _DIRECTIONS), order)


def head_rotation(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> "Rotation":
    """Orientation of a head; the field that it hears is turned by the inverse.

    Args:
        yaw: degrees to the left,
        pitch: then up,
        roll: then to the right, so that the left ear goes up.
    """
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler("ZYX", [yaw, -pitch, roll], degrees=True)


def mirror(
    samples: Float[np.ndarray, "*batch channels frames"], axis: Axis
) -> Float[np.ndarray, "*batch channels frames"]:
    """The field in a mirror.

    Args:
        samples: of a field of order 1 to 3.
        axis: what changes places: "left-right", "front-back" or "up-down".

    Raises:
        OptionError: there is no such axis.
    """
    if axis not in _MIRRORED:
        raise OptionError(
            f"There is no mirror {quoted(axis)}: choose one of {', '.join(_MIRRORED)}."
        )
    matrix = _transformed(_DIRECTIONS * _MIRRORED[axis], order_of(samples.shape[-2]))
    signs = np.sign(np.diag(matrix).round())  # a harmonic is even or odd in each coordinate
    return samples * signs[:, None].astype(samples.dtype)


class RotationStream:
    """Rotates a sound field over time, block by block.

    Between control points, every `CONTROL` frames, the matrix goes in a straight line from one
    rotation to the next. At 3 degrees a step that loses 0.002 dB in the middle.

    Args:
        order: of the field, 1 to 3.
        rate: in Hz.
        rotations_at: the rotation of the field at some times in seconds; see `rotation_matrix`.
    """

    def __init__(
        self,
        order: int,
        rate: int,
        rotations_at: Callable[[Float[np.ndarray, " times"]], "Rotation"],
    ) -> None:
        self._order, self._rate, self._rotations_at = order, rate, rotations_at
        self._waiting = np.zeros((channels_of(order), 0), np.float32)
        self._frame = 0
        self._share = np.arange(CONTROL, dtype=np.float32) / CONTROL

    def push(
        self, field: Float[np.ndarray, "channels frames"]
    ) -> Float32[np.ndarray, "channels ready"]:
        """The frames that are complete; blocks may have any size."""
        self._waiting = np.concatenate([self._waiting, field.astype(np.float32)], axis=1)
        frames = self._waiting.shape[1] // CONTROL * CONTROL
        ready, self._waiting = self._waiting[:, :frames], self._waiting[:, frames:]
        return self._rotated(ready)

    def finish(self) -> Float32[np.ndarray, "channels rest"]:
        """The rest; in all, as many frames as were pushed."""
        rest = self._waiting.shape[1]
        padded = np.pad(self._waiting, ((0, 0), (0, -rest % CONTROL)))
        self._waiting = padded[:, :0]
        return self._rotated(padded)[:, :rest]

    def _rotated(self, field: Float32[np.ndarray, "channels frames"]) -> np.ndarray:
        steps = field.shape[1] // CONTROL
        if not steps:
            return field
        times = (self._frame + CONTROL * np.arange(steps + 1)) / self._rate
        self._frame += field.shape[1]
        matrices = rotation_matrix(self._rotations_at(times), self._order).astype(np.float32)
        parts = field.reshape(len(field), steps, CONTROL).transpose(1, 0, 2)
        turned = matrices[:-1] @ parts
        turned += self._share * ((matrices[1:] - matrices[:-1]) @ parts)
        return turned.transpose(1, 0, 2).reshape(field.shape)


def _transformed(
    images: Float[np.ndarray, "*transforms directions 3"], order: int
) -> Float[np.ndarray, "*transforms channels channels"]:
    """The matrix that has, for a source in each of `_DIRECTIONS`, that of its image."""
    before, after = harmonics(_DIRECTIONS, order), harmonics(images, order)
    matrix = np.zeros((*images.shape[:-2], channels_of(order), channels_of(order)))
    for degree in range(order + 1):
        block = slice(degree**2, (degree + 1) ** 2)
        inverse = np.linalg.pinv(before[:, block])
        matrix[..., block, block] = (inverse @ after[..., block]).swapaxes(-1, -2)
    return matrix
