"""A measured head: what the two ears receive of an impulse from each of many directions."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from soundstage.audio import resample

_CHANNELS = 256  # responses that are resampled together


@dataclass(frozen=True, eq=False, repr=False)
class HrtfSet:
    """HrtfSet-related impulse responses of one listener. Immutable.

    Attributes:
        directions: of the sources, seen from the middle of the head: unit vectors, x ahead, y left,
            z up.
        distances: of the sources, in meters.
        responses: single precision; left ear first.
        delays: that each response starts with and does not show, in samples, 0 and up.
        rate: in Hz.
        name: of the listener, after that of the data base.
        license: as the file words it.

    Raises:
        ValueError: the shapes do not go together.
    """

    directions: Float[np.ndarray, "directions 3"]
    distances: Float[np.ndarray, " directions"]
    responses: Float[np.ndarray, "directions 2 taps"]
    delays: Float[np.ndarray, "directions 2"]
    rate: int
    name: str = ""
    license: str = ""

    def __post_init__(self) -> None:
        count, taps = len(self.directions), self.responses.shape[-1]
        shapes = {
            "directions": (count, 3),
            "distances": (count,),
            "responses": (count, 2, taps),
            "delays": (count, 2),
        }
        for field, shape in shapes.items():
            kind = np.float32 if field == "responses" else np.float64
            values = np.array(getattr(self, field), dtype=kind)
            if values.shape != shape:
                raise ValueError(f"{field} of shape {values.shape}, not {shape}")
            if field == "directions":
                values /= np.linalg.norm(values, axis=1, keepdims=True)
            values.flags.writeable = False
            object.__setattr__(self, field, values)

    @property
    def taps(self) -> int:
        """Samples in a response."""
        return self.responses.shape[-1]

    def nearest(self, directions: Float[np.ndarray, "*wanted 3"]) -> Int[np.ndarray, "*wanted"]:
        """Numbers of the measured directions at the smallest angles to those wanted."""
        return (np.asarray(directions) @ self.directions.T).argmax(axis=-1)

    def resampled(self, rate: int) -> "HrtfSet":
        """The same head at another sample rate, in Hz: the same transfer functions.

        A response is h(t)·T for a sampling interval T, so its samples shrink as the rate grows.
        """
        if rate == self.rate:
            return self
        ratio = rate / self.rate
        rows = self.responses.reshape(-1, self.taps)
        parts = [
            resample(rows[start : start + _CHANNELS], self.rate, rate)
            for start in range(0, len(rows), _CHANNELS)
        ]
        responses = np.concatenate(parts).reshape(len(self.directions), 2, -1) / ratio
        return replace(self, responses=responses, delays=self.delays * ratio, rate=rate)

    def __repr__(self) -> str:
        count = len(self.directions)
        return f"HrtfSet({self.name!r}, {count} directions, {self.taps} taps, {self.rate} Hz)"
