"""What renderers of sound in a free field or a room share, whatever receives it.

Three parts: the direct sound, early reflections as image sources, and late reverberation. For a
source at rest relative to the head all of them are one long filter. Otherwise delays follow the
distance, with Doppler shift, and late reverberation remains a filter: it is isotropic, and does not
follow a head that turns or walks.

The gain is 1 at 1.5 m, a usual distance of HRTF measurements, and inversely proportional to the
distance. Delays count from the closest point of the trajectory: a distant source alone does not
start late, but the propagation delays between near and far remain.

A `Receiver` is where it is heard: by two ears (`hrtf_renderer`), or by an ambisonic microphone
(`ambisonic_renderer`).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float, Float32

from soundstage.binaural.geometry import ORIGIN
from soundstage.binaural.listener import SeenTrajectory, source_and_listener
from soundstage.binaural.presets import RADIUS
from soundstage.binaural.render.delay_line import AFTER, DelayLine
from soundstage.binaural.render.directivity import Directivity, towards_head
from soundstage.binaural.render.moving_source import DIRECT, Images
from soundstage.binaural.render.moving_stream import CHUNK, MovingPart, MovingStream
from soundstage.binaural.render.propagation import DistanceModel
from soundstage.binaural.room.absorption import AbsorptionFilters
from soundstage.binaural.room.image_sources import ImageSources
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.binaural.trajectories import Trajectory

REFLECTIONS = 2  # at most 0.13 dB of their energy varies at random; 3 would cost 2.6 times as much
_CACHED_RATES = 4


class Receiver(Protocol):
    """What receives the sound, at one sample rate."""

    def moving(
        self,
        trajectory: Trajectory | SeenTrajectory,
        images: Images,
        absorption: AbsorptionFilters,
        distance_model: DistanceModel,
        talker: Directivity | None,
    ) -> MovingPart:
        """The sound of image sources, or with `DIRECT` the direct sound."""
        ...

    def at_rest(self, position: Float[np.ndarray, "1 3"]) -> Float32[np.ndarray, "channels taps"]:
        """The response to direct sound from a position, without its delay and gain."""
        ...

    def late_reverberation(
        self, room: ShoeBox, *, order: int, seed: int
    ) -> Float32[np.ndarray, "channels frames"]:
        """The response of a room without the images up to an order."""
        ...


class RoomRenderer(ABC):
    """A receiver in the free field or in a room.

    Args:
        channels: of the receiver.
        room: None is the free field.
        reflections: highest order of the early reflections; the rest is late reverberation.
        air: apply air absorption, which is audible from some 20 m on.
        talker: whether the source has the directivity of a talker (`directivity`), oriented by its
            trajectory; otherwise it is omnidirectional.
        seed: of the late reverberation.

    Attributes:
        channels: see `Renderer`.
    """

    def __init__(
        self,
        channels: int,
        *,
        room: ShoeBox | None = None,
        reflections: int = REFLECTIONS,
        air: bool = False,
        talker: bool = False,
        seed: int = 0,
    ) -> None:
        self.channels, self._room, self._order = channels, room, reflections
        self._air, self._talker, self._seed = air, talker, seed
        self._at_rate = lru_cache(_CACHED_RATES)(self._prepared)

    @abstractmethod
    def _receiver(self, rate: int) -> Receiver:
        """The receiver at a sample rate in Hz."""

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
        model, at = DistanceModel(nearest, RADIUS), self._at_rate(rate, tuple(center))
        moving: list[MovingPart] = []
        fixed = [np.zeros((self.channels, 1), np.float32)]
        static = trajectory.is_static and not (self._talker and trajectory.is_rotating)
        if at.room:
            fixed.append(_delayed(at.room.late, model.delay(0.0, rate)))
            reflections = at.receiver.moving(
                trajectory, at.room.images, at.absorption, model, at.talker
            )
            if static:
                fixed.append(_impulse_response(reflections))
            else:
                moving.append(reflections)
        if static:
            response = np.float32(model.gain(trajectory.min_distance)) * _radiated(trajectory, at)
            fixed.append(_delayed(response, model.delay(trajectory.min_distance, rate)))
        else:
            moving.append(at.receiver.moving(trajectory, DIRECT, at.absorption, model, at.talker))
        return MovingStream(moving, _summed(fixed))

    def _prepared(self, rate: int, center: tuple[float, float, float]) -> "_Prepared":
        """Data that do not depend on the source; `center` is the mean position of the head."""
        receiver = self._receiver(rate)
        room, talker = self._room, Directivity(rate) if self._talker else None
        if room is None:
            return _Prepared(receiver, AbsorptionFilters(rate, air=self._air), talker, None)
        absorption = AbsorptionFilters(
            rate, wall_gains=room.reflection_gains, order=self._order, air=self._air
        )
        late = receiver.late_reverberation(
            room.heard_from(center), order=self._order, seed=self._seed
        )
        if talker:
            late = _convolve(late, talker.diffuse[None])
        sources = ImageSources(room, self._order)
        images = Images(sources.signs, sources.offsets, sources.reflections)
        return _Prepared(receiver, absorption, talker, _Reverberation(images, late))


class _Reverberation(NamedTuple):
    images: Images
    late: Float32[np.ndarray, "channels taps"]


class _Prepared(NamedTuple):
    receiver: Receiver
    absorption: AbsorptionFilters
    talker: Directivity | None
    room: _Reverberation | None


def _radiated(
    trajectory: Trajectory | SeenTrajectory, at: _Prepared
) -> Float32[np.ndarray, "channels taps"]:
    """The response to direct sound of a source at rest, without its delay and gain."""
    position = trajectory.positions_at(np.zeros(1))
    response = at.receiver.at_rest(position)
    if at.absorption.has_air:
        nearest = at.absorption.nearest(np.array(trajectory.min_distance))
        response = _convolve(response, at.absorption.filters[0, nearest][None])
    if at.talker:
        cosine = towards_head(trajectory, np.zeros(1), position, np.ones(3))
        response = _convolve(response, at.talker.filters[at.talker.nearest(cosine)])
    return response


def _convolve(
    responses: Float32[np.ndarray, "channels taps"], kernel: Float32[np.ndarray, "1 taps"]
) -> Float32[np.ndarray, "channels longer"]:
    from scipy.signal import fftconvolve  # takes half a second to import

    return fftconvolve(responses, kernel, axes=-1).astype(np.float32)


def _delayed(
    response: Float32[np.ndarray, "channels taps"], frames: float
) -> Float32[np.ndarray, "channels later"]:
    """Delay by whole frames, or advance by dropping the first ones."""
    whole = round(frames)
    return np.pad(response, ((0, 0), (max(whole, 0), 0)))[:, max(-whole, 0) :]


def _impulse_response(part: MovingPart) -> Float32[np.ndarray, "channels taps"]:
    line, chunks = DelayLine(), -(-part.length // CHUNK)
    impulse = np.zeros(chunks * CHUNK + part.lead + AFTER, np.float32)
    impulse[0] = 1
    line.push(impulse)
    response = [part.chunk(line, number * CHUNK, CHUNK) for number in range(chunks)]
    return np.concatenate(response, axis=-1)[:, : part.length]


def _summed(
    responses: Sequence[Float32[np.ndarray, "channels _"]],
) -> Float32[np.ndarray, "channels longest"]:
    """Sum of responses of different lengths."""
    longest = max(each.shape[-1] for each in responses)
    total = np.zeros((len(responses[0]), longest), np.float32)
    for each in responses:
        total[:, : each.shape[-1]] += each
    return total
