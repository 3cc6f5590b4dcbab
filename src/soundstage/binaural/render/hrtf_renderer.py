"""`hrtf`: rendering with measured HRTFs, of a static or moving source, in the free field or a room.

Three parts: the direct sound with the HRTF of its direction of arrival, early reflections with the
HRTFs of theirs, and late reverberation as diffuse-field noise. For a source at rest relative to the
head all of them are one long filter; in a measured direction its direct part is the measured
response. Otherwise delays follow the distance, with Doppler shift (`moving_source`). Late
reverberation is isotropic: it is the same wherever a head turns or walks.

The gain is 1 at 1.5 m, a usual distance of HRTF measurements, and inversely proportional to the
distance. Delays count from the closest point of the trajectory: a distant source alone does not
start late, but the propagation delays between near and far remain.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from soundstage.binaural.geometry import ORIGIN
from soundstage.binaural.hrtf.hrtf_set import HrtfSet
from soundstage.binaural.hrtf.interpolation import HrtfInterpolator
from soundstage.binaural.listener import SeenTrajectory, source_and_listener
from soundstage.binaural.presets import RADIUS
from soundstage.binaural.render.delay_line import AFTER, DelayLine
from soundstage.binaural.render.directivity import Directivity, towards_head
from soundstage.binaural.render.moving_source import DIRECT, DirectSound, Images, NearestHrir
from soundstage.binaural.render.moving_stream import CHUNK, SILENCE, MovingPart, MovingStream
from soundstage.binaural.render.propagation import DistanceModel
from soundstage.binaural.room.absorption import AbsorptionFilters
from soundstage.binaural.room.image_sources import ImageSources
from soundstage.binaural.room.late_reverberation import late_reverberation
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.binaural.trajectories import Trajectory

REFLECTIONS = 2  # at most 0.13 dB of their energy varies at random; 3 would cost 2.6 times as much
_CACHED_RATES = 4


class HrtfRenderer:
    """An HRTF set in the free field or in a room.

    Args:
        hrtf: at any rate.
        room: None is the free field.
        reflections: highest order of the early reflections; the rest is late reverberation.
        air: apply air absorption, which is audible from some 20 m on.
        talker: whether the source has the directivity of a talker (`directivity`), oriented by its
            trajectory; otherwise it is omnidirectional.
        nearest: take the nearest measured direction instead of interpolating: cheaper, but it
            switches from one to the next.
        seed: of the late reverberation.
    """

    def __init__(
        self,
        hrtf: HrtfSet,
        *,
        room: ShoeBox | None = None,
        reflections: int = REFLECTIONS,
        air: bool = False,
        talker: bool = False,
        nearest: bool = False,
        seed: int = 0,
    ) -> None:
        self._hrtf, self._room, self._order = hrtf, room, reflections
        self._air, self._talker, self._nearest, self._seed = air, talker, nearest, seed
        self._at_rate = lru_cache(_CACHED_RATES)(self._prepared)

    def stream(
        self,
        trajectory: Trajectory | SeenTrajectory,
        rate: int,
        *,
        no_delay: float | None = None,
    ) -> MovingStream:
        """Start rendering a source; see `Renderer.stream`."""
        source, listener = source_and_listener(trajectory)
        center = ORIGIN if listener is None else listener.positions.mean(axis=0)
        if self._room:
            self._room.check(source)
            if listener is not None:
                self._room.check_listener(listener)
        nearest = trajectory.min_distance if no_delay is None else no_delay
        model = DistanceModel(nearest, RADIUS)
        return MovingStream(*self._parts(trajectory, self._at_rate(rate, tuple(center)), model))

    def _parts(
        self, trajectory: Trajectory | SeenTrajectory, at: "_Prepared", model: DistanceModel
    ) -> tuple[list[MovingPart], Float32[np.ndarray, "2 taps"]]:
        """The time-varying parts, and the response of the fixed ones."""
        moving: list[MovingPart] = []
        fixed = [SILENCE]
        static = trajectory.is_static and not (self._talker and trajectory.is_rotating)
        if at.images:
            fixed.append(_delayed(at.late, model.delay(0.0, at.hrtf.rate)))
            reflections = NearestHrir(
                at.hrtf, trajectory, at.images, at.absorption, model, at.talker
            )
            if static:
                fixed.append(_impulse_response(reflections))
            else:
                moving.append(reflections)
        if static:
            fixed.append(self._static_direct_sound(trajectory, at, model))
        elif self._nearest:
            moving.append(NearestHrir(at.hrtf, trajectory, DIRECT, at.absorption, model, at.talker))
        else:
            air = at.absorption if self._air else None
            moving.append(DirectSound(at.interpolator, trajectory, model, air, at.talker))
        return moving, _summed(fixed)

    def _static_direct_sound(
        self, trajectory: Trajectory | SeenTrajectory, at: "_Prepared", model: DistanceModel
    ) -> Float32[np.ndarray, "2 taps"]:
        distance = trajectory.min_distance
        position = trajectory.positions_at(np.zeros(1))
        response = at.interpolator.responses(position)[0]
        if self._air:
            air = at.absorption.filters[0, at.absorption.nearest(np.array(distance))]
            response = _convolve(response, air[None])
        if at.talker:
            cosine = towards_head(trajectory, np.zeros(1), position, np.ones(3))
            radiated = at.talker.filters[at.talker.nearest(cosine)]
            response = _convolve(response, radiated)
        return _delayed(
            np.float32(model.gain(distance)) * response, model.delay(distance, at.hrtf.rate)
        )

    def _prepared(self, rate: int, center: tuple[float, float, float]) -> "_Prepared":
        """Data that do not depend on the source; `center` is the mean position of the head."""
        hrtf = self._hrtf.resampled(rate)
        interpolator = HrtfInterpolator(hrtf, nearest=self._nearest)
        room, talker = self._room, Directivity(rate) if self._talker else None
        if room is None:
            absorption = AbsorptionFilters(rate, air=self._air)
            return _Prepared(hrtf, interpolator, absorption, talker, None, SILENCE)
        absorption = AbsorptionFilters(
            rate, wall_gains=room.reflection_gains, order=self._order, air=self._air
        )
        late = late_reverberation(
            room.heard_from(center),
            interpolator,
            order=self._order,
            seed=self._seed,
            reference=RADIUS,
        )
        if talker:
            late = _convolve(late, talker.diffuse[None])
        sources = ImageSources(room, self._order)
        images = Images(sources.signs, sources.offsets, sources.reflections)
        return _Prepared(hrtf, interpolator, absorption, talker, images, late)


class _Prepared(NamedTuple):
    hrtf: HrtfSet
    interpolator: HrtfInterpolator
    absorption: AbsorptionFilters
    talker: Directivity | None
    images: Images | None
    late: Float32[np.ndarray, "2 taps"]


def _convolve(
    responses: Float32[np.ndarray, "ears taps"], kernel: Float32[np.ndarray, "..."]
) -> Float32[np.ndarray, "ears longer"]:
    from scipy.signal import fftconvolve  # takes half a second to import

    return fftconvolve(responses, kernel, axes=-1).astype(np.float32)


def _delayed(
    response: Float32[np.ndarray, "2 taps"], frames: float
) -> Float32[np.ndarray, "2 later"]:
    """Delay by whole frames, or advance by dropping the first ones."""
    whole = round(frames)
    return np.pad(response, ((0, 0), (max(whole, 0), 0)))[:, max(-whole, 0) :]


def _impulse_response(part: NearestHrir) -> Float32[np.ndarray, "2 taps"]:
    line, chunks = DelayLine(), -(-part.length // CHUNK)
    impulse = np.zeros(chunks * CHUNK + part.lead + AFTER, np.float32)
    impulse[0] = 1
    line.push(impulse)
    response = [part.chunk(line, number * CHUNK, CHUNK) for number in range(chunks)]
    return np.concatenate(response, axis=-1)[:, : part.length]


def _summed(responses: Sequence[Float32[np.ndarray, "2 _"]]) -> Float32[np.ndarray, "2 longest"]:
    """Sum of responses of different lengths."""
    total = np.zeros((2, max(each.shape[-1] for each in responses)), np.float32)
    for each in responses:
        total[:, : each.shape[-1]] += each
    return total
