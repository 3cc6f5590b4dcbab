"""Drum parts: grooves of one bar, variations, fills and crashes.

A groove is one line of steps for each instrument: sixteenths, 16 in a bar of four beats, 12 in a
bar of three. `X` is an accent, `x` a normal, `o` a soft and `g` a ghost note.
"""

from collections.abc import Mapping

import numpy as np

from soundstage.corpora.multitracks.arrangement import Note, Section

STEPS = 4  # in a beat
VELOCITIES = {"X": 118, "x": 98, "o": 70, "g": 38}
LENGTH = 0.2  # of a note, in beats

KICK, SIDE_STICK, SNARE, CLAP = 36, 37, 38, 39
CLOSED_HAT, PEDAL_HAT, OPEN_HAT = 42, 44, 46
RIDE, RIDE_BELL, CRASHES = 51, 53, (49, 57)
TOMS = (50, 48, 47, 45, 43, 41)  # from high to low

Line = Mapping[int, str]

GROOVES: Mapping[str, tuple[Line, ...]] = {
    "rock": (
        {36: "X.......x.x.....", 38: "....X.......X...", 42: "x.o.x.o.x.o.x.o."},
        {36: "X..x..x...x.....", 38: "....X.......X..g", 42: "x.x.x.x.x.x.x.x."},
        {36: "X.x...x.x.x...x.", 38: "....X..g.g..X...", 51: "x.o.x.o.x.o.x.o."},
        {36: "X...X...X...X...", 38: "x.x.x.x.x.x.x.xx", 49: "X.......x......."},
        {36: "X.........x.....", 38: "....X.......X...", 46: "x...x...x...x..."},
        {36: "X.....x.X.......", 38: "........X.......", 42: "x.x.x.x.x.x.x.x."},
    ),
    "funk": (
        {36: "X..x..x...x..x..", 38: "....X..g.g.gX..g", 42: "xoxoxoxoxoxoxoxo"},
        {
            36: "X.x.......x..x..", 38: "....X..g.g..X.g.", 42: "x.xox.xox.xox.x.",
            46: "..............x.",
        },
        {36: "X.....x..xx.....", 38: "..g.X..x.g..X..x", 42: "x.x.x.x.x.x.x.x."},
    ),
    "disco": (
        {
            36: "X...X...X...X...", 38: "....X.......X...", 42: "x.......x.......",
            46: "..x...x...x...x.",
        },
        {36: "X...X...X...X...", 39: "....X.......X...", 42: "xoxoxoxoxoxoxoxo"},
        {
            36: "X...X...X...X..x", 39: "....x.......x...", 46: "..X...X...X...X.",
            70: "oooooooooooooooo",
        },
        {36: "X...X...X...X...", 37: "...x..x....x..x.", 42: "..x...x...x...x."},
    ),
    "breaks": (
        {36: "X.x.......xx....", 38: "....X..g.g..X..g", 42: "x.x.x.x.x.x.x.x."},
        {36: "X.........x.....", 38: "....X.......X...", 42: "x.xxx.x.x.xxx.x."},
        {36: "X.x.......x.....", 38: "....X..x.g..x.X.", 51: "x.x.x.x.x.x.x.x."},
    ),
    "hiphop": (
        {36: "X......x..x.....", 38: "....X.......X...", 42: "x.x.x.x.x.xxx.x."},
        {36: "X.....x...x..x..", 39: "........X.......", 42: "x.x.xxx.x.x.xxxx"},
        {
            36: "X..x......x.....", 38: "....X.......X...", 42: "x.oox.oox.oox.oo",
            56: "......o.......o.",
        },
    ),
    "jazz": (
        {
            51: "X...x..ox...x..o", 44: "....x.......x...", 36: "g...g...g...g...",
            38: "......g....g....",
        },
        {
            51: "X...x..ox...x..o", 44: "....x.......x...", 38: "...g......g..o..",
            36: "......o.........",
        },
        {
            51: "x...x...x...x...", 37: "............x...", 44: "....x.......x...",
            36: "X.......o.......",
        },
    ),
    "latin": (
        {36: "X..xx..xX..xx..x", 37: "x..x..x...x..x..", 42: "xoxoxoxoxoxoxoxo"},
        {36: "X..x....X..x....", 56: "x.x.xx.xx.x.xx.x", 63: "..o...x...o...xx"},
        {
            36: "X.....x.X.....x.", 75: "x..x..x...x.x...", 70: "xoxoxoxoxoxoxoxo",
            62: "..x...x...x...xx",
        },
    ),
    "ballad": (
        {36: "X.......x.......", 37: "....x.......x...", 42: "x.o.x.o.x.o.x.o."},
        {36: "X......xx.......", 38: "....x.......x...", 51: "x.o.x.o.x.o.x.o."},
        {36: "X.........x.....", 38: "........X.......", 42: "x...o...x...o..."},
    ),
    "reggae": (
        {36: "........X.......", 37: "........X.......", 42: "x.o.x.o.x.o.x.oo"},
        {36: "X...X...X...X...", 37: "......x.......x.", 42: "..x...x...x...x."},
    ),
    "march": (
        {36: "X...o...X...o...", 38: "..x...x...x.xxxx", 49: "................"},
        {36: "X.......x.......", 38: "x.oox.oox.oooooo", 57: "x..............."},
        {36: "X...x...X...x...", 38: "..xx..xx..xx.xxx"},
    ),
    "folk": (
        {54: "..x...x...x...x.", 36: "X.......x......."},
        {70: "x.o.x.o.x.o.x.o.", 61: "x..o..x...o.x...", 60: "....x.x......x.x"},
        {36: "X...x...X...x...", 54: "o.x.o.x.o.x.o.x."},
    ),
    "orchestral": (
        {47: "................", 36: "X...............", 81: "........o......."},
        {36: "X.......o.......", 38: "x..xx...x..xx.oo"},
        {49: "X...............", 36: "X.....x.X......."},
    ),
    "waltz": (
        {36: "X...........", 42: "....x...x...", 38: "....o...o..."},
        {36: "X.........x.", 38: "....x...x...", 51: "x...x.o.x..."},
        {51: "X...x..ox..o", 44: "....x.......", 36: "o..........."},
    ),
}  # fmt: skip
PERCUSSION: tuple[Line, ...] = (
    {54: "x.o.x.o.x.o.x.o."},
    {70: "xoxoxoxoxoxoxoxo"},
    {63: "..x...x...x...xx", 64: "......x.......x.", 62: "x...x...x...x..."},
    {60: "x.oxx.oxx.oxx.ox", 61: "..o...o...o...o."},
    {56: "x...x...x...x..."},
    {65: "x..x..x.....x.x.", 66: "..........x....."},
    {76: "x..x..x...x.x...", 77: "......o.......o."},
    {69: "x.xxx.xxx.xxx.xx"},
    {82: "o.x.o.x.o.x.o.x."},
)
_FILLS = ("x.x.x.x.", "xxxx.xxx", "x.xxx.xx", "....xxxx", "xx.xx.x.", "x..x..x.")


