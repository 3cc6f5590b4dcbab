"""Pitched parts: bass lines, comping, arpeggios, melodies and long notes.

Each function writes one section in beats. `choice` chooses what a listener recognizes, such as a
rhythm; generators with equal seeds give the same in every chorus. `random` draws variations.
"""

from collections.abc import Sequence

import numpy as np

from soundstage.corpora.multitracks.arrangement import PITCHES, Note
from soundstage.corpora.multitracks.harmony import Chord, nearest_pitch, voicing

Random = np.random.Generator

# Sixteenths of a bar; `x` a note, `m` a muted note, `o` a soft note, `-` the note before it goes on
BASS_RHYTHMS = {
    "held": ("x---------------", "x-------x-------"),
    "pulse": ("x.x.x.x.x.x.x.x.", "x-x-x-x-x-x-x-x-", "x---x---x---x---"),
    "fifths": ("x---....x---....", "x-----x-x-----x-"),
    "funk": ("x..x..m.x.mx..x.", "x.m..xx...x.mx..", "x...x.mx..x..xm.", "xm.xm.x...x.x.m."),
    "syncopated": ("x--x--x-x--x--x-", "x--x--x---x-x---", "x-----x-..x-x-x-"),
    "offbeat": ("..x-..x-..x-..x-", "..xx..xx..xx..xx"),
    "octaves": ("x.x.x.x.x.x.x.x.",),
    "sixteenths": (".xxx.xxx.xxx.xxx", "xxxxxxxxxxxxxxxx", "x.xxx.xxx.xxx.xx"),
    "slow": ("x---------x-----", "x-----------x-x-", "x-------..x-----"),
}
COMP_RHYTHMS = {
    "held": ("x---------------",),
    "halves": ("x-------x-------",),
    "quarters": ("x--.x--.x--.x--.", "x.x.x.x.x.x.x.x."),
    "strum": ("x---x-o-..o-x-o-", "x-o-x-o-x-o-x-o-", "x-----o-x-o-..o-", "x-x-o-x-x-x-o-x-"),
    "offbeat": ("....x.......x...", "..x...x...x...x.", "..x...x...x...xx"),
    "charleston": ("x-----x.........", "......x-....x---", "x--.......x--...", "..x-....x-------"),
    "stabs": ("x.............x.", "x..x..x.........", "............x.xx", "x.x.......x.x..."),
    "funk": ("m.xmm.mxm.x.mmxm", "x.mm..x.mmx.m.xm", "..x.m.xx..m.x.m."),
    "house": ("x..x..x...x..x..", "x..x..x..x..x.x.", "..x..x..x..x..x."),
    "pulse": ("xxxxxxxxxxxxxxxx", "x.x.x.x.x.x.x.x.", "xmmxmmxmxmmxmmxm"),
    "tremolo": ("xxxxxxxxxxxxxxxx",),
}
# Beats of the notes of a melody; negative values are rests
CELLS = {
    "calm": ((2, 1, 1), (3, 1), (4,), (2, 2), (1, 1, 2), (-1, 1, 2), (1.5, 0.5, 2), (3, -1)),
    "moving": (
        (1, 0.5, 0.5, 2),
        (0.5, 0.5, 0.5, 0.5, 1, 1),
        (1.5, 0.5, 1, 1),
        (-0.5, 0.5, 0.5, 0.5, 2),
        (1.5, 1.5, 1),
        (0.5, 1, 0.5, 2),
        (-1, 0.5, 0.5, 1, 1),
    ),
    "busy": (
        (0.25, 0.25, 0.5, 0.5, 0.5, 0.5, 0.5, 1),
        (0.5,) * 8,
        (0.75, 0.75, 0.5, 0.5, 0.5, 1),
        (-0.5, 0.25, 0.25, 0.5, 0.5, 0.5, 0.5, 1),
        (0.25,) * 8 + (1, 1),
        (1 / 3,) * 6 + (1, -1),
    ),
}


def bass_line(
    pattern: str, chords: Sequence[Chord], center: float, choice: Random, random: Random
) -> list[Note]:
    """A bass line.

    Args:
        pattern: one of `BASS_RHYTHMS`, or "walking".
        chords: of the section, from its first beat on.
        center: wanted MIDI number of roots.
        choice: chooses the rhythm.
        random: draws variations.
    """
    if pattern == "walking":
        return _walking(chords, center, random)
    rhythms = BASS_RHYTHMS[pattern]
    rhythm = rhythms[choice.integers(len(rhythms))]
    fifth = {"fifths": 1.0, "octaves": 0.0, "sixteenths": 0.05}.get(pattern, 0.15)
    octave = {"octaves": 1.0, "funk": 0.4, "sixteenths": 0.1}.get(pattern, 0.06)
    notes = []
    for chord in chords:
        root = nearest_pitch(chord.classes[0], center)
        fifth_pitch = nearest_pitch(chord.classes[2], center)
        for place, (start, duration, symbol) in enumerate(_steps(rhythm, chord)):
            pitch = root
            if place % 2 and random.random() < octave:
                pitch = root + 12
            elif place % 2 and random.random() < fifth:
                pitch = fifth_pitch
            elif place and random.random() < 0.08:
                pitch = nearest_pitch(int(random.choice(chord.classes)), center)
            velocity = 60 if symbol == "m" else 100 if place == 0 else 90
            length = 0.1 if symbol == "m" else duration
            notes.append(Note(start, length, pitch, velocity))
    return notes


