"""`hrtf`: what two ears hear of a source that rests or moves, in the open or in a room.

The direct sound goes through the head's responses of its direction, early reflections through those
of theirs, and the late reverberation is noise as a head hears it from everywhere. A source that
rests needs no more than one long filter, whose direct part is the measured response to the last bit
where there is one; a source that moves has delays that run with its distance, so that its pitch
bends as it passes (`direct_sound`, `nearest_sound`).

A sound is as loud as it is given at 1.5 m, where heads are measured, and twice as loud at half of
that distance. Time counts from the nearest point of the way: a file neither starts late because its
source is far, nor loses that things farther off come later.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32
from scipy.signal import fftconvolve

from soundstage.binaural.hrtf.hrtf_set import HrtfSet
from soundstage.binaural.hrtf.interpolation import HrtfInterpolator
from soundstage.binaural.hrtf.nearest_hrir import DIRECT, NearestSound, Points
from soundstage.binaural.presets import RADIUS
from soundstage.binaural.render.delay_line import AFTER, DelayLine
from soundstage.binaural.render.direct_sound import DirectSound
from soundstage.binaural.render.directivity import Directivity, towards_head
from soundstage.binaural.render.moving_stream import CHUNK, NOTHING, MovingPart, MovingStream
from soundstage.binaural.render.propagation import DistanceModel
from soundstage.binaural.renderers import summed
from soundstage.binaural.room.absorption import Losses
from soundstage.binaural.room.image_sources import ImageSources
from soundstage.binaural.room.late_reverberation import late_reverberation
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.binaural.trajectories import Trajectory

REFLECTIONS = 2  # leave 0.13 dB of their energy to chance at most; 3 would cost 2.6 times as much
_RATES = 4  # of which a renderer keeps what it has worked out


class HrtfRenderer:
    """A head in the open or in a room.

    Args:
        head: at any rate.
        room: None is the open.
        reflections: most walls by which an early reflection comes; the rest is late reverberation.
        air: whether air takes its share, which is heard from some 20 m on.
        talker: whether the source radiates as a talker does (`directivity`), to where the
            orientations of its trajectory point, instead of alike in all directions.
        nearest: take the nearest measured direction instead of interpolating: cheap, and it steps.
        seed: of the late reverberation.
    """

    def __init__(
        self,
        head: HrtfSet,
        *,
        room: ShoeBox | None = None,
        reflections: int = REFLECTIONS,
        air: bool = False,
        talker: bool = False,
        nearest: bool = False,
        seed: int = 0,
    ) -> None:
        self._head, self._room, self._order = head, room, reflections
        self._air, self._talker, self._nearest, self._seed = air, talker, nearest, seed
        self._at = lru_cache(_RATES)(self._prepared)

    def stream(
        self, trajectory: Trajectory, rate: int, *, no_delay: float | None = None
    ) -> MovingStream:
        """Begin a sound; see `Renderer.stream`."""
        if self._room:
            self._room.check(trajectory)
        nearest = trajectory.nearest if no_delay is None else no_delay
        return MovingStream(
            *self._parts(trajectory, self._at(rate), DistanceModel(nearest, RADIUS))
        )

    def _parts(
        self, trajectory: Trajectory, at: "_Prepared", leveling: DistanceModel
    ) -> tuple[list[MovingPart], Float32[np.ndarray, "2 taps"]]:
        """What follows the source, and the filter for what does not."""
        moving: list[MovingPart] = []
        fixed = [NOTHING]
        rests = trajectory.rests and not (self._talker and trajectory.turns)
        if at.images:
            fixed.append(_delayed(at.late, leveling.delay(0.0, at.head.rate)))
            reflected = NearestSound(at.head, trajectory, at.images, at.losses, leveling, at.talker)
            if rests:
                fixed.append(_impulse_response(reflected))
            else:
                moving.append(reflected)
        if rests:
            fixed.append(self._resting(trajectory, at, leveling))
        elif self._nearest:
            moving.append(NearestSound(at.head, trajectory, DIRECT, at.losses, leveling, at.talker))
        else:
            air = at.losses if self._air else None
            moving.append(DirectSound(at.interpolator, trajectory, leveling, air, at.talker))
        return moving, summed(fixed)

    def _resting(
        self, trajectory: Trajectory, at: "_Prepared", leveling: DistanceModel
    ) -> Float32[np.ndarray, "2 taps"]:
        """The direct sound of a source that rests."""
        response = at.interpolator.responses(trajectory.positions[:1])[0]
        if self._air:
            lost = at.losses.filters[0, at.losses.nearest(np.array(trajectory.nearest))]
            response = fftconvolve(response, lost[None], axes=-1).astype(np.float32)
        if at.talker:
            facing = towards_head(trajectory, np.zeros(1), trajectory.positions[:1], np.ones(3))
            sent = at.talker.filters[at.talker.nearest(facing)]
            response = fftconvolve(response, sent, axes=-1).astype(np.float32)
        late = leveling.delay(trajectory.nearest, at.head.rate)
        return _delayed(np.float32(leveling.gain(trajectory.nearest)) * response, late)

    def _prepared(self, rate: int) -> "_Prepared":
        """What does not depend on the source."""
        head = self._head.resampled(rate)
        interpolator = HrtfInterpolator(head, nearest=self._nearest)
        room, talker = self._room, Directivity(rate) if self._talker else None
        if room is None:
            losses = Losses(rate, air=self._air)
            return _Prepared(head, interpolator, losses, talker, None, NOTHING)
        losses = Losses(rate, wall_gains=room.reflection_gains, order=self._order, air=self._air)
        late = late_reverberation(
            room, interpolator, order=self._order, seed=self._seed, reference=RADIUS
        )
        if talker:
            late = fftconvolve(late, talker.all_around[None], axes=-1).astype(np.float32)
        images = ImageSources(room, self._order)
        points = Points(images.signs, images.offsets, images.reflections)
        return _Prepared(head, interpolator, losses, talker, points, late)


class _Prepared(NamedTuple):
    head: HrtfSet
    interpolator: HrtfInterpolator
    losses: Losses
    talker: Directivity | None
    images: Points | None
    late: Float32[np.ndarray, "2 taps"]


def _delayed(
    response: Float32[np.ndarray, "2 taps"], frames: float
) -> Float32[np.ndarray, "2 later"]:
    """Later, or earlier by leaving out what comes first, to whole frames."""
    whole = round(frames)
    return np.pad(response, ((0, 0), (max(whole, 0), 0)))[:, max(-whole, 0) :]


def _impulse_response(part: NearestSound) -> Float32[np.ndarray, "2 taps"]:
    line, chunks = DelayLine(), -(-part.longest // CHUNK)
    impulse = np.zeros(chunks * CHUNK + part.lead + AFTER, np.float32)
    impulse[0] = 1
    line.push(impulse)
    made = [part.chunk(line, number * CHUNK, CHUNK) for number in range(chunks)]
    return np.concatenate(made, axis=-1)[:, : part.longest]
