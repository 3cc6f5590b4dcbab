"""The piece: fifteen bars in D major, written as chord symbols, patterns and one melody.

Every part is a list of `Note`s derived from the same chord chart. Two bars of introduction (one
guitar and the electric piano), four of verse (soft drums, bass, voice), eight of theme (everybody,
strings too, with the minor subdominant in its fifth bar), and a final chord.
"""

from dataclasses import dataclass, replace

BEATS_PER_MINUTE = 112.0
BEATS_PER_BAR = 4
SECONDS_PER_BEAT = 60 / BEATS_PER_MINUTE

CHART = (
    *("Dmaj9", "G6/D"),  # introduction
    *("D A/C#", "Bm7", "Gmaj7", "Em7 A7sus"),  # verse
    *("Gmaj7", "A/G F#m7", "Bm7", "Bm7/A", "Gm6", "D/F#", "Em9", "A7sus A7"),  # theme
    "Dmaj9",  # ending
)
BARS = len(CHART)
VERSE, THEME, ENDING = 2, 6, BARS - 1  # the bar, from 0, in which each begins

SPELLING = {  # the bass note first
    "Dmaj9": "D F# A C# E",
    "G6/D": "D G B E",
    "D": "D F# A E",
    "A/C#": "C# E A B",
    "Bm7": "B D F# A",
    "Gmaj7": "G B D F#",
    "Em7": "E G B D",
    "A7sus": "A D E G",
    "A/G": "G A C# E",
    "F#m7": "F# A C# E",
    "Bm7/A": "A B D F#",
    "Gm6": "G Bb D E",
    "D/F#": "F# A D E",
    "Em9": "E G B D F#",
    "A7": "A C# E G",
}
TONES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
PITCH_CLASS = {name: number for number, name in enumerate(TONES)}

# The melody from the verse on: pitch, beats and syllable; a rest is a dash.
MELODY = """
-:0.5 F#4:0.5:sa A4:1:lo B4:0.5:te A4:1.5:na
F#4:1.5:lu D4:0.5:di -:0.5 D4:0.5:ta E4:0.5:lo F#4:0.5:ne
G4:0.5:so F#4:1.5:la D4:1:no -:1
-:0.5 E4:0.5:ta G4:0.5:li A4:0.5:so B4:1:la C#5:1:te
D5:2:la B4:0.5:no A4:0.5:te B4:1:so
C#5:1.5:la A4:0.5:di E4:0.5:lo A4:1:sa -:0.5
-:0.5 B4:0.5:ta C#5:0.5:le D5:0.5:so F#5:1.5:la E5:0.5:no
D5:2:lo -:1 C#5:0.5:ta D5:0.5:le
E5:1.5:sa D5:0.5:lo Bb4:1.5:na A4:0.5:te
A4:2.5:la -:0.5 F#4:0.5:so A4:0.5:li
G4:1:ta F#4:0.5:lo E4:0.5:ne B4:1.5:sa G4:0.5:lo
A4:1.5:la B4:0.5:te C#5:1.5:so E5:0.5:na
D5:3:la
"""


@dataclass(frozen=True)
class Note:
    """One event of a part: times in beats from the start, pitch as a MIDI number, velocity to 1."""

    beat: float
    beats: float
    pitch: float
    velocity: float
    syllable: str = ""


def midi(name: str) -> int:
    """MIDI number of a note name with its octave: `midi("A4")` is 69."""
    return PITCH_CLASS[name[:-1]] + 12 * (int(name[-1]) + 1)


def chords() -> list[tuple[float, float, list[int]]]:
    """The chart as (first beat, beats, pitch classes with the bass first)."""
    chart = []
    for bar, symbols in enumerate(CHART):
        names = symbols.split()
        beats = BEATS_PER_BAR / len(names)
        for place, name in enumerate(names):
            classes = [PITCH_CLASS[tone] for tone in SPELLING[name].split()]
            chart.append((bar * BEATS_PER_BAR + place * beats, beats, classes))
    return chart


