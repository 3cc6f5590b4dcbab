"""`hrtf`: rendering with measured HRTFs, of a static or moving source, in the free field or a room.

The direct sound has the HRTF of its direction of arrival, early reflections the HRTFs of theirs
(`moving_source`), and late reverberation is diffuse-field noise at the ears. In a measured
direction the response to a source at rest is the measured one. Delay and gain by distance are those
of every `RoomRenderer`. Recorded sound fields are decoded with the HRTFs of all directions
(`field_decoder`).
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32

from soundstage.binaural.hrtf.hrtf_set import HrtfSet
from soundstage.binaural.hrtf.interpolation import HrtfInterpolator
from soundstage.binaural.listener import Listener, SeenTrajectory
from soundstage.binaural.presets import RADIUS
from soundstage.binaural.render.directivity import Directivity
from soundstage.binaural.render.field_decoder import DecodingFilters, decoding_filters
from soundstage.binaural.render.field_stream import DecodedField, TurnedField
from soundstage.binaural.render.moving_source import DIRECT, DirectSound, Images, NearestHrir
from soundstage.binaural.render.moving_stream import MovingPart
from soundstage.binaural.render.propagation import DistanceModel
from soundstage.binaural.render.room_renderer import REFLECTIONS, RoomRenderer
from soundstage.binaural.render_options import BINAURAL, FieldDecoding
from soundstage.binaural.room.absorption import AbsorptionFilters
from soundstage.binaural.room.late_reverberation import late_reverberation
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.binaural.trajectories import Trajectory

_CACHED_FILTERS = 8  # orders and rates


class HrtfRenderer(RoomRenderer):
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
        decoding: of sound fields: "magls", or "loudspeakers" (`field_decoder`).
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
        decoding: FieldDecoding = "magls",
        seed: int = 0,
    ) -> None:
        super().__init__(
            BINAURAL, room=room, reflections=reflections, air=air, talker=talker, seed=seed
        )
        self._hrtf, self._nearest, self._decoding = hrtf, nearest, decoding
        self._filters = lru_cache(_CACHED_FILTERS)(self._decoding_filters)

    def field_stream(self, order: int, rate: int, listener: Listener | None = None) -> DecodedField:
        """Start decoding a sound field; see `FieldRenderer.field_stream`."""
        return DecodedField(TurnedField(order, rate, listener), self._filters(order, rate))

    def _decoding_filters(self, order: int, rate: int) -> DecodingFilters:
        interpolator = HrtfInterpolator(self._hrtf.resampled(rate), nearest=self._nearest)
        return decoding_filters(interpolator, order, self._decoding)

    def _receiver(self, rate: int) -> "_Ears":
        return _Ears(self._hrtf.resampled(rate), nearest=self._nearest)


class _Ears:
    """A `Receiver`: both ears of an HRTF set."""

    def __init__(self, hrtf: HrtfSet, *, nearest: bool) -> None:
        self._hrtf, self._nearest = hrtf, nearest
        self._interpolator = HrtfInterpolator(hrtf, nearest=nearest)

    def moving(
        self,
        trajectory: Trajectory | SeenTrajectory,
        images: Images,
        absorption: AbsorptionFilters,
        distance_model: DistanceModel,
        talker: Directivity | None,
    ) -> MovingPart:
        if images is not DIRECT or self._nearest:
            return NearestHrir(self._hrtf, trajectory, images, absorption, distance_model, talker)
        air = absorption if absorption.has_air else None
        return DirectSound(self._interpolator, trajectory, distance_model, air, talker)

    def at_rest(self, position: Float[np.ndarray, "1 3"]) -> Float32[np.ndarray, "2 taps"]:
        return self._interpolator.responses(position)[0]

    def late_reverberation(
        self, room: ShoeBox, *, order: int, seed: int
    ) -> Float32[np.ndarray, "2 frames"]:
        return late_reverberation(
            room, self._interpolator, order=order, seed=seed, reference=RADIUS
        )
