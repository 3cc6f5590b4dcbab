"""From a description to a scene file and its stems: which sounds play where, when and how loud.

Each event gets its sounds (`event_sounds`), places (`placing`), times (`timing`) and stems
(`stems`). The result is the content of a scene file and one dry stem for each of its sources, so
that the scene renders again bit for bit, and every decision can be read and changed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from soundstage.audio import Audio
from soundstage.binaural import ShoeBox
from soundstage.binaural.scene_files import MAX_SOURCES
from soundstage.errors import OptionError, quoted
from soundstage.scene.composed import ComposedScene, PlacedEvent, credits_of, stem_name
from soundstage.scene.description import SceneDescription, SceneEvent
from soundstage.scene.drafts import Draft, draft_event
from soundstage.scene.event_sounds import EventSound, EventSounds
from soundstage.scene.levels import AMBIENCE, FAINTEST, distance_gain
from soundstage.scene.placing import (
    Place,
    chosen_azimuths,
    is_chosen,
    is_periodic,
    motion,
    motion_words,
    trajectory_of,
)
from soundstage.scene.rooms import fitting_share, room_entry, share_inside
from soundstage.scene.stems import Playing, seam_of, stem
from soundstage.scene.timing import Schedule, Span, schedule

AIR_FROM = 15.0  # m: from here on air absorption is audible
LEAST_PART = 0.1  # s that a delayed sound of an event keeps
JUST_SHORTER = 0.99  # of the length of events; a smaller share is reported
_GAIN_DIGITS, _TIME_DIGITS = 2, 4


@dataclass(frozen=True)
class LayoutOptions:
    """What the user sets beside the prompt.

    Attributes:
        seconds: of the scene; None is as long as its events.
        rate: in Hz.
        bit_depth: of the file.
        seed: of the take.
        loop: the end continues at the start.
        room: None has no walls.
        hrtf: HRTF set; None is KEMAR.
    """

    seconds: float | None = None
    rate: int = 48_000
    bit_depth: str = "24"
    seed: int = 0
    loop: bool = False
    room: ShoeBox | None = None
    hrtf: str | None = None


class Layout:
    """Lays a scene out.

    Args:
        description: of the scene.
        sounds: finds or generates the sounds of its events.
        options: beside the prompt.
        log: called with a line for each decision that the prompt left open.
    """

    def __init__(
        self,
        description: SceneDescription,
        sounds: EventSounds,
        options: LayoutOptions,
        log: Callable[[str], None],
    ) -> None:
        self._description, self._sounds = description, sounds
        self._options, self._log = options, log
        self._stems: dict[str, Audio] = {}
        self._origins: dict[str, EventSound] = {}
        self._sources: list[dict[str, Any]] = []
        self._farthest = 0.0  # m

    def compose(self, progress: Callable[[float], None]) -> ComposedScene:
        """The scene.

        Args:
            progress: called with the share of the events that have their sounds.

        Raises:
            OptionError: there is no sound for an event, it starts after the end of the scene, or
                there are too many sounds.
        """
        events = self._description.events
        drafts = []
        for index, azimuth in enumerate(chosen_azimuths(events)):
            drafts.append(
                draft_event(
                    self._description.events,
                    index,
                    azimuth,
                    self._sounds,
                    seconds=self._options.seconds,
                    seed=self._options.seed,
                )
            )
            progress((index + 1) / len(events))
        times = schedule(events, [draft.length for draft in drafts], self._options.seconds)
        if times.share < JUST_SHORTER:
            self._log(
                f"Events are shortened to {100 * times.share:.0f} % of their length, to end "
                f"within {times.seconds:g} s."
            )
        has_events = not all(draft.is_continuous for draft in drafts)
        placed = tuple(
            self._placed(draft, span, AMBIENCE if has_events and draft.is_continuous else 0.0)
            for draft, span in zip(drafts, times.spans, strict=True)
        )
        if len(self._sources) > MAX_SOURCES:
            raise OptionError(
                f"The scene has {len(self._sources)} sounds, but at most {MAX_SOURCES} are "
                "rendered: leave events out, or make fewer of a kind."
            )
        self._raise_faint(placed)
        document = self._document(times)
        return ComposedScene(self._description, document, self._stems, self._origins, placed)

    def _placed(self, draft: Draft, span: Span, offset: float) -> PlacedEvent:
        """Add the sources of an event.

        Args:
            draft: of the event.
            span: its time.
            offset: gain in dB, beside that of the prompt.
        """
        event, first = draft.event, len(self._sources)
        gain = event.gain_db + offset
        if event.trajectory:
            words, nearest = motion_words(event), self._add_moving(draft, span, gain)
        else:
            where = [self._inside(event, place) for place in draft.places]
            nearest = min(place.distance for place in where)
            words = _words(event, where)
            self._add_resting(draft, span, gain, where)
        if is_chosen(event):
            self._log(f"The prompt states no direction of {quoted(event.text)}: it is at {words}.")
        files = tuple(source["file"] for source in self._sources[first:])
        level = gain + distance_gain(nearest)
        return PlacedEvent(event.text, words, span.start, span.end, files, level)

    def _add_resting(self, draft: Draft, span: Span, gain: float, where: Sequence[Place]) -> None:
        shared = 10 * np.log10(len(where)) if draft.is_spread else 0.0  # equal power together
        for number, place in enumerate(where):
            sound = draft.sounds[0 if draft.is_spread else number]
            start, seconds = self._part(draft, span, number)
            playing = Playing(
                seconds,
                is_texture=draft.is_continuous or draft.is_spread or _is_filling(sound, seconds),
                wraps=self._wraps(draft, span),
                turn=number / len(where) if draft.is_spread else 0.0,
                seed=draft.index,
            )
            own = distance_gain(place.distance) if sound.is_binaural else 0.0
            self._farthest = max(self._farthest, place.distance)
            self._add(draft, number, place.entry(), start, gain + own - shared, playing)

    def _add_moving(self, draft: Draft, span: Span, gain: float) -> float:
        """Returns the smallest distance, in meters."""
        nearest = np.inf
        for number, sound in enumerate(draft.sounds):
            start, seconds = self._part(draft, span, number)
            is_texture = draft.is_continuous or _is_filling(sound, seconds)
            if not is_texture and draft.event.seconds is None:
                seconds = min(seconds, sound.seconds)
            wraps = self._wraps(draft, span)
            seam = seam_of(seconds) if wraps and not is_periodic(draft.event) else 0.0
            points = self._motion_inside(draft.event, start, seconds + seam)
            path = trajectory_of(points)
            nearest = min(nearest, path.min_distance)
            self._farthest = max(self._farthest, path.max_distance)
            playing = Playing(seconds, is_texture, wraps, seam, seed=draft.index)
            self._add(draft, number, {"trajectory": points}, start, gain, playing)
        return float(nearest)

    def _part(self, draft: Draft, span: Span, number: int) -> tuple[float, float]:
        """Start and longest duration of a sound of an event, in seconds."""
        delay = draft.delays[0 if draft.is_spread else number]
        start = max(min(span.start + delay, span.end - LEAST_PART), span.start)
        return round(start, _TIME_DIGITS), span.end - start

    def _wraps(self, draft: Draft, span: Span) -> bool:
        return self._options.loop and draft.is_continuous and span.start == 0

    def _add(
        self,
        draft: Draft,
        number: int,
        place: dict[str, Any],
        start: float,
        gain: float,
        playing: Playing,
    ) -> None:
        """Add a source of the scene file, and its stem."""
        several = draft.is_spread or draft.event.count > 1
        file = stem_name(draft.index + 1, draft.event.text, number + 1 if several else None)
        sound = draft.sounds[0 if draft.is_spread else number]
        if sound.is_binaural and playing.is_texture and sound.seconds < playing.seconds:
            self._log(
                f"{quoted(draft.event.text)} is continued by crossfades: {sound.source} generates "
                f"{sound.seconds:.1f} s."
            )
        if sound.is_binaural and self._options.room is not None:
            self._log(
                f"{quoted(draft.event.text)} is outside the room: {sound.source} generates both "
                "ears in free field."
            )
        samples, played = stem(sound, playing)
        self._stems[file] = Audio(samples, sound.rate)
        self._origins[file] = sound
        values: dict[str, Any] = {"gain": round(float(gain), _GAIN_DIGITS), "start": start}
        if sound.is_binaural:
            values["binaural"] = True
        self._sources.append({"file": file} | place | values | played)

    def _inside(self, event: SceneEvent, place: Place) -> Place:
        """The place, or a nearer one inside the room."""
        if self._options.room is None:
            return place
        share = fitting_share(self._options.room, place.position[None])
        if share == 1:
            return place
        nearer = replace(place, distance=_rounded_down(share * place.distance))
        self._log(
            f"{quoted(event.text)} is {nearer.distance:.3g} m away instead of {place.distance:.3g} "
            "m, to be inside the room."
        )
        return nearer

    def _motion_inside(
        self, event: SceneEvent, start: float, seconds: float
    ) -> list[dict[str, Any]]:
        """The points of a motion, or of a smaller one inside the room."""
        points = motion(event, start, seconds)
        if self._options.room is None:
            return points
        share = _rounded_down(share_inside(self._options.room, trajectory_of(points)))
        if share == 1:
            return points
        self._log(
            f"The distances of {quoted(event.text)} are {100 * share:.0f} % of those described, "
            "to be inside the room."
        )
        return motion(event, start, seconds, share)

    def _raise_faint(self, placed: Sequence[PlacedEvent]) -> None:
        """Raise a scene in which everything is far away or quiet."""
        missing = round(FAINTEST - max(event.level for event in placed), _GAIN_DIGITS)
        if missing <= 0:
            return
        for source in self._sources:
            source["gain"] = round(source["gain"] + missing, _GAIN_DIGITS)
        self._log(f"All sounds are faint: the scene is raised by {missing:.1f} dB.")

    def _document(self, times: Schedule) -> dict[str, Any]:
        """The content of the scene file."""
        options = self._options
        document: dict[str, Any] = {"sources": self._sources}
        if options.seconds is not None or options.loop:
            document["seconds"] = times.seconds
        if options.loop:
            document["loop"] = True
        document |= {"rate": options.rate, "bit_depth": options.bit_depth, "seed": options.seed}
        if options.room is not None:
            document["room"] = room_entry(options.room)
        if options.hrtf is not None:
            document["hrtf"] = options.hrtf
        if self._farthest >= AIR_FROM:
            document["air"] = True
        tags = {
            "title": self._description.text,
            "comment": "; ".join(credits_of(self._origins.values())),
        }
        return document | {"tags": {name: text for name, text in tags.items() if text}}


def _is_filling(sound: EventSound, seconds: float) -> bool:
    """Whether a texture is made longer."""
    return sound.is_texture and sound.seconds < seconds


def _words(event: SceneEvent, where: Sequence[Place]) -> str:
    """Places for the user."""
    if event.around:
        return f"all around, from {len(where)} directions, {where[0].distance:.3g} m away"
    if event.count > 1:
        middle = replace(where[0], azimuth=(where[0].azimuth + where[-1].azimuth) / 2)
        return f"{event.count} sounds around {middle.words}"
    return where[0].words


def _rounded_down(value: float) -> float:
    """To three digits after the point, so that what fits still fits."""
    return float(np.floor(1e3 * value + 1e-9) / 1e3)
