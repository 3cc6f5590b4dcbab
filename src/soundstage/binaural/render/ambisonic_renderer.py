"""Rendering of moving sources to an ambisonic field, in the free field or a room.

Distance, Doppler shift, walls and air are those of every `RoomRenderer`. The direct sound and early
reflections are encoded in their directions of arrival (`moving_field`), and late reverberation is a
diffuse field. So W is what an omnidirectional microphone in the place of the head records: the
sound with a gain of 1 at 1.5 m, and inversely proportional to the distance.
"""

import numpy as np
from jaxtyping import Float, Float32

from soundstage.ambisonics.conventions import channels_of
from soundstage.ambisonics.harmonics import degrees, harmonics
from soundstage.ambisonics.near_field import NearField
from soundstage.binaural.listener import Listener, SeenTrajectory
from soundstage.binaural.presets import RADIUS
from soundstage.binaural.render.directivity import Directivity
from soundstage.binaural.render.field_stream import TurnedField
from soundstage.binaural.render.moving_field import NEAR, NEAR_FIELD_DECAY, EncodedImages
from soundstage.binaural.render.moving_source import Images
from soundstage.binaural.render.propagation import DistanceModel
from soundstage.binaural.render.room_renderer import REFLECTIONS, RoomRenderer
from soundstage.binaural.room.absorption import AbsorptionFilters
from soundstage.binaural.room.late_reverberation import ambisonic_reverberation
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.binaural.trajectories import Trajectory


class AmbisonicRenderer(RoomRenderer):
    """An ambisonic microphone in the free field or in a room; its channels are AmbiX.

    Args:
        order: of the field, 1 to 3.
        room: None is the free field.
        reflections: highest order of the early reflections; the rest is late reverberation.
        air: apply air absorption, which is audible from some 20 m on.
        talker: whether the source has the directivity of a talker (`directivity`), oriented by its
            trajectory; otherwise it is omnidirectional.
        seed: of the late reverberation.

    Raises:
        OptionError: there is no such order.
    """

    def __init__(
        self,
        order: int,
        *,
        room: ShoeBox | None = None,
        reflections: int = REFLECTIONS,
        air: bool = False,
        talker: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(
            channels_of(order),
            room=room,
            reflections=reflections,
            air=air,
            talker=talker,
            seed=seed,
        )
        self.order = order

    def field_stream(self, order: int, rate: int, listener: Listener | None = None) -> TurnedField:
        """Start turning a sound field; see `FieldRenderer.field_stream`."""
        return TurnedField(order, rate, listener, self.channels)

    def _receiver(self, rate: int) -> "_Microphone":
        return _Microphone(self.order, rate)


class _Microphone:
    """A `Receiver`: a field of an order at a sample rate in Hz."""

    def __init__(self, order: int, rate: int) -> None:
        self._order, self._rate = order, rate

    def moving(
        self,
        trajectory: Trajectory | SeenTrajectory,
        images: Images,
        absorption: AbsorptionFilters,
        distance_model: DistanceModel,
        talker: Directivity | None,
    ) -> EncodedImages:
        return EncodedImages(
            self._order, self._rate, trajectory, images, absorption, distance_model, talker
        )

    def at_rest(self, position: Float[np.ndarray, "1 3"]) -> Float32[np.ndarray, "channels taps"]:
        values = harmonics(position, self._order).T
        distance = np.linalg.norm(position, axis=-1)
        if distance[0] < NEAR:
            near = NearField(self._order, self._rate)
            impulse = np.eye(1, round(NEAR_FIELD_DECAY * self._rate))[0]
            weights = near.weights(distance).T
            values = values * near.degrees(near.push(impulse), weights)[degrees(self._order)]
        return values.astype(np.float32)

    def late_reverberation(
        self, room: ShoeBox, *, order: int, seed: int
    ) -> Float32[np.ndarray, "channels frames"]:
        return ambisonic_reverberation(
            room, self._order, self._rate, order=order, seed=seed, reference=RADIUS
        )
