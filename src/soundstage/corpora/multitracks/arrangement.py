"""A band arrangement: the notes of every part, without a sound.

Composers write notes in beats; `Groove` moves them to seconds, with swing and small deviations, as
players do.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Kind = Literal["drums", "bass", "voice", "object"]
"""The kinds of stems in the manifest; voices are choirs, and objects all other instruments."""

PITCH_BEND = 128  # as a controller number, after those of MIDI, 0 to 127
PITCHES = (12, 119)  # MIDI, C0 to B8


@dataclass(frozen=True)
class Note:
    """A note; times in beats while a part is composed, in seconds in a `Part`."""

    start: float
    duration: float
    pitch: int
    """MIDI number; on a drum kit the instrument."""
    velocity: int
    """1 to 127."""


@dataclass(frozen=True)
class Change:
    """A new value of a MIDI controller, 0 to 127, or of the pitch bend, −1 to 1 (2 semitones)."""

    start: float
    """In seconds."""
    controller: int
    value: float


@dataclass(frozen=True)
class Sound:
    """What plays a part."""

    program: int
    """General MIDI, 0 to 127; of a drum kit its GS number."""
    kit: bool = False
    """Whether the program is a drum kit."""
    electronic: str | None = None
    """Name of a sound of `electronic_sounds`, in place of a soundfont."""


@dataclass(frozen=True)
class Part:
    """One player of a band."""

    name: str
    """Unique in the song, such as "lead guitar"."""
    kind: Kind
    sound: Sound
    notes: tuple[Note, ...]
    """By start."""
    changes: tuple[Change, ...]
    level: float
    """Loudness in the mix, in LU relative to drums."""


@dataclass(frozen=True)
class Section:
    """A section of a song, such as a chorus."""

    name: str
    start: float
    """In beats."""
    bars: int
    energy: float
    """0 to 1; fuller sections have more players and louder notes."""


@dataclass(frozen=True)
class Arrangement:
    """A song."""

    style: str
    tempo: float
    """Beats per minute."""
    meter: int
    """Beats in a bar."""
    key: str
    """Such as "A minor"."""
    sections: tuple[Section, ...]
    parts: tuple[Part, ...]
    seconds: float
    """From the first beat to the end of the last bar."""


@dataclass(frozen=True)
class Groove:
    """Timing of a band."""

    tempo: float
    """Beats per minute."""
    swing: float
    """Place of the off-beat in its pair, 0.5 (straight) to 0.67 (triplets)."""
    pair: float
    """Beats of the pair that swings: 1 for eighths, 0.5 for sixteenths."""
    looseness: float
    """Standard deviation of starts, in seconds; 0 is a machine."""

    def seconds(self, beat: float) -> float:
        """The time of a beat.

        >>> Groove(60, 0.6, 1, 0).seconds(2.5)
        2.6
        """
        pairs, place = divmod(beat / self.pair, 1)
        late = 2 * self.swing * place
        if place >= 0.5:
            late = self.swing + (place - 0.5) * 2 * (1 - self.swing)
        return (pairs + late) * self.pair * 60 / self.tempo

    def played(self, notes: Iterable[Note], random: np.random.Generator) -> tuple[Note, ...]:
        """Notes in seconds, with deviations of time and velocity, by start."""
        spread = 6 if self.looseness else 2
        result = []
        for note in notes:
            start = self.seconds(note.start)
            duration = max(self.seconds(note.start + note.duration) - start, 0.02)
            late = random.normal(0, self.looseness) if self.looseness else 0.0
            velocity = round(note.velocity + random.normal(0, spread))
            result.append(
                replace(
                    note,
                    start=max(start + late, 0.0),
                    duration=duration,
                    velocity=min(max(velocity, 1), 127),
                )
            )
        return tuple(sorted(result, key=lambda note: (note.start, note.pitch)))
