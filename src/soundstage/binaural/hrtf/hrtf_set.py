"""HRTF sets: head-related impulse responses (HRIRs) of one listener, from many directions."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from soundstage.audio import resample

_CHANNELS = 256  # responses resampled together


@dataclass(frozen=True, eq=False, repr=False)
class HrtfSet:
    """Head-related impulse responses of one listener. Immutable.

    Attributes:
        directions: unit vectors from the center of the head to the sources, x ahead, y left, z up.
        distances: of the sources, in meters.
        responses: HRIRs in single precision, left ear first.
        delays: further delay of each response, in samples, not negative.
        rate: in Hz.
        name: database and listener.
        license: quoted from the file.

    Raises:
        ValueError: the shapes do not match.
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
                raise ValueError(f"{field} must have the shape {shape}, not {values.shape}")
            if field == "directions":
                values /= np.linalg.norm(values, axis=1, keepdims=True)
            values.flags.writeable = False
            object.__setattr__(self, field, values)

    @property
    def taps(self) -> int:
        """Samples of a response."""
        return self.responses.shape[-1]

    def nearest(self, directions: Float[np.ndarray, "*points 3"]) -> Int[np.ndarray, "*points"]:
        """Indices of the measured directions nearest to the given ones."""
        return (np.asarray(directions) @ self.directions.T).argmax(axis=-1)

    def resampled(self, rate: int) -> "HrtfSet":
        """The same transfer functions at another sample rate, in Hz.

        A response is h(t)·T with the sampling interval T: its samples get smaller at higher rates.
        """
        if rate == self.rate:
            return self
        ratio = rate / self.rate
        flat = self.responses.reshape(-1, self.taps)
        parts = [
            resample(flat[start : start + _CHANNELS], self.rate, rate)
            for start in range(0, len(flat), _CHANNELS)
        ]
        responses = np.concatenate(parts).reshape(len(self.directions), 2, -1) / ratio
        return replace(self, responses=responses, delays=self.delays * ratio, rate=rate)

    def __repr__(self) -> str:
        count = len(self.directions)
        return f"HrtfSet({self.name!r}, {count} directions, {self.taps} taps, {self.rate} Hz)"
