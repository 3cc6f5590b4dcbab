"""Scales, chord progressions and voicings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NOTE_NAMES = ("C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B")
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
# Degrees of the scale, from 0, one a bar
PROGRESSIONS = {
    "major": (
        (0, 4, 5, 3),
        (5, 3, 0, 4),
        (0, 3, 4, 3),
        (0, 5, 3, 4),
        (0, 3, 0, 4),
        (1, 4, 0, 0),
        (1, 4, 0, 5),
        (0, 5, 1, 4),
        (3, 4, 2, 5),
        (0, 2, 3, 4),
        (3, 0, 4, 5),
        (0, 4, 5, 2, 3, 0, 3, 4),
    ),
    "minor": (
        (0, 5, 2, 6),
        (0, 6, 5, 6),
        (0, 3, 4, 0),
        (0, 5, 3, 4),
        (0, 2, 6, 3),
        (5, 6, 0, 0),
        (3, 0, 4, 0),
        (0, 3, 6, 2, 5, 1, 4, 0),
    ),
    "dorian": ((0, 3, 0, 3), (0, 0, 3, 3), (0, 2, 3, 0), (0, 6, 3, 0)),
    "mixolydian": ((0, 6, 3, 0), (0, 0, 6, 3), (0, 3, 6, 3), (0, 4, 6, 0)),
}


@dataclass(frozen=True)
class Chord:
    """A chord and its place in the song."""

    start: float
    """In beats."""
    beats: float
    classes: tuple[int, ...]
    """Pitch classes, 0 to 11, from the root upwards."""
    meter: int = 4
    """Beats in a bar; beat 0 of the song starts a bar."""


@dataclass(frozen=True)
class Key:
    """A key."""

    tonic: int
    """Pitch class, 0 to 11."""
    mode: str
    """One of `SCALES`."""

    @property
    def name(self) -> str:
        """Such as "A minor"."""
        return f"{NOTE_NAMES[self.tonic]} {self.mode}"

    @property
    def classes(self) -> tuple[int, ...]:
        """Pitch classes of the scale."""
        return tuple((self.tonic + step) % 12 for step in SCALES[self.mode])

    def chord(self, degree: int, *, tones: int = 3) -> tuple[int, ...]:
        """Thirds on a degree of the scale; in minor, the dominant has a leading note.

        >>> Key(9, "minor").chord(4)
        (4, 8, 11)
        """
        scale = self.classes
        classes = [scale[(degree + 2 * tone) % 7] for tone in range(tones)]
        if self.mode == "minor" and degree == 4:
            classes[1] = (self.tonic - 1) % 12
        return tuple(classes)


def progression(
    key: Key, bars: int, meter: int, random: np.random.Generator, *, sevenths: float = 0.1
) -> list[Chord]:
    """Chords for a section that starts at beat 0.

    Args:
        key: of the song.
        bars: of the section.
        meter: beats in a bar.
        random: chooses the progression; two sections with equal generators have equal chords.
        sevenths: probability of a fourth tone.
    """
    options = PROGRESSIONS[key.mode]
    degrees = options[random.integers(len(options))]
    bars_each = 2 if len(degrees) * 2 <= bars and random.random() < 0.15 else 1
    halves = len(degrees) > 4 and meter == 4 and random.random() < 0.5
    beats = meter // 2 if halves else meter * bars_each
    tones = [4 if random.random() < sevenths else 3 for _ in degrees]
    chords = []
    for index, start in enumerate(range(0, bars * meter, beats)):
        place = index % len(degrees)
        classes = key.chord(degrees[place], tones=tones[place])
        chords.append(Chord(start, min(beats, bars * meter - start), classes, meter))
    return chords


def nearest_pitch(pitch_class: int, target: float) -> int:
    """The pitch of a class that is nearest to a MIDI number.

    >>> nearest_pitch(0, 61.0)
    60
    """
    return round(pitch_class + 12 * round((target - pitch_class) / 12))


def voicing(
    classes: Sequence[int], center: float, previous: Sequence[int] = (), *, size: int | None = None
) -> list[int]:
    """A close position of a chord, near a center and near the chord before it.

    Args:
        classes: pitch classes.
        center: wanted mean of the MIDI numbers.
        previous: pitches of the chord before it.
        size: number of pitches; the chord is doubled upwards or cut.

    >>> voicing((5, 9, 0), 62, [60, 64, 67])
    [57, 60, 65]
    """
    size = size or len(classes)
    best: list[int] = []
    least = float("inf")
    for turn in range(len(classes)):
        order = [*classes[turn:], *classes[:turn]]
        for octave in range(1, 9):
            pitches = [12 * octave + order[0]]
            while len(pitches) < size:
                step = (order[len(pitches) % len(order)] - pitches[-1]) % 12
                pitches.append(pitches[-1] + (step or 12))
            mean = sum(pitches) / size
            cost = abs(mean - center) * 2
            if previous:
                cost += abs(mean - sum(previous) / len(previous))
                cost -= sum(pitch in previous for pitch in pitches)
            if cost < least:
                least, best = cost, pitches
    return best