def chord_at(beat: float) -> list[int]:
    """Pitch classes of the chord that sounds at `beat`, the bass first."""
    return [classes for first, _, classes in chords() if first <= beat + 1e-9][-1]


def voicing(classes: list[int], lowest: int, count: int) -> list[int]:
    """The first `count` chord tones from MIDI number `lowest` upwards."""
    upwards = (pitch for pitch in range(lowest, lowest + 60) if pitch % 12 in classes)
    return [next(upwards) for _ in range(count)]


def dynamics(bar: int) -> float:
    """Velocity of the band in a bar, up to 1."""
    return 0.75 if bar < VERSE else 0.8 if bar < THEME else 0.9 + 0.012 * (bar - THEME)


def pattern(first_bar: int, last_bar: int, hits: str, pitch: float = 0) -> list[Note]:
    """A rhythm repeated over bars: sixteen characters, digits are velocities in tenths, 9 full."""
    notes = []
    for bar in range(first_bar, last_bar):
        for step, mark in enumerate(hits):
            if mark != "-":
                loud = (int(mark) + 1) / 10 * dynamics(bar)
                notes.append(Note(bar * BEATS_PER_BAR + step / 4, 0.25, pitch, loud))
    return notes


def drums() -> dict[str, list[Note]]:
    """The kit, a part for each drum; the pitch of a tom in MIDI, the others need none."""
    fill = pattern(THEME - 1, THEME, "--------6---7-8-", 48) + pattern(
        ENDING - 1, ENDING, "--------7-7-8---", 48
    )
    low_fill = pattern(THEME - 1, THEME, "-----------6---9", 43) + pattern(
        ENDING - 1, ENDING, "------------8-99", 43
    )
    return {
        "kick": pattern(VERSE, THEME, "9-----5-8-------")
        + pattern(THEME, ENDING, "9-----7-9--4----")
        + pattern(ENDING, BARS, "9---------------"),
        "snare": pattern(VERSE, THEME, "----6-------6--1")
        + pattern(THEME, ENDING, "----9--2-1--9--1")
        + pattern(ENDING, BARS, "8---------------"),
        "hi-hat": pattern(VERSE, THEME, "5-3-6-3-5-3-6-3-")
        + pattern(THEME, ENDING, "8-5-7-528-5-7-62"),
        "tom": fill + low_fill,
        "cymbal": pattern(THEME, THEME + 1, "9---------------")
        + pattern(THEME + 4, THEME + 5, "7---------------")
        + pattern(ENDING, BARS, "9---------------"),
        "shaker": pattern(0, VERSE, "4-1-3-1-4-1-3-12")
        + pattern(VERSE, ENDING, "4132413241324133"),
    }


def bass() -> list[Note]:
    """Roots with a fifth or octave on the way; the theme drives in eighths."""
    notes = []
    for beat, beats, classes in chords():
        bar = int(beat) // BEATS_PER_BAR
        if bar < VERSE:
            continue
        root = next(pitch for pitch in range(33, 45) if pitch % 12 == classes[0])
        above = next(p for p in range(root + 5, root + 12) if p % 12 in classes[1:])
        if bar == ENDING:
            steps = [(0.0, 4.5, root)]
        elif bar < THEME:
            steps = [(0.0, 1.4, root), (1.5, 0.45, root), (2.0, 1.2, above), (3.5, 0.45, root + 12)]
        else:
            walk = [root, root, root + 12, root, root, above, root + 12, above]
            steps = [(0.5 * i, 0.42, pitch) for i, pitch in enumerate(walk)]
        for start, length, pitch in steps:
            if start < beats:
                loud = dynamics(bar) * (0.95 if start in (0, 2) else 0.75)
                notes.append(Note(beat + start, length, pitch, loud))
    return notes


