"""What comes to the ears straight from a moving source.

Distance and the time difference of the ears are delays of a delay line, read for every frame. What
is left of the head is a filter without delay, nearly the same from block to block, so that blocks
fade from filter to filter without combing.
"""

import numpy as np
from jaxtyping import Float32

from soundstage.binaural.hrtf.interpolation import HrtfInterpolator
from soundstage.binaural.render.crossfade_convolver import FadingFilter
from soundstage.binaural.render.directivity import Directivity, towards_head
from soundstage.binaural.render.moving_stream import Line
from soundstage.binaural.render.propagation import (
    DistanceModel,
    arrivals,
    between_controls,
    control_frames,
)
from soundstage.binaural.room.absorption import TAPS, Losses
from soundstage.binaural.trajectories import Trajectory

CONTROL = 32  # frames from one place of the source to the next
BLOCK = 8 * CONTROL  # frames from filter to filter: 5 ms


class DirectSound:
    """Of one source, chunk by chunk.

    Args:
        interpolator: of the head.
        trajectory: of the source.
        leveling: of distances.
        air: what it takes; None for nothing.
        talker: how the source radiates; None is alike in all directions.

    Attributes:
        lead: frames that the delay line must be ahead.
        longest: frames after which what was sent has been heard.
    """

    def __init__(
        self,
        interpolator: HrtfInterpolator,
        trajectory: Trajectory,
        leveling: DistanceModel,
        air: Losses | None = None,
        talker: Directivity | None = None,
    ) -> None:
        self._interpolator, self._trajectory = interpolator, trajectory
        self._leveling, self._air, self._talker = leveling, air, talker
        taps = interpolator.taps + (TAPS - 1) * ((air is not None) + (talker is not None))
        self._filter = FadingFilter(2, taps, BLOCK)
        self._losses = self._filter.spectra(air.filters[0]) if air else None
        self._radiated = self._filter.spectra(talker.filters) if talker else None
        self._latest = leveling.delay(trajectory.farthest, interpolator.rate) + interpolator.lead
        self.lead = interpolator.lead
        self.longest = int(np.ceil(self._latest)) + taps

    def chunk(self, line: Line, start: int, frames: int) -> Float32[np.ndarray, "2 frames"]:
        """What is heard from the frame `start` on; `frames` are whole blocks."""
        if start == 0:  # filters lead, so that some sound goes into them before the first frame
            before = BLOCK * -(-self.lead // BLOCK)
            self._heard(line, -before, before)
        return self._heard(line, start, frames)

    def _heard(self, line: Line, start: int, frames: int) -> Float32[np.ndarray, "2 frames"]:
        rate, leveling = self._interpolator.rate, self._leveling
        controls = control_frames(start, frames, CONTROL)
        heard = arrivals(self._trajectory.positions_at, controls / rate, leveling.no_delay)
        delays = self._interpolator.delays(heard.positions).T
        delays += leveling.delay(heard.distances, rate)
        late = between_controls(delays, CONTROL).clip(0, self._latest)
        sound = line.read(np.arange(start, start + frames) + self.lead - late)
        gains = between_controls(leveling.gain(heard.distances), CONTROL)
        sound *= gains.astype(np.float32)
        edges = slice(1, -1, BLOCK // CONTROL)
        aligned = self._interpolator.aligned(heard.positions[edges]).responses
        spectra = self._filter.spectra(aligned)
        if self._air and self._losses is not None:
            spectra *= self._losses[self._air.nearest(heard.distances[edges]), None]
        if self._talker and self._radiated is not None:
            facing = towards_head(
                self._trajectory, heard.sent[edges], heard.positions[edges], np.ones(3)
            )
            spectra *= self._radiated[self._talker.nearest(facing), None]
        blocks = self._filter.heard(sound)
        return self._filter.faded(blocks * spectra[:-1], blocks * spectra[1:])
