"""Moving sources: direct sound with interpolated HRTFs, images with the nearest HRIR.

*Direct sound* (`DirectSound`). Distance and interaural time difference are delays of a delay line,
read at each frame. The remaining, time-aligned HRTF is nearly equal from block to block, so that a
linear crossfade between blocks causes no comb filter.

*Images* (`NearestHrir`). Each image source has its own delay, its own absorption by walls and air,
and the HRIR of the nearest measured direction. Interpolation is not worth its cost for reflections:
they follow the direct sound, and their directions are perceived within tens of degrees only. The
same part, without images, is the cheap form of the direct sound, which switches from one
measurement to the next.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from soundstage.binaural.hrtf.hrtf_set import HrtfSet
from soundstage.binaural.hrtf.interpolation import HrtfInterpolator
from soundstage.binaural.listener import SeenTrajectory, source_and_listener
from soundstage.binaural.render.convolvers import CrossfadeConvolver
from soundstage.binaural.render.directivity import Directivity, towards_head
from soundstage.binaural.render.moving_stream import SampleLine
from soundstage.binaural.render.propagation import (
    DistanceModel,
    arrivals,
    between_controls,
    control_frames,
)
from soundstage.binaural.room.absorption import TAPS, AbsorptionFilters
from soundstage.binaural.trajectories import Trajectory

DIRECT_CONTROL = 32  # frames between control points of the direct sound
DIRECT_BLOCK = 8 * DIRECT_CONTROL  # frames between its filters: 5 ms
IMAGE_CONTROL = 128  # frames between control points of images
IMAGE_BLOCK = 4 * IMAGE_CONTROL  # frames between their filters: 11 ms


class DirectSound:
    """Direct sound of one source, with interpolated HRTFs.

    Args:
        interpolator: of the HRTF set.
        trajectory: of the source, in the scene or as seen from a head.
        distance_model: delay and gain by distance.
        air: absorption; None for none.
        talker: directivity of the source; None is omnidirectional.

    Attributes:
        lead: see `MovingPart`.
        length: see `MovingPart`.
    """

    def __init__(
        self,
        interpolator: HrtfInterpolator,
        trajectory: Trajectory | SeenTrajectory,
        distance_model: DistanceModel,
        air: AbsorptionFilters | None = None,
        talker: Directivity | None = None,
    ) -> None:
        self._interpolator = interpolator
        self._source, self._listener = source_and_listener(trajectory)
        self._distance_model, self._air, self._talker = distance_model, air, talker
        taps = interpolator.taps + (TAPS - 1) * ((air is not None) + (talker is not None))
        self._convolver = CrossfadeConvolver(2, taps, DIRECT_BLOCK)
        self._air_spectra = self._convolver.filter_spectra(air.filters[0]) if air else None
        self._talker_spectra = self._convolver.filter_spectra(talker.filters) if talker else None
        self._max_delay = distance_model.delay(trajectory.max_distance, interpolator.rate)
        self._max_delay += interpolator.lead
        self.lead = interpolator.lead
        self.length = int(np.ceil(self._max_delay)) + taps

    def chunk(self, line: SampleLine, start: int, frames: int) -> Float32[np.ndarray, "2 frames"]:
        """The ear signals from the frame `start` on; `frames` is a multiple of the block."""
        if start == 0:  # the filters lead: fill them with the frames before the first
            before = DIRECT_BLOCK * -(-self.lead // DIRECT_BLOCK)
            self._render(line, -before, before)
        return self._render(line, start, frames)

    def _render(self, line: SampleLine, start: int, frames: int) -> Float32[np.ndarray, "2 frames"]:
        rate, model = self._interpolator.rate, self._distance_model
        controls = control_frames(start, frames, DIRECT_CONTROL)
        arrived = arrivals(
            self._source.positions_at, controls / rate, model.no_delay, self._listener
        )
        delays = self._interpolator.delays(arrived.positions).T
        delays += model.delay(arrived.distances, rate)
        delays = between_controls(delays, DIRECT_CONTROL).clip(0, self._max_delay)
        sound = line.read(np.arange(start, start + frames) + self.lead - delays)
        gains = between_controls(model.gain(arrived.distances), DIRECT_CONTROL)
        sound *= gains.astype(np.float32)
        edges = slice(1, -1, DIRECT_BLOCK // DIRECT_CONTROL)
        aligned = self._interpolator.aligned(arrived.positions[edges]).responses
        spectra = self._convolver.filter_spectra(aligned)
        if self._air and self._air_spectra is not None:
            spectra *= self._air_spectra[self._air.nearest(arrived.distances[edges]), None]
        if self._talker and self._talker_spectra is not None:
            cosines = towards_head(
                self._source, arrived.emitted[edges], arrived.paths[edges], np.ones(3)
            )
            spectra *= self._talker_spectra[self._talker.nearest(cosines), None]
        blocks = self._convolver.block_spectra(sound)
        return self._convolver.crossfade(blocks * spectra[:-1], blocks * spectra[1:])


class Images(NamedTuple):
    """Image sources of a source at s: at signs·s + offsets, in meters."""

    signs: Float[np.ndarray, "images 3"]
    offsets: Float[np.ndarray, "images 3"]
    reflections: Int[np.ndarray, " images"]

    def at(
        self, positions: Float[np.ndarray, "#images times 3"]
    ) -> Float[np.ndarray, "images times 3"]:
        """Positions of the images for positions of the source."""
        return self.signs[:, None] * positions + self.offsets[:, None]


DIRECT = Images(np.ones((1, 3)), np.zeros((1, 3)), np.zeros(1, np.int64))
"""The source itself."""


class NearestHrir:
    """Image sources of one source, each with the HRIR of the nearest measured direction.

    Args:
        hrtf: at the rate of the sound.
        trajectory: of the source, in the scene or as seen from a head.
        images: `DIRECT` is the source itself.
        absorption: of walls, and of air.
        distance_model: delay and gain by distance.
        talker: directivity of the source; None is omnidirectional.

    Attributes:
        lead: see `MovingPart`.
        length: see `MovingPart`.
    """

    lead = 0

    def __init__(
        self,
        hrtf: HrtfSet,
        trajectory: Trajectory | SeenTrajectory,
        images: Images,
        absorption: AbsorptionFilters,
        distance_model: DistanceModel,
        talker: Directivity | None = None,
    ) -> None:
        self._hrtf, self._images = hrtf, images
        self._source, self._listener = source_and_listener(trajectory)
        self._absorption, self._distance_model, self._talker = absorption, distance_model, talker
        responses = with_delays(hrtf)
        taps = responses.shape[-1] + (TAPS - 1) * (2 if talker else 1)
        self._convolvers = [CrossfadeConvolver(1, taps, IMAGE_BLOCK) for _ in images.reflections]
        spectra = self._convolvers[0].filter_spectra
        self._hrtf_spectra = spectra(responses)
        self._wall_spectra = spectra(absorption.filters[images.reflections])
        self._talker_spectra = spectra(talker.filters) if talker else None
        farthest = trajectory.max_distance + np.linalg.norm(images.offsets, axis=-1).max()
        self._max_delay = distance_model.delay(farthest, hrtf.rate)
        self.length = int(np.ceil(self._max_delay)) + taps

    def chunk(self, line: SampleLine, start: int, frames: int) -> Float32[np.ndarray, "2 frames"]:
        """The ear signals from the frame `start` on; `frames` is a multiple of the block."""
        rate, model = self._hrtf.rate, self._distance_model
        controls = control_frames(start, frames, IMAGE_CONTROL)
        times = (controls / rate)[None]  # the same of all images
        arrived = arrivals(self._positions, times, model.no_delay, self._listener)
        delays, gains = model.delay(arrived.distances, rate), model.gain(arrived.distances)
        edges = slice(1, -1, IMAGE_BLOCK // IMAGE_CONTROL)
        nearest = self._hrtf.nearest(arrived.positions[:, edges])
        absorbed = self._absorption.nearest(arrived.distances[:, edges])
        radiated = self._radiation(arrived.emitted[:, edges], arrived.paths[:, edges])
        frame = np.arange(start, start + frames)
        shape = (frames // IMAGE_BLOCK, 2, self._hrtf_spectra.shape[-1])
        at_start, at_end = np.zeros(shape, np.complex64), np.zeros(shape, np.complex64)
        for image, convolver in enumerate(self._convolvers):  # one by one, to fit the cache
            delay = between_controls(delays[image], IMAGE_CONTROL).clip(0, self._max_delay)
            sound = line.read(frame - delay)
            sound *= between_controls(gains[image], IMAGE_CONTROL).astype(np.float32)
            blocks = convolver.block_spectra(sound[None])
            spectra = self._hrtf_spectra[nearest[image]]
            spectra = spectra * self._wall_spectra[image, absorbed[image], None]
            if radiated is not None and self._talker_spectra is not None:
                spectra *= self._talker_spectra[radiated[image], None]
            at_start += blocks * spectra[:-1]
            at_end += blocks * spectra[1:]
        return self._convolvers[0].crossfade(at_start, at_end)

    def _radiation(
        self,
        emitted: Float[np.ndarray, "images edges"],
        paths: Float[np.ndarray, "images edges 3"],
    ) -> Int[np.ndarray, "images edges"] | None:
        """Index of the directivity filter of each image."""
        if self._talker is None:
            return None
        signs = self._images.signs[:, None]
        return self._talker.nearest(towards_head(self._source, emitted, paths, signs))

    def _positions(
        self, times: Float[np.ndarray, "#images times"]
    ) -> Float[np.ndarray, "images times 3"]:
        return self._images.at(self._source.positions_at(times))


def with_delays(hrtf: HrtfSet) -> Float32[np.ndarray, "directions 2 taps"]:
    """Responses preceded by their delays, rounded to whole samples."""
    delays = np.rint(hrtf.delays).astype(np.int64)
    delayed = np.zeros((*delays.shape, hrtf.taps + delays.max()), np.float32)
    at = delays[..., None] + np.arange(hrtf.taps)
    np.put_along_axis(delayed, at, hrtf.responses, axis=-1)
    return delayed
