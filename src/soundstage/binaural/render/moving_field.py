"""Moving sources as an ambisonic field: each image source is encoded in its direction of arrival.

An image source that is heard from the direction d(t) with the sound p(t), delayed and attenuated by
its distance, adds to the channel with the harmonic Y

    Y(d(t))·p(t)

Walls attenuate all images of one number of reflections alike, so that their filters stand before
the delay lines, one for each number of reflections and not one for each image. Harmonics are those
at control points, with a linear crossfade between; the zeroth is 1, so that W is the sound of an
omnidirectional microphone to the bit. Direct sound from nearer than 1.5 m has curved wavefronts
(`ambisonics.near_field`); reflections are plane waves.
"""

import numpy as np
from jaxtyping import Float, Float32, Float64

from soundstage.ambisonics.conventions import channels_of
from soundstage.ambisonics.harmonics import degrees, harmonics
from soundstage.ambisonics.near_field import REFERENCE, NearField
from soundstage.binaural.listener import SeenTrajectory, source_and_listener
from soundstage.binaural.render.convolvers import CrossfadeConvolver
from soundstage.binaural.render.delay_line import AFTER, DelayLine
from soundstage.binaural.render.directivity import Directivity, towards_head
from soundstage.binaural.render.moving_source import (
    DIRECT_CONTROL,
    IMAGE_BLOCK,
    IMAGE_CONTROL,
    Images,
)
from soundstage.binaural.render.moving_stream import SampleLine
from soundstage.binaural.render.propagation import (
    Arrivals,
    DistanceModel,
    arrivals,
    between_controls,
    control_frames,
)
from soundstage.binaural.room.absorption import TAPS, AbsorptionFilters
from soundstage.binaural.trajectories import Trajectory

NEAR_FIELD_DECAY = 0.06  # s: the slowest pole, of degree 1, decays by 120 dB
NEAR = REFERENCE - 1e-6  # m: a source at 1.5 m, but for rounding, is not near


class EncodedImages:
    """Image sources of one source, encoded.

    Args:
        order: of the field.
        rate: in Hz.
        trajectory: of the source, in the scene or as seen from a head.
        images: `DIRECT` is the source itself.
        absorption: of walls, and of air.
        distance_model: delay and gain by distance.
        talker: directivity of the source; None is omnidirectional.

    Attributes:
        lead: see `MovingPart`.
        length: see `MovingPart`.
    """

    def __init__(
        self,
        order: int,
        rate: int,
        trajectory: Trajectory | SeenTrajectory,
        images: Images,
        absorption: AbsorptionFilters,
        distance_model: DistanceModel,
        talker: Directivity | None = None,
    ) -> None:
        self._order, self._rate, self._images = order, rate, images
        self._source, self._listener = source_and_listener(trajectory)
        self._distance_model, self._absorption = distance_model, absorption
        walls = {int(count) for count in images.reflections} - {0}
        self._reflected = {count: _FilteredLine(absorption.filters[count, 0]) for count in walls}
        self.lead = AFTER if walls else 0
        self._control = IMAGE_CONTROL if walls else DIRECT_CONTROL
        has_air = absorption.has_air and not walls
        self._radiation = (
            _Radiation(self._source, images, absorption if has_air else None, talker)
            if has_air or talker
            else None
        )
        farthest = trajectory.max_distance + np.linalg.norm(images.offsets, axis=-1).max()
        self._max_delay = distance_model.delay(float(farthest), rate)
        is_near = not walls and trajectory.min_distance < NEAR
        self._near_field = NearField(order, rate) if is_near else None
        self._of_degree = np.arange(order + 1)[:, None, None] == degrees(order)
        taps = 1 + (TAPS - 1) * (bool(walls) + has_air + (talker is not None))
        taps += round(NEAR_FIELD_DECAY * rate) if is_near else 0
        self.length = int(np.ceil(self._max_delay)) + taps
        self._rise = (np.arange(self._control) / self._control).astype(np.float32)

    def chunk(
        self, line: SampleLine, start: int, frames: int
    ) -> Float32[np.ndarray, "channels frames"]:
        """The field from the frame `start` on; `frames` is a multiple of the block."""
        for reflected in self._reflected.values():
            reflected.follow(line, start + frames + AFTER)
        controls = control_frames(start, frames, self._control)
        times = (controls / self._rate)[None]  # the same of all images
        arrived = arrivals(self._positions, times, self._distance_model.no_delay, self._listener)
        sounds = self._sounds(line, arrived, np.arange(start, start + frames))
        if self._radiation:
            self._radiation.filter(sounds, arrived, self._control)
        for reflected in self._reflected.values():
            reflected.line.forget(start + frames - self._max_delay)
        values = harmonics(arrived.positions[:, 1:-1], self._order)
        if self._near_field:
            weights = self._near_field.weights(arrived.distances[0]).T
            curved = between_controls(weights, self._control).astype(np.float32)
            sounds = self._near_field.degrees(self._near_field.push(sounds[0]), curved)
            values = values * self._of_degree
        return self._encoded(sounds, values)

    def _sounds(
        self, line: SampleLine, arrived: Arrivals, frame: Float[np.ndarray, " frames"]
    ) -> Float32[np.ndarray, "images frames"]:
        """The sound of each image, as it arrives."""
        delays = self._distance_model.delay(arrived.distances, self._rate)
        gains = self._distance_model.gain(arrived.distances)
        sounds = np.empty((len(delays), len(frame)), np.float32)
        for image, count in enumerate(self._images.reflections):
            delay = between_controls(delays[image], self._control).clip(0, self._max_delay)
            heard = self._reflected[int(count)].line if count else line
            gain = between_controls(gains[image], self._control).astype(np.float32)
            sounds[image] = gain * heard.read(frame - delay)
        return sounds

    def _encoded(
        self,
        sounds: Float32[np.ndarray, "images frames"],
        values: Float64[np.ndarray, "images edges channels"],
    ) -> Float32[np.ndarray, "channels frames"]:
        """The sum of all images, with the harmonics at the edges of blocks."""
        blocks = sounds.reshape(len(sounds), -1, self._control).swapaxes(0, 1)
        weights = values.astype(np.float32).transpose(1, 2, 0)
        field = weights[:-1] @ (blocks * (1 - self._rise)) + weights[1:] @ (blocks * self._rise)
        return field.swapaxes(0, 1).reshape(channels_of(self._order), -1)

    def _positions(
        self, times: Float[np.ndarray, "#images times"]
    ) -> Float[np.ndarray, "images times 3"]:
        return self._images.at(self._source.positions_at(times))