def _walking(chords: Sequence[Chord], center: float, random: Random) -> list[Note]:
    """Quarters: root, chord or scale tones, and a half tone before the next root."""
    notes = []
    for chord, following in zip(chords, [*chords[1:], chords[0]], strict=True):
        pitch = nearest_pitch(chord.classes[0], center)
        goal = nearest_pitch(following.classes[0], center)
        beats = max(round(chord.beats), 1)
        for beat in range(beats):
            notes.append(Note(chord.start + beat, 0.9, pitch, 95 if beat % 2 else 88))
            if random.random() < 0.12:
                notes.append(Note(chord.start + beat + 0.5, 0.3, pitch, 60))
            if beat == beats - 2:
                pitch = goal + (1 if random.random() < 0.5 else -1)
            else:
                target = pitch + random.choice([-4, -3, 3, 4, 5])
                pitch = nearest_pitch(int(random.choice(chord.classes)), target)
                pitch = int(np.clip(pitch, center - 9, center + 10))
    return notes


def comping(
    pattern: str,
    chords: Sequence[Chord],
    center: float,
    choice: Random,
    random: Random,
    *,
    size: int = 3,
    strummed: bool = False,
    power: bool = False,
) -> list[Note]:
    """Chords in a rhythm.

    Args:
        pattern: one of `COMP_RHYTHMS`.
        chords: of the section.
        center: wanted mean of the MIDI numbers.
        choice: chooses the rhythm.
        random: draws variations.
        size: pitches in a chord.
        strummed: whether strings start one after the other, down and up in turn.
        power: only root, fifth and octave.
    """
    rhythms = COMP_RHYTHMS[pattern]
    rhythm = rhythms[choice.integers(len(rhythms))]
    notes: list[Note] = []
    pitches: list[int] = []
    for chord in chords:
        if power:
            root = nearest_pitch(chord.classes[0], center)
            pitches = [root, root + 7, root + 12][:size]
        else:
            pitches = voicing(chord.classes, center, pitches, size=size)
        for place, (start, duration, symbol) in enumerate(_steps(rhythm, chord)):
            if symbol == "o" and random.random() < 0.15:
                continue
            muted = symbol == "m"
            velocity = {"x": 92, "o": 72, "m": 50}[symbol] + (6 if place == 0 else 0)
            order = pitches[::-1] if strummed and place % 2 else pitches
            if strummed and symbol == "o":
                order = order[: max(size - 2, 2)]
            for string, pitch in enumerate(order):
                late = 0.02 * string if strummed else 0.0
                length = 0.08 if muted else max(duration - late, 0.1)
                notes.append(Note(start + late, length, pitch, velocity))
    return notes


