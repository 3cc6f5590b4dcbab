"""What walls and air take from a sound, as filters of minimum phase.

A wall leaves √(1 − α) of the amplitude at every reflection, with its absorption α in each octave
band; air takes decibels in proportion to the way. Filters stand in a table, one for each number of
reflections and, where there is air, each of `STEPS` distances, a tenth apart. Reflections lose
nothing to the air, which is in the reverberation time that their walls are made for.
"""

import numpy as np
from jaxtyping import Float, Float32, Int

from soundstage.binaural.room.air import air_attenuation
from soundstage.binaural.room.octave_filters import OCTAVE_BANDS, minimum_phase_response
from soundstage.binaural.trajectories import FARTHEST, NEAREST

TAPS = 128
STEPS = 97


class Losses:
    """Filters of sound that was reflected so often and came so far.

    Args:
        rate: in Hz.
        wall_gains: of one reflection in each octave band, amplitudes of at most 1; None: no walls.
        order: most reflections.
        air: whether air takes its share.

    Attributes:
        filters: by reflections, then by distance.
    """

    def __init__(
        self,
        rate: int,
        *,
        wall_gains: Float[np.ndarray, " octaves"] | None = None,
        order: int = 0,
        air: bool = False,
    ) -> None:
        self._distances = np.geomspace(NEAREST, FARTHEST, STEPS) if air else np.ones(1)
        per_meter = air_attenuation(OCTAVE_BANDS) if air else np.zeros(len(OCTAVE_BANDS))
        per_wall = np.zeros(len(OCTAVE_BANDS)) if wall_gains is None else 20 * np.log10(wall_gains)
        reflections = np.arange(order + 1)[:, None, None]
        in_air = self._distances[:, None] * per_meter
        gains = np.where(reflections == 0, -in_air, reflections * per_wall)
        self.filters: Float32[np.ndarray, "reflections distances taps"]
        self.filters = minimum_phase_response(gains, TAPS, rate).astype(np.float32)

    def nearest(self, distances: Float[np.ndarray, "*points"]) -> Int[np.ndarray, "*points"]:
        """Which of the filters stands for each distance in meters."""
        if len(self._distances) == 1:
            return np.zeros(distances.shape, np.int64)
        step = np.log(distances / NEAREST) / np.log(self._distances[1] / NEAREST)
        return np.rint(step).astype(np.int64).clip(0, STEPS - 1)