def drum_kit(
    family: str,
    section: Section,
    meter: int,
    choice: np.random.Generator,
    random: np.random.Generator,
) -> list[Note]:
    """A drummer's section.

    Args:
        family: one of `GROOVES`.
        section: played from its start.
        meter: beats in a bar; grooves of another length are cut or repeated.
        choice: chooses the groove; equal generators give the same groove in every chorus.
        random: draws variations and fills.
    """
    grooves = GROOVES["waltz" if meter == 3 and family != "orchestral" else family]
    groove = dict(grooves[choice.integers(len(grooves))])
    if section.energy > 0.8 and choice.random() < 0.4 and CLOSED_HAT in groove:
        groove[(OPEN_HAT, RIDE, RIDE_BELL)[choice.integers(3)]] = groove.pop(CLOSED_HAT)
    if section.energy < 0.45:  # a quiet section leaves out kick or snare
        for instrument in (KICK, SNARE, CLAP):
            if len(groove) > 1 and choice.random() < 0.4:
                groove.pop(instrument, None)
    notes = []
    for bar in range(section.bars):
        start = section.start + bar * meter
        ends = bar == section.bars - 1 and section.bars > 1
        fill = ends and random.random() < 0.75
        steps = meter * STEPS - (8 if fill else 0)
        notes += _bar(groove, start, steps, random)
        if fill:
            notes += _fill(start + steps / STEPS, family, random)
        if bar == 0 and section.energy > 0.6 and random.random() < 0.7:
            crash = CRASHES[random.integers(2)]
            notes.append(Note(start, 4 * LENGTH, crash, int(random.integers(90, 120))))
    return _softened(notes, section.energy)


