"""The sounds of an event, from a source, at the sample rate and level of the scene.

A dry source gives a mono sound that the renderer places. A binaural source gives both ears at one
of its azimuths: events that it cannot place, since they move, are above or below, or are all
around, come from a dry source instead.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from jaxtyping import Float32

from soundstage.audio import resample
from soundstage.errors import quoted
from soundstage.scene.description import SceneEvent
from soundstage.scene.levels import normalized
from soundstage.scene.placing import angle
from soundstage.scene.sources.event_names import is_texture, spoken
from soundstage.scene.sources.registry import DEFAULT_SOURCE, check_source, load_source
from soundstage.scene.sources.source import BinauralSource, DrySound, SoundSource, SourceOptions

ANNOUNCED = 1.0  # degrees: a direction that is off by more is announced


@dataclass(frozen=True)
class EventSound:
    """A sound of an event, at the rate and level of the scene."""

    samples: Float32[np.ndarray, "channels frames"]
    """Mono, or both ears."""
    rate: int
    source: str
    """Name in the registry."""
    title: str
    credit: Mapping[str, str] = field(default_factory=dict)
    bandwidth: float = math.inf
    """Highest frequency with content, in Hz."""
    label: str = ""
    """The class or file that the words matched."""
    is_texture: bool = False
    azimuth: float | None = None
    """Of binaural sound."""

    @property
    def seconds(self) -> float:
        """Length in s."""
        return self.samples.shape[1] / self.rate

    @property
    def is_binaural(self) -> bool:
        """Whether it has both ears."""
        return self.azimuth is not None


class EventSounds:
    """Finds or generates the sounds of events.

    Args:
        source: a name of the registry, or NAME=PLACE.
        options: of the source; its `log` gets announcements.
        rate: of the scene, in Hz.

    Raises:
        OptionError: there is no such source, or it cannot be loaded.
        InputError: the folder of the source cannot be read.
        WeightsError: the weights are missing or damaged.
    """

    def __init__(self, source: str, options: SourceOptions, rate: int) -> None:
        self._entry, _ = check_source(source)
        self._options, self._rate, self._log = options, rate, options.log
        self._source = load_source(source, options)
        self._fallback: SoundSource | None = None

    def sound(
        self,
        event: SceneEvent,
        *,
        index: int = 0,
        copy: int = 0,
        azimuth: float = 0.0,
        seconds: float | None = None,
        seed: int = 0,
    ) -> EventSound:
        """A sound for an event.

        Args:
            event: with its words.
            index: of the event in the scene.
            copy: number of the sound in the event.
            azimuth: of the sound, for a binaural source.
            seconds: wanted length; None is the natural length.
            seed: of the take.

        Raises:
            OptionError: the source has nothing for these words.
        """
        seed = seed * event.count + index + copy  # libraries take their recordings in turn
        if self._entry.kind == "binaural":
            reason = unplaceable(event)
            if reason is None:
                return self._binaural(event, azimuth, seed)
            if copy == 0:
                self._log(
                    f"{self._entry.name} cannot place {quoted(event.text)}, which {reason}: it "
                    f"comes from {DEFAULT_SOURCE} and is placed with the HRTF set."
                )
            return self._dry(self._dry_source(), event, seconds, seed)
        return self._dry(cast(SoundSource, self._source), event, seconds, seed)

    def _dry_source(self) -> SoundSource:
        if self._fallback is None:
            self._fallback = cast(SoundSource, load_source(DEFAULT_SOURCE, self._options))
        return self._fallback

    def _dry(
        self, source: SoundSource, event: SceneEvent, seconds: float | None, seed: int
    ) -> EventSound:
        found: DrySound = source.sound(event.text, seconds=seconds, seed=seed)
        level = normalized(found.samples[None], found.rate)
        return EventSound(
            resample(level, found.rate, self._rate),
            self._rate,
            source.name,
            found.title,
            found.credit,
            min(found.bandwidth, found.rate / 2),
            found.label,
            found.loopable,
        )

    def _binaural(self, event: SceneEvent, azimuth: float, seed: int) -> EventSound:
        source = cast(BinauralSource, self._source)
        nearest = min(source.azimuths, key=lambda each: angle(each, azimuth))
        if angle(nearest, azimuth) > ANNOUNCED:
            self._log(
                f"{source.name} has {len(source.azimuths)} directions: {quoted(event.text)} is at "
                f"{nearest:g}° instead of {azimuth:g}°."
            )
        label = source.label(event.text)
        ears, rate = source.binaural(event.text, nearest, seed=seed)
        return EventSound(
            resample(normalized(ears, rate), rate, self._rate),
            self._rate,
            source.name,
            f"generated by {source.name}",
            bandwidth=rate / 2,
            label=spoken(label),
            is_texture=is_texture(label),
            azimuth=nearest,
        )


def unplaceable(event: SceneEvent) -> str | None:
    """Why a binaural source cannot place an event; None if it can."""
    if event.trajectory:
        return "moves"
    if event.around:
        return "is all around"
    if event.elevation:
        return "is not at ear height"
    return None