class _FilteredLine:
    """A delay line behind a fixed filter.

    Args:
        kernel: the filter.

    Attributes:
        line: the filtered sound.
    """

    def __init__(self, kernel: Float32[np.ndarray, " taps"]) -> None:
        self._kernel, self._past = kernel, np.zeros(len(kernel) - 1, np.float32)
        self._done = 0
        self.line = DelayLine()

    def follow(self, line: SampleLine, end: int) -> None:
        """Filter the sound on another line up to the frame `end`."""
        from scipy.signal import oaconvolve  # takes half a second to import

        sound = np.concatenate([self._past, line.read(np.arange(self._done, end))])
        self.line.push(oaconvolve(sound, self._kernel, "valid").astype(np.float32))
        self._past, self._done = sound[len(sound) - len(self._past) :], end


class _Radiation:
    """Filters that follow the movement: of air by distance, of a talker by angle.

    Args:
        source: its trajectory in the scene.
        images: of the source.
        air: absorption; None for none.
        talker: directivity; None is omnidirectional.
    """

    def __init__(
        self,
        source: Trajectory,
        images: Images,
        air: AbsorptionFilters | None,
        talker: Directivity | None,
    ) -> None:
        self._source, self._images, self._air, self._talker = source, images, air, talker
        taps = 1 + (TAPS - 1) * ((air is not None) + (talker is not None))
        self._convolvers = [CrossfadeConvolver(1, taps, IMAGE_BLOCK) for _ in images.reflections]
        spectra = self._convolvers[0].filter_spectra
        self._air_spectra = spectra(air.filters[0]) if air else None
        self._talker_spectra = spectra(talker.filters) if talker else None

    def filter(
        self, sounds: Float32[np.ndarray, "images frames"], arrived: Arrivals, control: int
    ) -> None:
        """Filter the sounds of the images in place."""
        edges = slice(1, -1, IMAGE_BLOCK // control)
        for image, convolver in enumerate(self._convolvers):
            blocks = convolver.block_spectra(sounds[image][None])[:, 0]
            spectra = np.ones((len(blocks) + 1, blocks.shape[-1]), np.complex64)
            if self._air and self._air_spectra is not None:
                spectra *= self._air_spectra[self._air.nearest(arrived.distances[image, edges])]
            if self._talker and self._talker_spectra is not None:
                cosines = towards_head(
                    self._source,
                    arrived.emitted[image, edges],
                    arrived.paths[image, edges],
                    self._images.signs[image],
                )
                spectra *= self._talker_spectra[self._talker.nearest(cosines)]
            first, last = (blocks * each for each in (spectra[:-1], spectra[1:]))
            sounds[image] = convolver.crossfade(first[:, None], last[:, None])[0]