def strums() -> list[Note]:
    """Left guitar: rolled chords at both ends; down and up strokes over five strings between."""
    strokes = [(0, 1, 1.0), (1, 1, 0.75), (1.5, -1, 0.6), (2.5, -1, 0.7), (3, 1, 0.85)]
    strokes += [(3.5, -1, 0.6)]
    notes = []
    for bar in range(BARS):
        rolled = bar < VERSE or bar == ENDING
        for i, (beat, direction, loud) in enumerate(strokes[:1] if rolled else strokes):
            last = i + 1 == len(strokes) or rolled
            until = BEATS_PER_BAR if last else strokes[i + 1][0]
            until += 1 if bar == ENDING else 0
            start = bar * BEATS_PER_BAR + beat
            strings = voicing(chord_at(start), 50, 5)[::direction][: 5 if direction > 0 else 3]
            for order, pitch in enumerate(strings):
                late = (0.06 if rolled else 0.018) * order
                notes.append(
                    Note(start + late, until - beat, pitch, loud * dynamics(bar) * 0.95**order)
                )
    return notes


def arpeggio() -> list[Note]:
    """Right guitar: broken chords in eighths that ring into each other."""
    order = [0, 2, 3, 1, 4, 2, 3, 1]
    notes = []
    for bar in range(BARS):
        for step in range(8 if bar < ENDING else 5):
            beat = bar * BEATS_PER_BAR + step / 2
            pitch = voicing(chord_at(beat), 54, 5)[order[step] if bar < ENDING else step]
            loud = dynamics(bar) * (0.95 if step % 4 == 0 else 0.7)
            notes.append(Note(beat, 1.5 if bar < ENDING else 5 - step / 2, pitch, loud))
    return notes


def keys() -> list[Note]:
    """Electric piano: held chords with an answer off the beat."""
    notes = []
    for beat, beats, classes in chords():
        bar = int(beat) // BEATS_PER_BAR
        chord = voicing(classes, 57, 4)
        notes += [
            Note(beat, beats * (0.6 if bar < ENDING else 1.1), pitch, 0.75 * dynamics(bar))
            for pitch in chord
        ]
        if bar < ENDING:
            late = beat + (2.5 if beats > 2 else 1.5)
            notes += [Note(late, 0.5, pitch, 0.6 * dynamics(bar)) for pitch in chord[1:]]
    return sorted(notes, key=lambda note: note.beat)


def bowed() -> dict[str, list[Note]]:
    """Violins in three parts above the theme, and a cello on the bass line an octave up."""
    violins, cello = [], []
    for beat, beats, classes in chords():
        bar = int(beat) // BEATS_PER_BAR
        if bar >= THEME:
            length = beats if bar < ENDING else 3.0
            loud = 0.6 + 0.05 * (bar - THEME)
            violins += [Note(beat, length, p, loud) for p in voicing(classes, 66, 3)]
        if bar >= VERSE + 2:
            root = next(pitch for pitch in range(43, 55) if pitch % 12 == classes[0])
            cello.append(Note(beat, beats if bar < ENDING else 3.0, root, dynamics(bar)))
    return {"violins": violins, "cello": cello}


def voice() -> list[Note]:
    """The melody as notes, louder on long and on high ones."""
    notes, beat = [], float(VERSE * BEATS_PER_BAR)
    for token in MELODY.split():
        name, beats, *syllable = token.split(":")
        if name != "-":
            pitch = midi(name)
            loud = dynamics(int(beat) // BEATS_PER_BAR) * (0.62 + 0.022 * (pitch - 62))
            notes.append(Note(beat, float(beats), pitch, min(loud, 1.0), syllable[0]))
        beat += float(beats)
    return notes


def parts(first: int = 0, last: int = BARS) -> dict[str, list[Note]]:
    """Every part by its instrument's name: the notes of bars `first` to `last` − 1, from beat 0."""
    everything = drums() | bowed()
    everything |= {"bass": bass(), "voice": voice(), "electric piano": keys()}
    everything |= {"left guitar": strums(), "right guitar": arpeggio()}
    begin, end = first * BEATS_PER_BAR, last * BEATS_PER_BAR
    return {
        name: [replace(n, beat=n.beat - begin) for n in notes if begin <= n.beat < end]
        for name, notes in everything.items()
    }
