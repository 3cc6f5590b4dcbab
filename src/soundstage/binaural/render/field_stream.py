"""A recorded sound field around a head that turns: rotation, then filters to the ears.

A field has one point, so that only the orientation of the head matters. With the orientation R(t)
of the head, a direction d of the field is at R⁻¹·d for it: the field is turned by the inverse
(`ambisonics.rotation`), and filtered by those of `field_decoder`, channel by channel,

    e(n) = Σ_c (D_c ∗ b_c)(n)

in blocks of one size by overlap-save, so that the result is the same to the bit for any size of the
blocks that are pushed.
"""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32
from scipy import fft

from soundstage.ambisonics.conventions import channels_of, order_of
from soundstage.ambisonics.rotation import RotationStream, rotation_matrix
from soundstage.binaural.listener import Listener
from soundstage.binaural.render.field_decoder import DecodingFilters

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

BLOCK = 4096  # frames


class TurnedField:
    """The field as a head that turns hears it.

    Args:
        order: of the field, 1 to 3.
        rate: in Hz.
        listener: the head; None looks ahead.
        channels: of the result: those of higher orders are left out, missing ones are silent. None
            is all of the field.

    Attributes:
        tail: frames of output after the end of the input.
    """

    tail = 0

    def __init__(
        self, order: int, rate: int, listener: Listener | None, channels: int | None = None
    ) -> None:
        self._channels = channels or channels_of(order)
        self._moving: RotationStream | None = None
        self._matrix: Float32[np.ndarray, "channels channels"] | None = None
        if listener is not None and listener.is_rotating:
            head = listener
            self._moving = RotationStream(order, rate, lambda times: _field_rotation(head, times))
        elif listener is not None and listener.is_oriented:
            rotation = _field_rotation(listener, np.zeros(1))
            self._matrix = rotation_matrix(rotation, order)[0].astype(np.float32)

    def push(
        self, field: Float[np.ndarray, "inputs frames"]
    ) -> Float32[np.ndarray, "channels ready"]:
        """Append input; return the output that is ready. Block sizes do not affect the result."""
        field = field.astype(np.float32, copy=False)
        if self._moving is not None:
            field = self._moving.push(field)
        elif self._matrix is not None:
            field = np.einsum("ij,jn->in", self._matrix, field)  # the same for any size of blocks
        return self._fitted(field)

    def finish(self) -> Float32[np.ndarray, "channels rest"]:
        """The rest of the output: in all, as many frames as the input."""
        if self._moving is None:
            return np.zeros((self._channels, 0), np.float32)
        return self._fitted(self._moving.finish())

    def _fitted(
        self, field: Float32[np.ndarray, "inputs frames"]
    ) -> Float32[np.ndarray, "channels frames"]:
        missing = max(self._channels - len(field), 0)
        return np.pad(field[: self._channels], ((0, missing), (0, 0)))


class DecodedField:
    """The ear signals of a field.

    Args:
        turned: the field as the head hears it.
        filters: to the ears, for the channels of the field.

    Attributes:
        tail: frames of output after the end of the input.
    """

    def __init__(self, turned: TurnedField, filters: DecodingFilters) -> None:
        self._turned = turned
        channels, taps = filters.responses.shape[1:]
        order_of(channels)
        self._length = fft.next_fast_len(BLOCK + taps - 1, real=True)
        self._spectra = fft.rfft(filters.responses, self._length)
        self._past = np.zeros((channels, self._length - BLOCK), np.float32)
        self._waiting = np.zeros((channels, 0), np.float32)
        self._late = filters.lead
        self.tail = taps - 1 - filters.lead
        self._pushed = self._returned = 0

    def push(self, field: Float[np.ndarray, "channels frames"]) -> Float32[np.ndarray, "2 ready"]:
        """Append input; return the output that is ready. Block sizes do not affect the result."""
        self._pushed += field.shape[1]
        return self._push(self._turned.push(field))

    def finish(self) -> Float32[np.ndarray, "2 rest"]:
        """The rest of the output: in all, `tail` frames more than the input."""
        if not self._pushed:
            return np.zeros((2, 0), np.float32)
        rest = self._pushed + self.tail - self._returned
        turned = self._turned.finish()
        silence = np.zeros((len(turned), self.tail + self._late + 2 * BLOCK), np.float32)
        return self._push(np.concatenate([turned, silence], axis=1))[:, :rest]

    def _push(
        self, turned: Float32[np.ndarray, "channels frames"]
    ) -> Float32[np.ndarray, "2 ready"]:
        self._waiting = np.concatenate([self._waiting, turned], axis=1)
        ready = [np.zeros((2, 0), np.float32)]
        while self._waiting.shape[1] >= BLOCK:
            block, self._waiting = self._waiting[:, :BLOCK], self._waiting[:, BLOCK:]
            ready.append(self._filtered(block))
        ears = np.concatenate(ready, axis=1)
        late = min(self._late, ears.shape[1])
        self._late -= late
        self._returned += ears.shape[1] - late
        return ears[:, late:]

    def _filtered(
        self, block: Float32[np.ndarray, "channels block"]
    ) -> Float32[np.ndarray, "2 block"]:
        whole = np.concatenate([self._past, block], axis=1)
        self._past = whole[:, BLOCK:]
        spectra = np.einsum("ecb,cb->eb", self._spectra, fft.rfft(whole))
        return fft.irfft(spectra, self._length)[:, -BLOCK:]


def _field_rotation(listener: Listener, times: Float[np.ndarray, " times"]) -> "Rotation":
    """The rotation of the field for the head at some times."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_quat(listener.orientations_at(times)).inv()