def arpeggio(
    chords: Sequence[Chord],
    center: float,
    choice: Random,
    random: Random,
    *,
    step: float | None = None,
    ringing: bool = False,
) -> list[Note]:
    """Broken chords.

    Args:
        chords: of the section.
        center: MIDI number in the middle of the range.
        choice: chooses order, range and accents.
        random: leaves out some notes.
        step: beats of a note, chosen if not given.
        ringing: whether notes last to the end of the chord, as with a pedal.
    """
    order = ("up", "down", "updown", "random", "alberti")[choice.integers(5)]
    step = step or (0.5, 0.25, 0.25)[choice.integers(3)]
    octaves = int(choice.integers(1, 3))
    gate = (0.4, 0.8, 1.0)[choice.integers(3)]
    accents = choice.integers(60, 110, 8)
    holes = 0.12 * choice.random()
    seed = int(choice.integers(1 << 30))
    notes = []
    pitches: list[int] = []
    for chord in chords:
        pitches = voicing(chord.classes, center - 6 * (octaves - 1), pitches)
        ladder = [pitch + 12 * octave for octave in range(octaves) for pitch in pitches]
        cycle = {
            "up": ladder,
            "down": ladder[::-1],
            "updown": ladder + ladder[-2:0:-1],
            "alberti": [ladder[0], ladder[-1], ladder[len(ladder) // 2], ladder[-1]],
            "random": list(np.random.default_rng(seed).choice(ladder, 16)),
        }[order]
        for place in range(round(chord.beats / step)):
            start = chord.start + place * step
            if random.random() < holes:
                continue
            length = chord.start + chord.beats - start if ringing else step * gate
            pitch = int(cycle[place % len(cycle)])
            notes.append(Note(start, length, pitch, int(accents[place % 8])))
    return notes


def melody(
    cells: str,
    chords: Sequence[Chord],
    scale: Sequence[int],
    center: float,
    choice: Random,
    random: Random,
) -> list[Note]:
    """A melody of phrases: a motif, its repetition on other chords, a contrast, the motif again.

    Args:
        cells: one of `CELLS`.
        chords: of the section.
        scale: pitch classes.
        center: MIDI number about which the melody moves.
        choice: draws the motif.
        random: draws ornaments and rests.
    """
    end = chords[-1].start + chords[-1].beats
    start = chords[0].start
    motifs = [_motif(cells, choice) for _ in range(2)]
    notes = []
    for phrase in range(int(np.ceil((end - start) / 4))):
        if phrase % 4 == 3 and random.random() < 0.25:
            continue  # a breath
        beat = start + 4 * phrase
        pitch = float(center + choice.integers(-4, 5)) if phrase % 4 == 2 else float(center)
        for length, step in motifs[phrase % 4 == 2]:
            sounding = next(chord for chord in reversed(chords) if chord.start <= beat)
            strong = beat % 1 == 0 and abs(length) >= 1
            pitch = float(np.clip(pitch + 1.8 * step, center - 10, center + 10))
            allowed = sounding.classes if strong else scale
            played = _closest(pitch, allowed)
            if length > 0 and beat + length <= end + 1e-6:
                velocity = 96 if beat % 1 == 0 else 86
                if random.random() < 0.06 and length >= 1:  # a grace note
                    notes.append(Note(beat, 0.12, played - 1, 70))
                    notes.append(Note(beat + 0.12, length * 0.92 - 0.12, played, velocity))
                else:
                    notes.append(Note(beat, length * 0.92, played, velocity))
            beat += abs(length)
            if beat >= end:
                break
    return notes


def _closest(target: float, classes: Sequence[int]) -> int:
    pitches = [nearest_pitch(tone, target) for tone in classes]
    return min(pitches, key=lambda pitch: abs(pitch - target))


def _motif(cells: str, choice: Random) -> list[tuple[float, int]]:
    """Lengths in beats (negative: a rest) and steps of the scale, for four beats."""
    options = CELLS[cells]
    lengths = options[choice.integers(len(options))]
    steps = choice.choice([-3, -2, -1, -1, 0, 1, 1, 2, 4], len(lengths))
    return [(float(length), int(step)) for length, step in zip(lengths, steps, strict=True)]


def guide_tones(
    chords: Sequence[Chord], center: float, choice: Random, random: Random, *, size: int = 1
) -> list[Note]:
    """Long notes that move as little as possible, one to three voices, over the chords."""
    tone = int(choice.integers(3))
    doubled = choice.random() < 0.3
    notes = []
    pitches: list[int] = []
    for chord in chords:
        if size > 1:
            pitches = voicing(chord.classes, center, pitches, size=size)
        else:
            target = pitches[0] if pitches else center
            target = center if abs(target - center) > 7 else target
            pitches = [nearest_pitch(chord.classes[tone], target)]
        played = [*pitches, pitches[0] + 12] if doubled and size == 1 else pitches
        halves = chord.beats >= 4 and random.random() < 0.25
        for part in range(2 if halves else 1):
            length = chord.beats / (2 if halves else 1)
            for pitch in played:
                moved = pitch if part == 0 else nearest_pitch(chord.classes[(tone + 1) % 3], pitch)
                start = chord.start + part * length
                notes.append(Note(start, length * 0.98, moved if size == 1 else pitch, 82))
    return notes


def in_range(notes: Sequence[Note], low: int, high: int) -> list[Note]:
    """Notes moved by octaves into the range of an instrument, within `PITCHES`."""
    low, high = max(low, PITCHES[0]), min(high, PITCHES[1])
    result = []
    for note in notes:
        pitch = note.pitch
        while pitch < low:
            pitch += 12
        while pitch > high:
            pitch -= 12
        result.append(Note(note.start, note.duration, pitch, note.velocity))
    return result


def _steps(rhythm: str, chord: Chord) -> list[tuple[float, float, str]]:
    """Start, length (both in beats) and symbol of the notes of a rhythm while a chord lasts.

    The rhythm counts from the start of the bar, so that a chord of half a bar has its half of it.
    """
    bar = 4 * chord.meter
    if not {"x", "o"} & set(rhythm[:bar]):
        rhythm = rhythm[-bar:]
    first = round(chord.start * 4)
    count = round(chord.beats * 4)
    found: list[tuple[float, float, str]] = []
    for step in range(count):
        symbol = rhythm[(first + step) % bar % len(rhythm)]
        if symbol == "-" and step == 0:
            symbol = "x"
        if symbol == "-":
            if found:
                start, length, before = found[-1]
                found[-1] = (start, length + 0.25, before)
        elif symbol != ".":
            found.append((chord.start + step / 4, 0.22, symbol))
    return found