def percussion(
    section: Section, meter: int, choice: np.random.Generator, random: np.random.Generator
) -> list[Note]:
    """Shakers, tambourines, congas and the like: one or two lines."""
    groove: dict[int, str] = {}
    for _ in range(choice.integers(1, 3)):
        groove |= PERCUSSION[choice.integers(len(PERCUSSION))]
    notes = []
    for bar in range(section.bars):
        notes += _bar(groove, section.start + bar * meter, meter * STEPS, random)
    return _softened(notes, section.energy)


def timpani(
    section: Section, meter: int, roots: list[tuple[float, int]], random: np.random.Generator
) -> list[Note]:
    """Strokes on the roots of chords, and rolls at the ends of sections.

    Args:
        section: played from its start.
        meter: beats in a bar.
        roots: beat and MIDI number of each chord's root.
        random: draws rhythms.
    """
    notes = []
    for beat, pitch in roots:
        notes.append(Note(beat, 1.0, pitch, int(random.integers(70, 110))))
        if random.random() < 0.4:
            notes.append(Note(beat + meter / 2, 1.0, pitch, int(random.integers(50, 90))))
    end = section.start + section.bars * meter
    if roots and random.random() < 0.6:
        roll = np.arange(end - 2, end, 0.125)
        notes += [
            Note(float(beat), 0.2, roots[-1][1], int(velocity))
            for beat, velocity in zip(roll, np.linspace(35, 110, len(roll)), strict=True)
        ]
    return notes


def _bar(groove: Line, start: float, steps: int, random: np.random.Generator) -> list[Note]:
    notes = []
    for instrument, line in groove.items():
        for step in range(steps):
            symbol = line[step % len(line)]
            if symbol == ".":
                if instrument in (KICK, SNARE) and step % 2 and random.random() < 0.02:
                    symbol = "g" if instrument == SNARE else "o"
                else:
                    continue
            elif symbol in "og" and random.random() < 0.06:
                continue
            if instrument == CLOSED_HAT and step % 4 == 2 and random.random() < 0.03:
                notes.append(Note(start + step / STEPS, 0.4, OPEN_HAT, 95))
                continue
            notes.append(Note(start + step / STEPS, LENGTH, instrument, VELOCITIES[symbol]))
    return notes


def _fill(start: float, family: str, random: np.random.Generator) -> list[Note]:
    """Half a bar of toms, snare or claps."""
    pattern = _FILLS[random.integers(len(_FILLS))]
    kind = random.random()
    notes = [Note(start, LENGTH, KICK, 100)]
    for step, symbol in enumerate(pattern):
        if symbol == ".":
            continue
        if family in ("march", "disco", "hiphop") or kind < 0.35:
            instrument = SNARE
        else:
            place = min(step // 2 + int(random.integers(2)), len(TOMS) - 1)
            instrument = TOMS[place] if random.random() < 0.8 else SNARE
        velocity = 75 + 4 * step + int(random.integers(-8, 9))
        notes.append(Note(start + step / STEPS, LENGTH, instrument, velocity))
    return notes


def _softened(notes: list[Note], energy: float) -> list[Note]:
    """Notes of a section with an energy below 1."""
    factor = 0.7 + 0.3 * energy
    return [
        Note(note.start, note.duration, note.pitch, max(round(note.velocity * factor), 1))
        for note in notes
    ]
