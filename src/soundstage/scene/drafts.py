"""Drafts: the events of a scene with their sounds and places, before they have times."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from soundstage.scene.description import SceneEvent
from soundstage.scene.event_sounds import EventSound, EventSounds
from soundstage.scene.placing import Place, places
from soundstage.scene.stems import MAX_STEM
from soundstage.scene.timing import Length

MOTION_SECONDS = 4.0  # least duration of a motion whose sound is a texture
STAGGER = (0.15, 0.6)  # range of the delays between sounds of one event, as shares of a sound
MOTION_STAGGER = 0.5  # delay between moving sounds of one event, as a share of a sound
MAX_STAGGER = 2.0  # s


@dataclass(frozen=True)
class Draft:
    """An event with its sounds, before it has a time."""

    event: SceneEvent
    index: int
    """Of the event in the scene."""
    places: Sequence[Place]
    """Of the sounds of an event at rest."""
    sounds: Sequence[EventSound]
    delays: Sequence[float]
    """Of its sounds, in s from its start."""
    is_continuous: bool
    """Whether it lasts to the end of the scene."""

    @property
    def is_spread(self) -> bool:
        """Whether one sound comes from several places."""
        return self.event.around and self.event.count == 1

    @property
    def length(self) -> Length:
        """Of all its sounds."""
        ends = [
            delay + sound.seconds for delay, sound in zip(self.delays, self.sounds, strict=True)
        ]
        moves = bool(self.event.trajectory) and self.sounds[0].is_texture
        return Length(max(*ends, MOTION_SECONDS if moves else 0.0), self.is_continuous)


def draft_event(
    events: Sequence[SceneEvent],
    index: int,
    azimuth: float,
    sounds: EventSounds,
    *,
    seconds: float | None,
    seed: int,
) -> Draft:
    """Find the sounds of an event.

    Args:
        events: of the scene.
        index: of the event.
        azimuth: of the event.
        sounds: finds or generates them.
        seconds: of the scene, if it is known.
        seed: of the take.

    Raises:
        OptionError: there is no sound for its words.
    """
    event, random = events[index], np.random.default_rng([seed, index])
    where = places(event, azimuth, random)
    is_continuous = event.loop or (event.around and event.count == 1 and event.seconds is None)
    wanted = event.seconds
    if is_continuous and seconds is not None:
        wanted = min(seconds, MAX_STEM)
    found = [
        sounds.sound(
            event, index=index, copy=copy, azimuth=where[copy].azimuth, seconds=wanted, seed=seed
        )
        for copy in range(event.count)
    ]
    if found[0].is_binaural:
        pairs = zip(where, found, strict=True)
        where = [replace(place, azimuth=sound.azimuth or 0.0) for place, sound in pairs]
    plain = event.seconds is None and event.count == 1 and not event.trajectory
    followed = any(other.after == index for other in events)
    is_continuous |= plain and found[0].is_texture and not followed
    return Draft(event, index, where, found, _delays(event, found, random), is_continuous)


def _delays(
    event: SceneEvent, sounds: Sequence[EventSound], random: np.random.Generator
) -> list[float]:
    """Delays of the sounds of one event, in s: each starts a part of the one before it later."""
    delays = [0.0]
    for sound in sounds[:-1]:
        share = MOTION_STAGGER if event.trajectory else random.uniform(*STAGGER)
        delays.append(delays[-1] + min(share * sound.seconds, MAX_STAGGER))
    return delays
