"""Sound from a moving source and its images in the walls, each in the nearest measured direction.

Every point is read from the delay line at a delay of its own, loses what its walls and the air
take, and goes through the responses of the measurement nearest to it. Interpolating between
directions is not worth its cost for reflections: they come after the direct sound, and ears tell
their directions to tens of degrees only. For the direct sound it is the cheap way, which steps from
one measurement to the next.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from soundstage.binaural.hrtf.hrtf_set import HrtfSet
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

CONTROL = 128  # frames from one place of the source to the next
BLOCK = 4 * CONTROL  # frames from filter to filter: 11 ms


class Points(NamedTuple):
    """Where sound comes from when its source is at s: signs·s + offsets, in meters."""

    signs: Float[np.ndarray, "points 3"]
    offsets: Float[np.ndarray, "points 3"]
    reflections: Int[np.ndarray, " points"]


DIRECT = Points(np.ones((1, 3)), np.zeros((1, 3)), np.zeros(1, np.int64))


class NearestSound:
    """Of one source, chunk by chunk.

    Args:
        head: at the rate of the sound.
        trajectory: of the source.
        points: the images of the source; `DIRECT` is the source itself.
        losses: of walls, and of air.
        leveling: of distances.
        talker: how the source radiates; None is alike in all directions.

    Attributes:
        lead: frames that the delay line must be ahead: none.
        longest: frames after which what was sent has been heard.
    """

    lead = 0

    def __init__(
        self,
        head: HrtfSet,
        trajectory: Trajectory,
        points: Points,
        losses: Losses,
        leveling: DistanceModel,
        talker: Directivity | None = None,
    ) -> None:
        self._head, self._trajectory, self._points = head, trajectory, points
        self._losses, self._leveling, self._talker = losses, leveling, talker
        responses = with_delays(head)
        taps = responses.shape[-1] + (TAPS - 1) * (2 if talker else 1)
        self._filters = [FadingFilter(1, taps, BLOCK) for _ in points.reflections]
        self._ears = self._filters[0].spectra(responses)
        self._walls = self._filters[0].spectra(losses.filters[points.reflections])
        self._radiated = self._filters[0].spectra(talker.filters) if talker else None
        farthest = trajectory.farthest + np.linalg.norm(points.offsets, axis=-1).max()
        self._latest = leveling.delay(farthest, head.rate)
        self.longest = int(np.ceil(self._latest)) + taps

    def chunk(self, line: Line, start: int, frames: int) -> Float32[np.ndarray, "2 frames"]:
        """What is heard from the frame `start` on; `frames` are whole blocks."""
        rate, leveling = self._head.rate, self._leveling
        times = np.tile(control_frames(start, frames, CONTROL) / rate, (len(self._walls), 1))
        heard = arrivals(self._positions, times, leveling.no_delay)
        late = leveling.delay(heard.distances, rate)
        gains = leveling.gain(heard.distances)
        edges = slice(1, -1, BLOCK // CONTROL)
        nearest = self._head.nearest(heard.positions[:, edges])
        lost = self._losses.nearest(heard.distances[:, edges])
        radiated = self._radiation(heard.sent[:, edges], heard.positions[:, edges])
        frame = np.arange(start, start + frames)
        shape = (frames // BLOCK, 2, self._ears.shape[-1])
        begin, end = np.zeros(shape, np.complex64), np.zeros(shape, np.complex64)
        for point, filters in enumerate(self._filters):  # one by one they fit a processor's cache
            delays = between_controls(late[point], CONTROL).clip(0, self._latest)
            sound = line.read(frame - delays)
            sound *= between_controls(gains[point], CONTROL).astype(np.float32)
            blocks = filters.heard(sound[None])
            spectra = self._ears[nearest[point]] * self._walls[point, lost[point], None]
            if radiated is not None and self._radiated is not None:
                spectra *= self._radiated[radiated[point], None]
            begin += blocks * spectra[:-1]
            end += blocks * spectra[1:]
        return self._filters[0].faded(begin, end)

    def _radiation(
        self, sent: Float[np.ndarray, "points edges"], places: Float[np.ndarray, "points edges 3"]
    ) -> Int[np.ndarray, "points edges"] | None:
        """Which filter of the talker each point needs."""
        if self._talker is None:
            return None
        signs = self._points.signs[:, None]
        return self._talker.nearest(towards_head(self._trajectory, sent, places, signs))

    def _positions(
        self, times: Float[np.ndarray, "points times"]
    ) -> Float[np.ndarray, "points times 3"]:
        moved = self._trajectory.positions_at(times)
        return self._points.signs[:, None] * moved + self._points.offsets[:, None]


def with_delays(head: HrtfSet) -> Float32[np.ndarray, "directions 2 taps"]:
    """Responses that show the delays they start with, to whole samples."""
    late = np.rint(head.delays).astype(np.int64)
    made = np.zeros((*late.shape, head.taps + late.max()), np.float32)
    place = late[..., None] + np.arange(head.taps)
    np.put_along_axis(made, place, head.responses, axis=-1)
    return made
